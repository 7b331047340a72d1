# SPDX-License-Identifier: MIT
"""A second opinion on the plan: records that Debian's python3-avro writes, read by ours.

Random schemas and values from a seed; the writer's and the reader's schema differ by dropped, added
and reordered fields. tests/tools/plan_decode prints the columns as JSON.
"""
import io
import json
import os
import random
import struct
import subprocess

import avro.io
import avro.schema
import pytest

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("KENTONGAN_BIN", os.path.join(PROJECT, "build", "debug", "bin"))
DECODE = os.path.join(os.path.dirname(BUILD), "tests", "plan_decode")
ROUNDS = 20000 if os.environ.get("KENTONGAN_FULL") == "1" else 3000
PER_SCHEMA = 20


class Maker:
    """Schemas, values, and what each value must look like as JSON."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.names = 0

    def name(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def kind(self, depth):
        simple = ["boolean", "int", "long", "double", "string", "enum"]
        return self.chance.choice(simple + (["array", "map", "record"] if depth < 3 else []))

    def schema(self, depth=0):
        kind = self.kind(depth)
        if kind == "enum":
            return {"type": "enum", "name": self.name("E"), "symbols": ["A", "B", "C"], "default": "A"}
        if kind == "array":
            return {"type": "array", "items": self.schema(depth + 1)}
        if kind == "map":
            return {"type": "map", "values": self.schema(depth + 1)}
        if kind == "record":
            return self.record(depth + 1)
        return kind

    def field(self, depth):
        kind = self.schema(depth)
        if self.chance.random() < 0.3:
            branches = ["null", kind]
            self.chance.shuffle(branches)
            kind = branches
        return {"name": self.name("f"), "type": kind}

    def record(self, depth=0):
        fields = [self.field(depth) for _ in range(self.chance.randrange(1, 5))]
        return {"type": "record", "name": self.name("R"), "fields": fields}

    def text(self):
        return "".join(self.chance.choice('ab"\\\n/éñ’🥁 ') for _ in range(self.chance.randrange(12)))

    def value(self, schema):
        chance = self.chance
        if isinstance(schema, list):
            return self.value(chance.choice(schema))
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            return {field["name"]: self.value(field["type"]) for field in schema["fields"]}
        if kind == "array":
            return [self.value(schema["items"]) for _ in range(chance.randrange(4))]
        if kind == "map":
            return {self.text() + str(number): self.value(schema["values"]) for number in range(chance.randrange(4))}
        return {"null": lambda: None, "boolean": lambda: chance.random() < 0.5,
                "int": lambda: chance.randrange(-2**31, 2**31), "long": lambda: chance.randrange(-2**63, 2**63),
                "double": lambda: chance.uniform(-1e9, 1e9), "string": self.text,
                "enum": lambda: chance.choice("ABC")}[kind]()

    def reader(self, record):
        """The record as another version would have it."""
        fields = [field for field in record["fields"] if self.chance.random() < 0.8]
        self.chance.shuffle(fields)
        extra = {"name": self.name("new"), "type": ["null", "string"], "default": None}
        more = {"name": self.name("new"), "type": {"type": "array", "items": "long"}, "default": [1, 2]}
        return {**record, "fields": [*fields, extra, more]}


def flatten(schema, value, prefix=""):
    """Columns of a value as plan.h lays them out."""
    columns = {}
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, list):
            kind = next(branch for branch in kind if branch != "null")
        inner = None if value is None else value[field["name"]]
        if isinstance(kind, dict) and kind["type"] == "record":
            columns.update(flatten(kind, inner, f"{prefix}{field['name']}_"))
        else:
            columns[prefix + field["name"]] = inner
    return columns


def encode(schema, value):
    out = io.BytesIO()
    avro.io.DatumWriter(schema).write(value, avro.io.BinaryEncoder(out))
    return out.getvalue()


def frames(parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


@pytest.mark.parametrize("seed", range(10))
def test_the_plan_reads_what_python_avro_writes(seed):
    maker = Maker(seed)
    sent, wanted = [], []
    for _ in range(ROUNDS // PER_SCHEMA // 10):
        record = maker.record()
        reader = maker.reader(record)
        writer_schema = avro.schema.parse(json.dumps(record))
        reader_schema = avro.schema.parse(json.dumps(reader))
        for _ in range(PER_SCHEMA):
            value = maker.value(record)
            data = encode(writer_schema, value)
            resolved = avro.io.DatumReader(writer_schema, reader_schema).read(avro.io.BinaryDecoder(io.BytesIO(data)))
            sent += [json.dumps(record).encode(), json.dumps(reader).encode(), data]
            wanted.append(flatten(reader, resolved))
    done = subprocess.run([DECODE], input=frames(sent), capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(wanted) > 100
    for line, expected in zip(lines, wanted):
        assert json.loads(line) == expected
