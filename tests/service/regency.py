# SPDX-License-Identifier: MIT
"""A day of the regency on a world's topics, in seconds: what 248 gateways would have written, at the
times at which they would have.

The topics are made to keep the times that records carry (CreateTime), so that a day lies there
although it was written in a moment. From then on nothing can be told from a real one.
"""
import csv
import io
import json
import os
import subprocess
import uuid
import zlib
from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from conftest import PROJECT, SHARED
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from fastavro import parse_schema, schemaless_writer

DAY_MS, WIB_MS = 86400000, 7 * 3600000
LOGS = [os.path.join(SHARED, "data", "logs", name + ".events.csv.gz") for name in ("domestic_declarations", "it_tickets")]
TOPICS = {"Request": "requests", "Approval": "approvals", "Payment": "payments"}


def register():
    """Every village, as data/villages.csv has them."""
    with open(os.path.join(PROJECT, "data", "villages.csv"), encoding="utf-8", newline="") as file:
        return [row["village_code"] for row in csv.DictReader(file)]


def logged(count, villages):
    """The first so many events of the real logs, spread over the villages, in the order of time."""
    lines = []
    for path in LOGS:
        done = subprocess.run([os.path.join(PROJECT, "tests", "tools", "log_events"), path, *villages], capture_output=True, text=True, check=True)
        lines += [json.loads(line) for line in done.stdout.splitlines()]
    return sorted(lines[:count], key=lambda line: datetime.fromisoformat(line["occurred_at"]))


def made_up(count, villages):
    """As many events without the logs, around the clock: a case in each village asks, is allowed, is paid."""
    kinds = ({"record": "Request", "action": "SUBMITTED", "applicant": {"nik": "9909010101900001", "name": "Siti Rahayu"}},
             {"record": "Approval", "step": "KADES", "decision": "ACCEPTED"},
             {"record": "Payment", "action": "DISBURSED", "kind": "bantuan", "amount": "300000.00"})
    for at in range(count):
        turn, second = at // len(villages), at * 86400 // count
        yield {**kinds[turn % 3], "village_code": villages[at % len(villages)], "case_id": f"HARI-{turn // 3}-{at % len(villages)}",
               "service": "bantuan", "actor": {"role": "OPERATOR"}, "occurred_at": f"2026-11-24T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+07:00"}


def moments(lines, end_ms):
    """When each came: the hours of the logs' own days, all within the day before the end, in their order."""
    def of_day(line):
        at = datetime.fromisoformat(line["occurred_at"])
        return (at.hour * 3600 + at.minute * 60 + at.second) * 1000 + at.microsecond // 1000
    end = (end_ms + WIB_MS) % DAY_MS
    return sorted(end_ms - (end - of_day(line)) % DAY_MS for line in lines)


class Regency:
    """Writes to the topics of a world as its villages would."""

    def __init__(self, world):
        self.world = world
        self.lives = {code: str(uuid.uuid4()) for code in register()}
        self.numbers = defaultdict(int)
        self.schemas = {}
        with open(os.path.join(world.schemas, "catalog.json"), encoding="utf-8") as file:
            self.catalog = json.load(file)
        self.producer = Producer({"bootstrap.servers": world.brokers, "linger.ms": 20, "queue.buffering.max.messages": 300000})
        self.keep_times()

    def keep_times(self):
        entry = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
        topics = [self.world.topic(name) for name in (*TOPICS.values(), "status")]
        for done in self.world.admin.incremental_alter_configs(
                [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry]) for topic in topics]).values():
            done.result(30)

    def framed(self, name, value):
        """Avro behind the five bytes that name its schema."""
        if name not in self.schemas:
            row = next(row for row in self.catalog["schemas"] if row["file"] == f"avro/{name}.avsc")
            with open(os.path.join(self.world.schemas, row["file"]), encoding="utf-8") as file:
                self.schemas[name] = row["id"], parse_schema(json.load(file))
        ident, schema = self.schemas[name]
        out = io.BytesIO()
        out.write(b"\0" + ident.to_bytes(4, "big"))
        schemaless_writer(out, schema, value)
        return out.getvalue()

    def write(self, topic, code, value, at_ms, headers=None):
        self.producer.produce(self.world.topic(topic), value, code, partition=zlib.crc32(code.encode()) % self.catalog["modulus"],
                              timestamp=int(at_ms), headers=headers)
        self.producer.poll(0)

    def event(self, line, at_ms):
        record, code = line["record"], line["village_code"]
        topic = TOPICS[record]
        self.numbers[code, topic] += 1
        value = {**line, "event_id": str(uuid.uuid4()), "incarnation": self.lives[code], "seq": self.numbers[code, topic], "clock": "SYNCED",
                 "occurred_at": int(at_ms) * 1000 - 60000, "recorded_at": int(at_ms) * 1000 - 20000}
        if "amount" in line:
            value["amount"] = Decimal(line["amount"])
        self.write(topic, code, self.framed(record, value), at_ms, {
            "ce_id": value["event_id"], "ce_sequence": f"{value['seq']:020}", "ce_subject": line["case_id"]})

    def live_a_day(self, lines, end_ms):
        """Write them all; the times at which they came."""
        times = moments(lines, end_ms)
        for line, at_ms in zip(lines, times):
            self.event(line, at_ms)
        self.flush()
        return times

    def beat(self, code, at_ms, state="up", pending=0, oldest_ms=None):
        """A village's heartbeat."""
        oldest = oldest_ms and int(oldest_ms) * 1000
        streams = [{"topic": self.world.topic(topic), "last_seq": self.numbers[code, topic], "delivered_seq": self.numbers[code, topic]}
                   for topic in TOPICS.values()]
        self.write("status", code, self.framed("Status", {
            "village_code": code, "recorded_at": int(at_ms) * 1000, "clock": "SYNCED", "version": "1.0", "mode": "live",
            "incarnation": self.lives[code], "accepting": True, "pending": pending, "oldest_pending_at": oldest, "topics": streams,
            "link": {"state": state, "since": int(at_ms) * 1000, "reason": "Broker: Topic authorization failed" if state == "blocked" else ""},
            "disk": {"free_bytes": 40 * 10**9, "spool_bytes": 10**7, "state": "ok"}}), at_ms)

    def flush(self):
        assert self.producer.flush(60) == 0
