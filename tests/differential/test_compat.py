# SPDX-License-Identifier: MIT
"""`kentongan schemas check` over a table of changes, its verdicts beside python3-avro's.

Each case is a change of one field (or of the fields) of a record. `reason` is what a refusal must say,
None where both versions read each other. Where python3-avro's verdict of FULL is another, the case says
so: there our check is stricter on purpose, for values that would silently mean something else.
"""
import json
import os
import subprocess

import avro.compatibility
import avro.schema
import pytest

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARIES = os.environ.get("KENTONGAN_BIN", os.path.join(PROJECT, "build", "debug", "bin"))
ABSENT = object()
STRICTER = "python3-avro lets it pass"


def decimal(precision, scale, **more):
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale, **more}


def fixed(size, name="F", **more):
    return {"type": "fixed", "name": name, "size": size, **more}


def enum(*symbols, name="E", **more):
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def record(*fields, name="I"):
    return {"type": "record", "name": name, "fields": [field if isinstance(field, dict) else {"name": field, "type": "long"} for field in fields]}


def array(items):
    return {"type": "array", "items": items}


def mapping(values):
    return {"type": "map", "values": values}


def with_default(name, kind, default):
    return {"name": name, "type": kind, "default": default}


def logical(kind, name):
    return {"type": kind, "logicalType": name}


MICROS, MILLIS = logical("long", "timestamp-micros"), logical("long", "timestamp-millis")
DATE, TIME, UUID = logical("int", "date"), logical("long", "time-micros"), logical("string", "uuid")

# name: (older type of f, newer type of f, reason); a default is written by ("type", default)
TYPES = {
    "the same": ("long", "long", None),
    "int to long": ("int", "long", "cannot read the long"),
    "long to int": ("long", "int", "cannot read the long"),
    "int to double": ("int", "double", "cannot read the double"),
    "float to double": ("float", "double", "cannot read the double"),
    "double to float": ("double", "float", "cannot read the double"),
    "string to bytes": ("string", "bytes", None),
    "string to long": ("string", "long", "cannot read the string"),
    "boolean to int": ("boolean", "int", "cannot read the boolean"),
    "boolean to string": ("boolean", "string", "cannot read the boolean"),
    "null to null": ("null", "null", None),
    "string to array": ("string", array("string"), "cannot read the string"),
    "array to map": (array("long"), mapping("long"), "cannot read the array"),
    "record to map": (record("a"), mapping("long"), "cannot read the record"),
    "items string to bytes": (array("string"), array("bytes"), None),
    "items int to string": (array("int"), array("string"), "f[]"),
    "values int to string": (mapping("int"), mapping("string"), "f{}"),
    "items of items": (array(array("int")), array(array("string")), "f[][]"),
    "nullable where it was not": ("string", ["null", "string"], "null"),
    "not nullable where it was": (["null", "string"], "string", "null"),
    "branches in another order": (["null", "string"], ["string", "null"], None),
    "one more branch": (["null", "string"], ["null", "string", "long"], "long"),
    "one branch less": (["null", "string", "long"], ["null", "string"], "long"),
    "a branch widens": (["null", "int"], ["null", "long"], "long"),
    "a union of one": ("string", ["string"], None),
    "decimal scale 4 to 2": (decimal(18, 4), decimal(18, 2), "same bytes would mean another value"),
    "decimal precision grows": (decimal(9, 2), decimal(18, 2), "same bytes would mean another value"),
    "decimal precision shrinks": (decimal(18, 2), decimal(9, 2), "same bytes would mean another value"),
    "decimal to bytes": (decimal(9, 2), "bytes", "same bytes would mean another value"),
    "bytes to decimal": ("bytes", decimal(9, 2), "same bytes would mean another value"),
    "decimal of fixed to decimal of bytes": (fixed(8, logicalType="decimal", precision=9, scale=2), decimal(9, 2), "cannot read"),
    "decimal of fixed, scale": (fixed(8, logicalType="decimal", precision=9, scale=2), fixed(8, logicalType="decimal", precision=9, scale=3),
                                "same bytes would mean another value"),
    "an unknown logical type changes": (logical("long", "local-timestamp-micros"), logical("long", "local-timestamp-millis"), "same bytes would mean another value"),
    "an unknown logical type goes": (logical("int", "time-millis"), "int", "same bytes would mean another value"),
    "an unknown logical type of a fixed": (fixed(12, logicalType="duration"), fixed(12), "same bytes would mean another value"),
    "an unknown logical type stays": (logical("long", "local-timestamp-micros"), logical("long", "local-timestamp-micros"), None),
    "a decimal too large to be read, scale": (decimal(50, 4), decimal(50, 2), "same bytes would mean another value"),
    "two types of one last name": ([record("a", name="x.P"), record({"name": "a", "type": "string"}, name="y.P")],
                                   [record("a", name="x.P"), record({"name": "a", "type": "string"}, name="y.P")], None),
    "two enums of one last name": ([enum("A", name="x.E"), enum("Z", name="y.E")], [enum("A", name="x.E"), enum("Z", name="y.E")], None),
    "two symbols more, no default": (enum("A"), enum("A", "B", "C"), "may write B, C, which"),
    "the same decimal": (decimal(18, 2), decimal(18, 2), None),
    "micros to millis": (MICROS, MILLIS, "same bytes would mean another value"),
    "millis to micros": (MILLIS, MICROS, "same bytes would mean another value"),
    "micros to long": (MICROS, "long", "same bytes would mean another value"),
    "long to micros": ("long", MICROS, "same bytes would mean another value"),
    "time to timestamp": (TIME, MICROS, "same bytes would mean another value"),
    "date to int": (DATE, "int", "same bytes would mean another value"),
    "int to date": ("int", DATE, "same bytes would mean another value"),
    "date to timestamp": (DATE, MICROS, "takes it for"),
    "string to uuid": ("string", UUID, "same bytes would mean another value"),
    "uuid to string": (UUID, "string", "same bytes would mean another value"),
    "micros within a list": (array(MICROS), array(MILLIS), "f[]"),
    "scale within a map": (mapping(decimal(9, 2)), mapping(decimal(9, 3)), "f{}"),
    "scale within a union": (["null", decimal(9, 2)], ["null", decimal(9, 3)], "same bytes would mean another value"),
    "fixed grows": (fixed(16), fixed(20), "16"),
    "fixed of another name": (fixed(16), fixed(16, "G"), "keep the type's name"),
    "fixed to bytes": (fixed(16), "bytes", "cannot read"),
    "a symbol more, no default": (enum("A", "B"), enum("A", "B", "C"), "may write C"),
    "a symbol less, no default": (enum("A", "B"), enum("A"), "may write B"),
    "a symbol more, both default": (enum("A", "U", default="U"), enum("A", "B", "U", default="U"), None),
    "a symbol less, both default": (enum("A", "B", "U", default="U"), enum("A", "U", default="U"), None),
    "a symbol more, only the newer has a default": (enum("A", "U"), enum("A", "B", "U", default="U"), "may write B"),
    "symbols in another order": (enum("A", "B"), enum("B", "A"), None),
    "an enum's default moves": (enum("A", "B", default="A"), enum("A", "B", default="B"), None),
    "an enum of another name": (enum("A"), enum("A", name="G"), "keep the type's name"),
    "an enum of an alias": (enum("A"), {**enum("A", name="G"), "aliases": ["E"]}, "keep the type's name"),
    "enum to string": (enum("A"), "string", "cannot read the enum"),
    "a record of another name": (record("a"), record("a", name="J"), "keep the type's name"),
    "an inner field more, no default": (record("a"), record("a", "b"), "f/b"),
    "an inner field more, default": (record("a"), record("a", with_default("b", ["null", "long"], None)), None),
    "an inner field less, no default": (record("a", "b"), record("a"), "keep the field"),
    "an inner field less, default": (record("a", with_default("b", "long", 0)), record("a"), None),
    "an inner type": (array(record("a")), array(record({"name": "a", "type": "string"})), "f[]/a"),
    "a field within a nullable record": (["null", record("a")], ["null", record("a", "b")], "f/b"),
}

