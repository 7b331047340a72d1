# SPDX-License-Identifier: MIT
"""A second opinion on reading and writing: Debian's python3-avro beside the plan, and beside check and Avro-C.

Random schemas and values from a seed. One way python writes and the plan reads, with a reader's schema that dropped, added,
reordered and widened fields; the other way our gateway's part turns JSON into bytes and python reads them.
tests/tools/plan_decode prints columns as JSON, tests/tools/json_encode bytes as hexadecimal digits.
"""
import datetime
import decimal
import io
import json
import os
import random
import struct
import subprocess
import uuid

import avro.io
import avro.schema
import pytest

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("KENTONGAN_BIN", os.path.join(PROJECT, "build", "debug", "bin"))
DECODE = os.path.join(os.path.dirname(BUILD), "tests", "plan_decode")
ENCODE = os.path.join(os.path.dirname(BUILD), "tests", "json_encode")
ROUNDS = 1000000 if os.environ.get("KENTONGAN_FULL") == "1" else 20000
PER_SCHEMA = 20
SEEDS = 10
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
SIMPLE = ["boolean", "int", "long", "float", "double", "string", "bytes", "enum", "fixed", "date", "time-micros",
          "timestamp-micros", "timestamp-millis", "decimal", "uuid"]
UUID = {"type": "string", "logicalType": "uuid"}
WIDER = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"]}


