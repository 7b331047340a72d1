# SPDX-License-Identifier: MIT
"""The documents of a record with every shape that is allowed: they are made, and the gateway does as they say."""
import json
import os
import re
import subprocess

import pytest
from conftest import PROJECT, post
from test_fourth_record import add_record, field

jsonschema = pytest.importorskip("jsonschema", reason="tests/run install puts it into .venv")

ADDRESS = {"type": "record", "name": "Place", "fields": [field("road", "string", "address", maxLength=40)]}
LEVEL = {"type": "enum", "name": "Level", "symbols": ["LOW", "HIGH", "UNKNOWN"], "default": "UNKNOWN"}


def decimal(precision, scale):
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


SHAPES = [
    field("home", ADDRESS), field("work", ["null", "Place"], default=None), field("places", {"type": "array", "items": "Place"}),
    field("before", LEVEL), field("after", "Level"), field("levels", {"type": "map", "values": "id.go.jember.desa.Level"}),
    field("code", "string", pattern="^[A-Z]{2}-[0-9]{3}(/(old|new))?$"), field("sign", "string", pattern="^(x|y)[0-9]+$", minLength=2),
    field("raw", "bytes"), field("three", {"type": "fixed", "name": "Three", "size": 3}),
    field("share", decimal(4, 4)), field("debt", decimal(10, 2), minimum="-5"), field("fee", decimal(10, 2), minimum="5"),
    field("where", "string", format="uuid"), {"name": "silent", "type": "string"},
    field("seen", {"type": "map", "values": {"type": "array", "items": {"type": "record", "name": "Sight", "fields": [
        field("by", "string", "name", doc="who | or what")]}}}, default={})]
EDGES = [("share", "0.9999", True), ("share", "1.0000", False), ("share", "00.5", True), ("three", "ab", False), ("three", "ab\u0100", False),
         ("three", "ab\u00ff", True), ("raw", "", True), ("raw", "\u00ff\u0001", True), ("raw", "\u0100", False), ("fee", "0" * 50 + "7.5", True),
         ("debt", "-5.00", True), ("code", "AB-123/new", True), ("code", "AB-12", False), ("work", {"road": "Mawar"}, True), ("work", "Mawar", False),
         ("after", "HIGH", True), ("after", "TALL", False), ("levels", {"a": "LOW"}, True), ("levels", {"a": "low"}, False),
         ("where", "0192f3a4-5678-7abc-8def-0123456789ab", True), ("where", "not one", False)]


@pytest.fixture
def shapes(lonely):
    add_record(lonely, "Shape", "shapes", SHAPES)
    with open(os.path.join(lonely.folder, "schemas", "json", "Shape.json"), encoding="utf-8") as file:
        return lonely.gateway(brokers="127.0.0.1:1"), json.load(file)


def fits(schema, body):
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).is_valid(body)


def test_examples_of_every_shape_are_accepted(shapes):
    gateway, schema = shapes
    for example in schema["examples"]:
        assert fits(schema, example)
        assert post(gateway, "/v1/shapes", example)[0] == 201, post(gateway, "/v1/shapes", example)


def test_document_and_gateway_agree_on_every_shape(shapes):
    gateway, schema = shapes
    for name, value, good in EDGES:
        body = {**schema["examples"][1], name: value}
        assert fits(schema, body) == good, (name, value)
        assert post(gateway, "/v1/shapes", body)[0] == (201 if good else 422), (name, value)


def table(lonely, title):
    """The cells of each row of a section of events.md."""
    with open(os.path.join(lonely.folder, "docs", "events.md"), encoding="utf-8") as file:
        part = file.read().split(f"\n## {title}")[1].split("\n## ")[0]
    return {cells[1].strip(" `"): cells[2:-1] for cells in (re.split(r"(?<!\\)\|", line) for line in part.splitlines() if line.startswith("| `"))}


def test_the_list_of_events_has_every_field_and_what_a_sender_must_know(lonely):
    add_record(lonely, "Shape", "shapes", SHAPES)
    rows = table(lonely, "Shape")
    assert all(len(cells) == 6 for cells in rows.values())
    given, form, personal = ({name: cells[at].strip() for name, cells in rows.items()} for at in (1, 2, 3))
    assert personal["seen.by"] == "name" and form["home.road"] == "1 to 40 characters" and personal["silent"] == "not said: masked"
    assert form["debt"] == "-5 or more" and form["silent"] == "1 to 200 characters"
    assert given["seq"] == "by the gateway" and given["code"] == "must" and given["work"] == "may" and given["levels"] == "must"
    assert given["seen"] == "may; else `{}`"
    assert "reason" in table(lonely, "Void")


def test_what_is_left_of_a_record_that_is_gone_is_stale(lonely):
    add_record(lonely)
    left = os.path.join(lonely.folder, "schemas", "json", "Gone.json")
    with open(left, "w", encoding="utf-8") as file:
        file.write("{}")
    make = [os.path.join(PROJECT, "docs", "make-documents"), "--schemas", lonely.schemas, "--out", lonely.folder]
    assert "Gone.json" in subprocess.run([*make, "--check"], capture_output=True, text=True, check=False).stderr
    subprocess.run(make, check=True)
    assert not os.path.exists(left) and subprocess.run([*make, "--check"], check=False).returncode == 0


def test_what_no_example_can_be_made_of_is_said_in_words(lonely):
    with pytest.raises(subprocess.CalledProcessError):
        add_record(lonely, "Shape", "shapes", [field("odd", "string", pattern="^[^a-z]{3}$")])
    done = subprocess.run([os.path.join(PROJECT, "docs", "make-documents"), "--schemas", lonely.schemas, "--out", lonely.folder],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.strip() == 'docs/make-documents: field odd: its pattern needs an "example" beside it'
