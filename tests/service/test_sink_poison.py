# SPDX-License-Identifier: MIT
"""Poison of every kind between good records: only the culprit is set aside, everything else arrives as it was sent."""
import datetime
import io
import json
import os
import random
import tarfile
import uuid
import zlib

import fastavro
import pytest
from conftest import PROJECT, SHARED, VILLAGES
from hub.base import wait_until

confluent_kafka = pytest.importorskip("confluent_kafka", reason="tests/run installs it into .venv")
LIFE = "01890000-0000-4000-8000-000000000001"
with open(PROJECT + "/schemas/avro/Payment.avsc", encoding="utf-8") as schema:
    PAYMENT = fastavro.parse_schema(json.load(schema))


class Writer:
    """A village that writes to Kafka what no gateway would."""

    def __init__(self, world):
        self.world, self.seq = world, 0
        self.producer = confluent_kafka.Producer({"bootstrap.servers": world.brokers})

    def payment(self, **changes):
        self.seq += 1
        now = datetime.datetime(2026, 11, 24, 8, tzinfo=datetime.timezone.utc)
        return {"event_id": str(uuid.uuid4()), "village_code": VILLAGES[0], "incarnation": LIFE, "seq": self.seq, "occurred_at": now,
                "recorded_at": now, "clock": "SYNCED", "case_id": f"P-{self.seq}", "service": "blt-dd",
                "actor": {"role": "TREASURER", "name": None}, "corrects": None, "action": "PAID", "kind": "blt-dd", "amount": b"\x64",
                "currency": "IDR", "method": "CASH", "payer": {"nik": None, "name": "Budi"}, "reference": None, "period": None, **changes}

    def encode(self, **changes):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, plain_schema(), self.payment(**changes))
        return b"\0\0\0\0\3" + out.getvalue()

    def void(self, seq, topic):
        value = {"event_id": str(uuid.uuid4()), "village_code": VILLAGES[0], "incarnation": LIFE, "topic": topic, "seq": seq, "reason": "salah ketik"}
        out = io.BytesIO()
        fastavro.schemaless_writer(out, plain_schema("Void"), value)
        return b"\0\0\0\0\4" + out.getvalue()

    def send(self, value, topic="payments"):
        self.producer.produce(self.world.topic(topic), value=value, key=VILLAGES[0], partition=zlib.crc32(VILLAGES[0].encode()) % 12)

    def flush(self):
        assert self.producer.flush(30) == 0


def plain_schema(record="Payment"):
    """The schema without logical types: bytes and numbers go in as they are."""
    def strip(kind):
        if isinstance(kind, dict):
            return {name: strip(value) for name, value in kind.items() if name not in ("logicalType", "__fastavro_parsed__")}
        return [strip(value) for value in kind] if isinstance(kind, list) else kind
    text = json.load(open(f"{PROJECT}/schemas/avro/{record}.avsc", encoding="utf-8"))
    return fastavro.parse_schema(strip(text))


def micros(moment):
    return int((moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)).total_seconds()) * 1000000


def naughty_strings():
    path = os.path.join(SHARED, "data", "corpora", "naughty-strings", "naughty-strings.tar.gz")
    if not os.path.exists(path):
        return []
    with tarfile.open(path) as archive:
        name = next(name for name in archive.getnames() if name.endswith("blns.json"))
        return list(dict.fromkeys(json.load(archive.extractfile(name))))


def lag(sink):
    return sum(value for name, value in sink.metrics().items() if name.startswith("kentongan_sink_lag_records"))


def times(**changes):
    now = micros(datetime.datetime(2026, 11, 24, 8, tzinfo=datetime.timezone.utc))
    return {"occurred_at": now, "recorded_at": now, **changes}