class Maker:
    """Schemas and values."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.names = 0
        self.first = False  # of a default: unions take their first branch

    def name(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def schema(self, depth=0):
        kind = self.chance.choice(SIMPLE + (["array", "map", "record"] * 2 if depth < 3 else []))
        if kind == "enum":
            return {"type": "enum", "name": self.name("E"), "symbols": ["A", "B", "C"], "default": "A"}
        if kind == "fixed":
            return {"type": "fixed", "name": self.name("F"), "size": self.chance.randrange(1, 9)}
        if kind == "decimal":
            precision = self.chance.randrange(1, 38)
            return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": self.chance.randrange(precision + 1)}
        if kind == "uuid":
            return UUID
        if kind == "date":
            return {"type": "int", "logicalType": "date"}
        if "-" in kind:
            return {"type": "long", "logicalType": kind}
        if kind == "array":
            return {"type": "array", "items": self.schema(depth + 1)}
        if kind == "map":
            return {"type": "map", "values": self.schema(depth + 1)}
        return self.record(depth + 1) if kind == "record" else kind

    def field(self, depth):
        kind = self.schema(depth)
        if self.chance.random() < 0.3 and kind != UUID:  # python3-avro 1.11.1 stumbles over null beside it
            kind = ["null", kind]
            self.chance.shuffle(kind)
        return {"name": self.name("f"), "type": kind, "minLength": 0, "maxLength": 2000}

    def record(self, depth=0):
        return {"type": "record", "name": self.name("R"), "fields": [self.field(depth) for _ in range(self.chance.randrange(1, 5))]}

    def text(self):
        return "".join(self.chance.choice('ab"\\\n/éñ’🥁 ') for _ in range(self.chance.randrange(30)))

    def bytes(self, size):
        return bytes(self.chance.randrange(1, 256) for _ in range(size))

    def moment(self, micros):
        found = EPOCH + datetime.timedelta(microseconds=self.chance.randrange(-10**15, 10**16))
        return found if micros else found.replace(microsecond=found.microsecond // 1000 * 1000)

    def value(self, schema):
        chance = self.chance
        if isinstance(schema, list):
            return self.value(schema[0] if self.first else chance.choice(schema))
        kind = schema if isinstance(schema, str) else schema.get("logicalType", schema["type"])
        if kind == "record":
            return {field["name"]: self.value(field["type"]) for field in schema["fields"]}
        if kind == "array":
            return [self.value(schema["items"]) for _ in range(chance.randrange(4))]
        if kind == "map":
            return {self.text() + str(number): self.value(schema["values"]) for number in range(chance.randrange(4))}
        if kind == "decimal":
            digits = chance.randrange(-10**schema["precision"] + 1, 10**schema["precision"])
            return decimal.Decimal(digits).scaleb(-schema["scale"], decimal.Context(prec=60))
        return {"null": lambda: None, "boolean": lambda: chance.random() < 0.5,
                "int": lambda: chance.randrange(-2**31, 2**31), "long": lambda: chance.randrange(-2**63, 2**63),
                "float": lambda: struct.unpack("f", struct.pack("f", chance.uniform(-1e9, 1e9)))[0],
                "double": lambda: chance.uniform(-1e9, 1e9), "string": self.text,
                "bytes": lambda: self.bytes(chance.randrange(9)), "fixed": lambda: self.bytes(schema["size"]),
                "enum": lambda: chance.choice("ABC"), "uuid": lambda: str(uuid.UUID(int=chance.getrandbits(128))),
                "date": lambda: EPOCH.date() + datetime.timedelta(days=chance.randrange(-100000, 1000000)),
                "time-micros": lambda: (EPOCH + datetime.timedelta(microseconds=chance.randrange(86400 * 10**6))).time(),
                "timestamp-micros": lambda: self.moment(True), "timestamp-millis": lambda: self.moment(False)}[kind]()

    def reader(self, record):
        """The record as another version would have it, and the values of what it added."""
        fields = [self.widened(field) for field in record["fields"] if self.chance.random() < 0.8]
        added = {}
        for _ in range(2):
            field = self.field(2)
            self.first = True
            value = self.value(field["type"])
            self.first = False
            field["default"] = default_form(field["type"], value)
            added[field["name"]] = value
            fields.append(field)
        self.chance.shuffle(fields)
        return {**record, "fields": fields}, added

    def widened(self, field):
        kind = field["type"]
        if isinstance(kind, str) and kind in WIDER and self.chance.random() < 0.5:
            return {**field, "type": self.chance.choice(WIDER[kind])}
        return field


# The forms of a value

def micros(moment):
    return (moment - EPOCH) // datetime.timedelta(microseconds=1)


def unscaled(schema, value):
    return int(value.scaleb(schema["scale"], decimal.Context(prec=60)))


def default_form(schema, value):
    """As Avro writes a default in a schema."""
    if isinstance(schema, list):
        return default_form(schema[0], value)
    kind = schema if isinstance(schema, str) else schema.get("logicalType", schema["type"])
    if kind == "record":
        return {field["name"]: default_form(field["type"], value[field["name"]]) for field in schema["fields"]}
    if kind == "array":
        return [default_form(schema["items"], item) for item in value]
    if kind == "map":
        return {key: default_form(schema["values"], item) for key, item in value.items()}
    if kind in ("bytes", "fixed"):
        return value.decode("latin-1")
    if kind == "decimal":
        number = unscaled(schema, value)
        return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True).decode("latin-1")
    if kind == "uuid":
        return str(value)
    if kind == "date":
        return (value - EPOCH.date()).days
    if kind == "time-micros":
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond
    if kind in ("timestamp-micros", "timestamp-millis"):
        return micros(value) // (1 if kind == "timestamp-micros" else 1000)
    return value


def rfc3339(moment):
    digits = f"{moment.microsecond:06d}"
    return moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S.") + digits + "Z"


def json_form(schema, value, top=False):
    """As interfaces.md has it; bytes of a column of their own are hexadecimal digits."""
    if isinstance(schema, list):
        return None if value is None else json_form(next(branch for branch in schema if branch != "null"), value, top)
    kind = schema if isinstance(schema, str) else schema.get("logicalType", schema["type"])
    if kind == "record":
        return {field["name"]: json_form(field["type"], value[field["name"]]) for field in schema["fields"]}
    if kind == "array":
        return [json_form(schema["items"], item) for item in value]
    if kind == "map":
        return {key: json_form(schema["values"], item) for key, item in value.items()}
    if kind in ("bytes", "fixed"):
        return value.hex() if top else value.decode("latin-1")
    if kind == "decimal":
        return f"{value:.{schema['scale']}f}" if value != 0 else f"{abs(value):.{schema['scale']}f}"
    if kind == "date":
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
    if kind == "time-micros":
        return default_form(schema, value)
    if kind in ("timestamp-micros", "timestamp-millis"):
        return rfc3339(value)
    if kind == "float" and not top:
        return float(f"{value:.9g}")  # as many digits as bring the same float back
    if kind in ("float", "double"):
        return float(value)  # python3-avro leaves an int that widens an int
    return str(value) if kind == "uuid" else value


def flatten(schema, value, prefix=""):
    """Columns of a value as plan.h lays them out."""
    columns = {}
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, list) and len(kind) == 2 and "null" in kind:
            kind = next(branch for branch in kind if branch != "null")
        inner = None if value is None else value[field["name"]]
        if isinstance(kind, dict) and kind["type"] == "record":
            columns.update(flatten(kind, inner, f"{prefix}{field['name']}_"))
        else:
            columns[prefix + field["name"]] = None if inner is None else json_form(kind, inner, True)
    return columns


def encode(schema, value):
    out = io.BytesIO()
    avro.io.DatumWriter(schema).write(value, avro.io.BinaryEncoder(out))
    return out.getvalue()


def read(writer, reader, data):
    return avro.io.DatumReader(writer, reader).read(avro.io.BinaryDecoder(io.BytesIO(data)))


def frames(parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def ask(tool, sent):
    return subprocess.run([tool], input=frames(sent), capture_output=True, check=True).stdout.decode().splitlines()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_plan_reads_what_python_avro_writes(seed):
    maker = Maker(seed)
    sent, wanted = [], []
    for _ in range(ROUNDS // PER_SCHEMA // SEEDS // 2):
        record = maker.record()
        reader, added = maker.reader(record)
        kept = {**reader, "fields": [field for field in reader["fields"] if field["name"] not in added]}
        writer_schema, reader_schema = (avro.schema.parse(json.dumps(schema)) for schema in (record, kept))
        for _ in range(PER_SCHEMA):
            data = encode(writer_schema, maker.value(record))
            sent += [json.dumps(record).encode(), json.dumps(reader).encode(), data]
            wanted.append(flatten(reader, {**read(writer_schema, reader_schema, data), **added}))
    lines = ask(DECODE, sent)
    assert len(lines) == len(wanted) > 100
    for line, expected, schemas in zip(lines, wanted, zip(sent[::3], sent[1::3])):
        assert json.loads(line) == expected, schemas


@pytest.mark.parametrize("seed", range(SEEDS))
def test_python_avro_reads_what_we_write(seed):
    maker = Maker(1000 + seed)
    sent, wanted = [], []
    for _ in range(ROUNDS // PER_SCHEMA // SEEDS // 2):
        record = maker.record()
        schema = avro.schema.parse(json.dumps(record))
        for _ in range(PER_SCHEMA):
            value = maker.value(record)
            sent += [json.dumps(record).encode(), json.dumps(json_form(record, value)).encode()]
            wanted.append((schema, value))
    lines = ask(ENCODE, sent)
    assert len(lines) == len(wanted) > 100
    for line, (schema, value), texts in zip(lines, wanted, zip(sent[::2], sent[1::2])):
        assert not line.startswith("!"), (line, texts)
        record = json.loads(texts[0])
        assert json_form(record, read(schema, schema, bytes.fromhex(line))) == json_form(record, value), texts