# name: (older fields, newer fields, reason)
FIELDS = {
    "a field more, no default": ([], [{"name": "g", "type": "long"}], "give it a default"),
    "a field more, default": ([], [with_default("g", "long", 0)], None),
    "a field more, default of a record": ([], [with_default("g", record("a"), {"a": 1})], None),
    "a field less, no default": ([{"name": "g", "type": "long"}], [], "keep the field"),
    "a field less, default": ([with_default("g", "long", 0)], [], None),
    "fields in another order": ([{"name": "g", "type": "long"}, {"name": "h", "type": "string"}],
                                [{"name": "h", "type": "string"}, {"name": "g", "type": "long"}], None),
    "a default changes": ([with_default("g", "long", 0)], [with_default("g", "long", 1)], None),
    "a default goes": ([with_default("g", "long", 0)], [{"name": "g", "type": "long"}], None),
    "a rename": ([{"name": "g", "type": "long"}], [{"name": "h", "type": "long"}], "give it a default"),
    "a rename with an alias": ([{"name": "g", "type": "long"}], [{"name": "h", "type": "long", "aliases": ["g"]}], "keep the old name"),
    "a rename with alias and defaults": ([with_default("g", "long", 0)], [{**with_default("h", "long", 0), "aliases": ["g"]}],
                                         "keep the old name"),
    "an alias that is nobody's": ([{"name": "g", "type": "long"}], [{"name": "g", "type": "long", "aliases": ["z"]}], None),
    "other words": ([{"name": "g", "type": "long", "doc": "one"}], [{"name": "g", "type": "long", "doc": "two", "pii": "none"}], None),
    "two faults": ([{"name": "g", "type": "long"}], [{"name": "g", "type": "string"}, {"name": "h", "type": "long"}], "h: "),
}

# What registries and python3-avro let through although readers would see other values.
LAX = {name for name, (_, _, reason) in TYPES.items() if reason and ("another value" in reason or name in (
    "micros within a list", "scale within a map"))} | {
    "a rename with alias and defaults"}


