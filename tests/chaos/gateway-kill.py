# SPDX-License-Identifier: MIT
"""kill -9 of a gateway at random moments under load, the broker up, stopped for a while, or killed: each acknowledged event
once among Kafka's distinct (incarnation, seq), in order, no number missing, none invented."""
import argparse
import http.client
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.parse

from confluent_kafka import Consumer, TopicPartition
from hub import programs
from hub.base import wait_until
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
            return json.loads(text) if answer.status in (200, 201) else None
        except (OSError, http.client.HTTPException, ValueError):
            self.connection = None
            time.sleep(0.01)
            return None


def read_topic(brokers):
    """(incarnation is one here) numbers and ids in the order of the log."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "nobody", "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(TOPIC, part, 0) for part in range(12)])
    found = []
    while (record := consumer.poll(5)) is not None:
        assert record.error() is None, record.error()
        headers = dict(record.headers())
        found.append((int(headers["ce_sequence"]), headers["ce_id"].decode()))
    consumer.close()
    return found


def disturb(kafka, chance):
    kind = chance.random()
    if kind < 0.04:
        kafka.process.send(signal.SIGSTOP)
        time.sleep(chance.uniform(0.5, 3))
        kafka.process.send(signal.SIGCONT)
    elif kind < 0.06:
        kafka.stop(signal.SIGKILL)
        kafka.start()


def verdict(found, receipts, keys):
    wrong, first, last = [], {}, 0
    for seq, event_id in found:
        if first.setdefault(seq, event_id) != event_id:
            wrong.append(f"number {seq} is two events")
        if seq > last + 1:
            wrong.append(f"{seq} after {last}")
        last = max(last, seq)
    if sorted(first) != list(range(1, last + 1)):
        wrong.append("a number is missing")
    wrong += [f"{receipt['seq']} was answered and is not there" for receipt in receipts.values()
              if first.get(receipt["seq"]) != receipt["event_id"]]
    if len(set(first.values())) != len(first):
        wrong.append("one event has two numbers")
    if len(first) - len(receipts) > keys:
        wrong.append(f"{len(first) - len(receipts)} events that nobody was told of")
    return wrong


def prove(folder, rounds, chance):
    kafka = Kafka(folder)
    kafka.prepare()
    kafka.start()
    kafka.wait()
    programs.kentongan(BINARIES, "topics", "create", "--brokers", kafka.brokers, "--schemas", SCHEMAS)
    gateway = programs.gateway(folder, BINARIES, VILLAGE, kafka.brokers, SCHEMAS)
    clerks = [Clerk(gateway, f"loket-{index}") for index in range(8)]
    try:
        gateway.start()
        gateway.wait()
        for clerk in clerks:
            clerk.start()
        for _ in range(rounds):
            time.sleep(chance.uniform(0.02, 0.5))
            gateway.process.stop(signal.SIGKILL)
            gateway.start()
            gateway.wait()
            disturb(kafka, chance)
        for clerk in clerks:
            clerk.ending = True
        for clerk in clerks:
            clerk.join()
        kafka.wait()
        wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 300, "all is delivered")
        receipts = {event_id: receipt for clerk in clerks for event_id, receipt in clerk.receipts.items()}
        found = read_topic(kafka.brokers)
    finally:
        gateway.stop()
        kafka.stop()
    return len(receipts), len(found), verdict(found, receipts, len(clerks))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    wanted = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="kentongan-kill-", dir="/var/tmp")
    try:
        receipts, records, wrong = prove(folder, wanted.rounds, random.Random(wanted.seed))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(wrong[:20]))
    print(f"gateway-kill: {wanted.rounds} kills, seed {wanted.seed}, {receipts} answered, {records} records on the topic: "
          f"{'held' if not wrong else f'{len(wrong)} FAILED'}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
