# SPDX-License-Identifier: MIT
"""A gateway under load with a Kafka of its own, for the proofs that hurt one or the other; and what must be true of it after."""
import argparse
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from confluent_kafka import Consumer, TopicPartition
from hub import programs
from hub.base import Trouble, wait_until
from hub.kafka import Kafka

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARIES = os.environ.get("KENTONGAN_BIN") or os.path.join(PROJECT, "build", "debug", "bin")
SCHEMAS = os.path.join(PROJECT, "schemas")
VILLAGE, TOPIC = "35.09.01.2001", "desa.payments"


class Clerk(threading.Thread):
    """Posts with a key until told to stop; a broken answer is repeated with the same key."""

    def __init__(self, gateway, name):
        super().__init__(daemon=True)
        self.gateway, self.name, self.receipts, self.ending, self.connection = gateway, name, {}, False, None

    def run(self):
        number = 0
        while not self.ending:
            receipt = self.post(f"{self.name}-{number}")
            if receipt:
                self.receipts[receipt["event_id"]] = receipt
                number += 1

    def post(self, key):
        body = json.dumps({"case_id": key, "service": "blt-dd", "action": "DISBURSED", "kind": "blt-dd", "amount": "1.00",
                           "actor": {"role": "TREASURER"}})
        try:
            if self.connection is None:
                place = urllib.parse.urlsplit(self.gateway.url)
                self.connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
            self.connection.request("POST", "/v1/payments", body, {"Content-Type": "application/json", "Idempotency-Key": key})
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.status not in (200, 201):
                time.sleep(0.01)
            return json.loads(text) if answer.status in (200, 201) else None
        except (OSError, http.client.HTTPException, ValueError, AttributeError):  # the last: it has no address yet
            self.connection = None
            time.sleep(0.01)
            return None


def read_topic(brokers, topic=TOPIC):
    """(number, id) in the order of the log; the incarnation is one in all these proofs."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "nobody", "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, part, 0) for part in range(12)])
    found = []
    while (record := consumer.poll(5)) is not None:
        assert record.error() is None, record.error()
        headers = dict(record.headers())
        found.append((int(headers["ce_sequence"]), headers["ce_id"].decode()))
    consumer.close()
    return found


def verdict(found, receipts, keys, ordered=True):
    """What is wrong with the log. Ordered: its first occurrences have no gap. A topic that was made anew begins with the one that told;
    there the last occurrences are in order, since all were sent once more."""
    wrong, first, places, last = [], {}, {}, 0
    for place, (seq, event_id) in enumerate(found):
        places[seq] = place
        if first.setdefault(seq, event_id) != event_id:
            wrong.append(f"number {seq} is two events")
        if ordered and seq > last + 1:
            wrong.append(f"{seq} after {last}")
        last = max(last, seq)
    if [places[seq] for seq in sorted(places)] != sorted(places.values()):
        wrong.append("what was sent once more is out of order")
    if len({receipt["incarnation"] for receipt in receipts.values()}) > 1:
        wrong.append("a new life began")
    if sorted(first) != list(range(1, last + 1)):
        wrong.append("a number is missing")
    wrong += [f"{receipt['seq']} was answered and is not there" for receipt in receipts.values()
              if first.get(receipt["seq"]) != receipt["event_id"]]
    if len(set(first.values())) != len(first):
        wrong.append("one event has two numbers")
    if len(first) - len(receipts) > keys:
        wrong.append(f"{len(first) - len(receipts)} events that nobody was told of")
    return wrong


class Scene:
    """Kafka, topics, a gateway, clerks; end() lets all be delivered and reads what arrived."""

    def __init__(self, folder, kafka_settings=None, binaries=BINARIES, clerks=8, **settings):
        self.folder, self.kafka = folder, Kafka(folder)
        self.kafka.prepare(**(kafka_settings or {}))
        self.gateway = programs.gateway(folder, binaries, VILLAGE, settings.pop("brokers", self.kafka.brokers), SCHEMAS, **settings)
        self.clerks = [Clerk(self.gateway, f"loket-{index}") for index in range(clerks)]

    def make_topics(self):
        programs.kentongan(BINARIES, "topics", "create", "--brokers", self.kafka.brokers, "--schemas", SCHEMAS)

    def begin(self):
        self.kafka.start()
        self.kafka.wait()
        self.make_topics()
        self.gateway.start()
        self.gateway.wait()
        for clerk in self.clerks:
            clerk.start()

    def status(self):
        return json.loads(self.gateway.get("/v1/status")[1])

    def answered(self):
        return sum(len(clerk.receipts) for clerk in self.clerks)

    def numbers(self, topic=TOPIC):
        return next(stream for stream in self.status()["topics"] if stream["topic"] == topic)

    def wait_moving(self, condition, what, seconds=300):
        """As long as something is delivered meanwhile: all that is kept may be sent again, on a machine that others use too."""
        moved = [None, 0]

        def is_still():
            now = self.numbers()["delivered_seq"]
            if now != moved[0]:
                moved[:] = now, time.monotonic()
            return time.monotonic() - moved[1] > seconds
        wait_until(lambda: condition() or is_still(), 3600, what)
        if not condition():
            raise Trouble(f"{what}: nothing moves for {seconds} s")

    def wait_delivered(self):
        self.wait_moving(lambda: self.status()["pending"] == 0, "all is delivered")

    def end(self, ordered=True):
        """(receipts, records, what is wrong)"""
        self.dismiss()
        self.kafka.wait()
        self.wait_delivered()
        receipts = {event_id: receipt for clerk in self.clerks for event_id, receipt in clerk.receipts.items()}
        found = read_topic(self.kafka.brokers)
        return len(receipts), len(found), verdict(found, receipts, len(self.clerks), ordered)

    def dismiss(self):
        for clerk in self.clerks:
            clerk.ending = True
        for clerk in self.clerks:
            if clerk.is_alive():
                clerk.join()

    def close(self):
        self.dismiss()
        self.gateway.stop()
        self.kafka.stop()


def unmount(place):
    """A program that was ended a moment ago may still hold a file."""
    wait_until(lambda: subprocess.run(["umount", place], capture_output=True, check=False).returncode == 0, 30, f"umount {place}")


def tell(folder):
    """The gateway's last words, before its folder goes."""
    with open(os.path.join(folder, "log", f"gateway-{VILLAGE}.log"), encoding="utf-8") as log:
        print("".join(log.readlines()[-30:]))


def main(name, description, rounds, prove, kinds=None):
    """prove(folder, rounds, chance[, kinds]) gives (words of what was done, what is wrong)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    if kinds:
        parser.add_argument("--kinds", default=",".join(kind.__name__ for kind in kinds), help="some of the default, with commas between")
    wanted = parser.parse_args()
    chosen = [[kind for kind in kinds if kind.__name__ in wanted.kinds.split(",")]] if kinds else []
    folder = tempfile.mkdtemp(prefix=f"kentongan-{name}-", dir="/var/tmp")
    try:
        words, wrong = prove(folder, wanted.rounds, random.Random(wanted.seed), *chosen)
    except Exception:
        tell(folder)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("".join(f"{line}\n" for line in wrong[:20]), end="")
    print(f"{name}: {wanted.rounds} rounds, seed {wanted.seed}, {words}: {'held' if not wrong else f'{len(wrong)} FAILED'}")
    sys.exit(bool(wrong))