def test_only_the_culprit_is_set_aside(world):
    world.expects("dead letter class=")
    writer = Writer(world)
    ends = (1 << 63) - 1
    kinds = {  # what is wrong, and what becomes of it
        "year 1": (writer.encode(**times(occurred_at=micros(datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc)))), None),
        "year 294247, the last that fits": (writer.encode(**times(occurred_at=ends)), None),
        "before all time": (writer.encode(**times(occurred_at=-ends - 1)), "decode"),
        "what would be minus infinity": (writer.encode(**times(occurred_at=-ends - 1 + 946684800000000)), "decode"),
        "4714 BC": (writer.encode(**times(occurred_at=-211000000000000000)), "decode"),
        "an amount of 40 digits": (writer.encode(**times(amount=(10 ** 40).to_bytes(18, "big"))), None),
        "an amount of nothing": (writer.encode(**times(amount=b"")), None),
        "an empty name": (writer.encode(**times(payer={"nik": None, "name": ""})), None),
        "a name of 300,000": (writer.encode(**times(payer={"nik": None, "name": "a" * 300000})), None),
        "a case of 6,400 letters": (writer.encode(**times(case_id="".join(uuid.uuid4().hex for _ in range(200)))), "data"),
        "NUL": (writer.encode(**times(payer={"nik": None, "name": "a\0b"})), "decode"),
        "a NIK of letters": (writer.encode(**times(payer={"nik": "x" * 16, "name": None})), None),
        "no UUID": (writer.encode(**times(event_id="x" * 36)), "decode"),
        "number 0": (writer.encode(**times(seq=0)), "sequence"),
        "a number below 0": (writer.encode(**times(seq=-5)), "sequence"),
        "the last number of all": (writer.encode(**times(seq=ends)), "sequence"),
    }
    good = writer.encode(**times())
    for cut in range(5, len(good), 7):
        kinds[f"cut at {cut}"] = good[:cut], "decode"
    for value, _ in kinds.values():
        writer.send(value)
        writer.send(writer.encode(**times()))
    writer.flush()
    sink = world.sink("satu_data", batch_records=500)
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.payments", len(kinds), 60)
    wait_until(lambda: lag(sink) == 0, 30, "no lag is left")
    offsets = dict(world.sql("satu_data", "SELECT kafka_offset, class FROM kentongan.dead_letter"))
    for number, (name, (_, wanted)) in enumerate(kinds.items()):
        found = offsets.pop(2 * number, None)
        assert found == wanted or wanted is None and found in (None, "decode", "data"), (name, found)
    assert offsets == {}, "no good record is set aside"
    assert sink.get("/readyz")[0] == 200


def test_a_void_takes_no_number_of_another_topic(world):
    world.expects("dead letter class=origin")
    writer = Writer(world)
    writer.send(writer.encode(**times()))
    writer.send(writer.void(2, world.topic("requests")))  # as sent to requests, and put here by somebody
    writer.send(writer.void(2, "payments"))
    writer.send(writer.void(3, world.topic("payments")))
    writer.send(writer.encode(**times(seq=4)))
    writer.flush()
    world.sink("satu_data")
    wait_until(lambda: world.accounts("satu_data") == (2, 0, 1, 1), 60, "its own void counts, the number of the others is missing")
    assert world.dead_letters("satu_data") == 2 * [("origin", None, None, "the void is one of another topic")]


@pytest.mark.skipif(not naughty_strings(), reason="../shared/data/corpora is not here")
def test_naughty_strings_arrive_as_they_are(world):
    world.expects("dead letter class=decode")
    writer = Writer(world)
    texts = naughty_strings()
    for text in texts:
        writer.send(writer.encode(**times(payer={"nik": None, "name": text}, reference=text)))
    writer.flush()
    sink = world.sink("satu_data")
    good = [text for text in texts if "\0" not in text]
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.payments", len(good), 60)
    wait_until(lambda: lag(sink) == 0, 30, "no lag is left")
    assert world.sql("satu_data", "SELECT payer_name, reference FROM satu_data.payments ORDER BY seq") == [(text, text) for text in good]
    assert len(good) > 100 and len(world.dead_letters("satu_data")) == len(texts) - len(good)


def test_rows_around_refused_ones_reach_the_mapping_in_order(world):
    """What an undone part leaves in the batch table is no place for the next part's rows; which rows would fall into it hangs on their sizes."""
    world.expects("dead letter class=data")
    chance, when = random.Random(1), micros(datetime.datetime(2026, 11, 24, 8, tzinfo=datetime.timezone.utc))
    world.write_department("urut", {"payments": "amount currency"},
                           "CREATE TABLE IF NOT EXISTS p (n bigserial, event_id uuid PRIMARY KEY, desa text NOT NULL, hidup uuid, seq bigint CHECK (seq % 31 <> 0), "
                           "kasus text, jumlah numeric, masuk timestamptz, mata text, late boolean);\n",
                           {"payments": "INSERT INTO p (event_id, desa, hidup, seq, kasus, jumlah, masuk, mata, late) SELECT event_id, village_code, incarnation, "
                                        "seq, case_id, amount, occurred_at, currency, late FROM batch_payments"})
    world.install("urut")
    with open(f"{world.folder}/departments/urut_{world.tag}/department.conf", "a", encoding="utf-8") as conf:
        conf.write("on_bad_record = continue\nbreaker = no\nstraight = no\n")
    writer, life = Writer(world), str(uuid.UUID(int=chance.getrandbits(128), version=4))
    for _ in range(4000):
        event_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        writer.send(writer.encode(incarnation=life, occurred_at=when, recorded_at=when, event_id=event_id, case_id=f"K-{chance.randrange(60)}",
                                  amount=chance.choice([b"\x64", b"\x00", b"\x7f" * 7, b"\x00\x80"])))
    writer.flush()
    world.sink("urut")
    wait_until(lambda: sum(world.accounts("urut")) == 4000, 120, "all events")
    assert [row[0] for row in world.sql("urut", "SELECT seq FROM urut.p ORDER BY n")] == [seq for seq in range(1, 4001) if seq % 31]