def cases():
    for name, (older, newer, reason) in TYPES.items():
        yield name, [{"name": "f", "type": older}], [{"name": "f", "type": newer}], reason
    for name, (older, newer, reason) in FIELDS.items():
        first = {"name": "f", "type": "long"}
        yield name, [first, *older], [first, *newer], reason


def check(folder, older, newer, *arguments):
    for name, fields in (("older", older), ("newer", newer)):
        with open(folder / name, "w", encoding="utf-8") as file:
            json.dump(record(*fields, name="R"), file)
    return subprocess.run([os.path.join(BINARIES, "kentongan"), "schemas", "check", str(folder / "newer"), "--against",
                           str(folder / "older"), *arguments], capture_output=True, text=True, timeout=30, check=False)


def avro_says(older, newer):
    """FULL: each as the reader of the other."""
    schemas = [avro.schema.parse(json.dumps(record(*fields, name="R"))) for fields in (older, newer)]
    return all(avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(reader, writer).compatibility
               is avro.compatibility.SchemaCompatibilityType.compatible for reader, writer in (schemas, schemas[::-1]))


def test_names_that_begin_alike_are_told_apart(tmp_path):
    names = [70 * "x" + "b", 70 * "x" + "c", 400 * "y" + "b", 400 * "y" + "c"]
    inner = record(*names)
    done = check(tmp_path, [{"name": "f", "type": record()}], [{"name": "f", "type": inner}, *inner["fields"]])
    lines = done.stdout.splitlines()
    assert done.returncode == 65 and len(lines) == 8, done.stdout
    for name in names[:2]:
        assert sum(f" {name}: " in line for line in lines) == sum(f" f/{name}: " in line for line in lines) == 1, done.stdout
    assert sum(f" {100 * 'y'}...: " in line for line in lines) == 2
    deep = record("a")
    for number in range(9):
        deep = record({"name": f"{number}".rjust(90, "z"), "type": deep}, name=f"D{number}")
    done = check(tmp_path, [{"name": "f", "type": deep}], [{"name": "f", "type": json.loads(json.dumps(deep).replace(
        '"fields": [{"name": "a"', '"fields": [{"name": "c", "type": "long"}, {"name": "d", "type": "long"}, {"name": "a"'))}])
    assert done.stdout.count("...: ") == done.stdout.count("\n") == 2, done.stdout


def test_symbols_are_named_whole(tmp_path):
    symbols = [70 * "x" + letter for letter in "BCDE"]
    done = check(tmp_path, [{"name": "f", "type": enum("A")}], [{"name": "f", "type": enum("A", *symbols)}])
    assert f"may write {', '.join(symbols[:3])}, ..., which" in done.stdout, done.stdout


def test_only_records_are_checked(tmp_path):
    for older, newer, name in (("long", "long", "newer"), (record("a"), array("long"), "newer"), (enum("A"), record("a"), "older")):
        for file, schema in (("older", older), ("newer", newer)):
            (tmp_path / file).write_text(json.dumps(schema))
        done = subprocess.run([os.path.join(BINARIES, "kentongan"), "schemas", "check", str(tmp_path / "newer"), "--against",
                               str(tmp_path / "older")], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 65 and f"{name} is no record, and only records are checked" in done.stdout, done.stdout


def test_the_table_is_long_enough():
    assert len(list(cases())) >= 60
    assert LAX <= {name for name, *_ in cases()}


@pytest.mark.parametrize("name, older, newer, reason", list(cases()), ids=[name for name, *_ in cases()])
def test_a_change_is_judged(tmp_path, name, older, newer, reason):
    done = check(tmp_path, older, newer)
    if reason is None:
        assert done.returncode == 0, done.stdout
    else:
        assert done.returncode == 65 and reason in done.stdout, done.stdout
        for line in done.stdout.splitlines():
            assert line.endswith(".") and "newer" in line and "older" in line and "; " in line
    assert avro_says(older, newer) == (reason is None or name in LAX), STRICTER


def test_a_refusal_is_data_for_programs_too(tmp_path):
    done = check(tmp_path, [{"name": "f", "type": "long"}], [{"name": "f", "type": "string"}], "--json")
    facts = json.loads(done.stdout)
    assert [fact["field"] for fact in facts] == ["f"] and "keep the type" in facts[0]["sentence"]
    assert json.loads(check(tmp_path, [{"name": "f", "type": "long"}], [{"name": "f", "type": "long"}], "--json").stdout) == []


@pytest.mark.parametrize("text", ["", "{", '"R"', '{"type":"record"}', "[" * 5000])
def test_a_file_that_is_no_schema_is_told(tmp_path, text):
    (tmp_path / "bad").write_text(text)
    (tmp_path / "good").write_text('"long"')
    done = subprocess.run([os.path.join(BINARIES, "kentongan"), "schemas", "check", str(tmp_path / "bad"), "--against",
                           str(tmp_path / "good")], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 65 and "bad" in done.stderr and len(done.stderr.splitlines()) == 1
