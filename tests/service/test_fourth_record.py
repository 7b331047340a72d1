# SPDX-License-Identifier: MIT
"""A fourth kind of event is a file, a line and SQL: no C, no compiler."""
import json
import os
import subprocess

import pytest
from conftest import BINARIES, PROJECT, post
from hub import programs
from hub.base import wait_until


def field(name, kind, pii="none", **more):
    return {"name": name, "type": kind, "doc": name, "doc_id": f"isian {name}", "pii": pii, **more}


KIND = {"type": "enum", "name": "ComplaintKind", "symbols": ["ROAD", "WATER", "UNKNOWN"], "default": "UNKNOWN"}
WITNESS = {"type": "record", "name": "Witness", "fields": [field("name", "string", "name"), field("age", ["null", "int"], default=None)]}
REPORTER = {"type": "record", "name": "Reporter", "fields": [field("phone", "string", "phone", format="phone")]}
FIELDS = [
    field("kind", KIND, required_of_sender=True, default="UNKNOWN"),
    field("seen_on", {"type": "int", "logicalType": "date"}),
    field("damage", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3}, minimum="0"),
    field("details", {"type": "map", "values": "string"}, default={}),
    field("witnesses", {"type": "array", "items": WITNESS}, "name", default=[]),
    field("reporter", ["null", REPORTER], "name", default=None)]
OWN = ("action", "applicant", "attributes", "documents")
BODY = {"case_id": "A-1", "service": "aduan", "actor": {"role": "CITIZEN"}, "kind": "ROAD", "seen_on": "2026-11-20",
        "damage": "1250000.125", "details": {"tempat": "Jalan Mawar"}, "witnesses": [{"name": "Joko"}],
        "reporter": {"phone": "081234567890"}}
DEPARTMENTS = {
    "pupr": ("*",
             "CREATE TABLE IF NOT EXISTS aduan (jenis text, hari date, rugi numeric, rincian jsonb, saksi jsonb, telepon text);",
             "INSERT INTO aduan SELECT kind, seen_on, damage, details, witnesses, reporter_phone FROM batch_complaints;"),
    "bappeda": ("kind, damage",
                "CREATE TABLE IF NOT EXISTS kerugian (desa text, jenis text, rugi numeric);",
                "INSERT INTO kerugian SELECT village_code, kind, damage FROM batch_complaints;")}


def add_record(world, name="Complaint", topic="complaints", fields=FIELDS):
    """What a person does: a schema, a line of the catalog, the documents made anew."""
    with open(os.path.join(PROJECT, "schemas", "avro", "Request.avsc"), encoding="utf-8") as file:
        request = json.load(file)
    head = [part for part in request["fields"] if part["name"] not in OWN]
    record = {**request, "name": name, "doc": f"A {name}", "doc_id": name, "fields": head + fields}
    with open(os.path.join(world.schemas, "avro", name + ".avsc"), "w", encoding="utf-8") as file:
        json.dump(record, file)

    def add(catalog):
        catalog["topics"].append({"name": topic, "record": name})
        catalog["schemas"].append({"id": 9, "subject": world.topic(topic) + "-value", "version": 1, "file": f"avro/{name}.avsc"})

    world.change_catalog(add)
    subprocess.run([os.path.join(PROJECT, "docs", "make-documents"), "--schemas", world.schemas, "--out", world.folder],
                   check=True)


def first_event(monitor):
    """The first event of the monitor's stream, if one comes within a second or two."""
    done = subprocess.run(["curl", "-sN", "--max-time", "1.5", monitor.url + "/events"], capture_output=True,
                          text=True, check=False)
    for block in done.stdout.split("\n\n"):
        if "event: event" in block:
            return json.loads(block.split("data: ", 1)[1])
    return None


@pytest.fixture
def fourth(servers, tmp_path):
    from conftest import World
    world = World(servers, tmp_path)
    add_record(world)
    world.make_topics()
    for name in DEPARTMENTS:
        granted, tables, mapping = DEPARTMENTS[name]
        world.write_department(name, {"complaints": granted}, tables, {"complaints": mapping})
    yield world
    world.stop()
    assert world.unannounced() == []


def test_a_fourth_record_goes_the_whole_way_without_code(fourth):
    gateway = fourth.gateway()
    monitor = fourth.monitor()
    for name in DEPARTMENTS:
        fourth.sink(name)
    status, answer = post(gateway, "/v1/complaints", BODY)
    assert status == 201, answer
    fourth.wait_rows("pupr", "SELECT count(*) FROM pupr.aduan", 1)
    row = fourth.sql("pupr", "SELECT jenis, hari::text, rugi::text, rincian, saksi, telepon FROM pupr.aduan")[0]
    assert row == ("ROAD", "2026-11-20", "1250000.125", {"tempat": "Jalan Mawar"}, [{"name": "Joko", "age": None}],
                   "081234567890")
    fourth.wait_rows("bappeda", "SELECT count(*) FROM bappeda.kerugian", 1)
    assert fourth.sql("bappeda", "SELECT jenis, rugi::text FROM bappeda.kerugian") == [("ROAD", "1250000.125")]
    lines = []
    wait_until(lambda: lines.append(first_event(monitor)) or lines[-1], 20, "the monitor shows it")
    assert lines[-1]["kind"] == "ROAD" and lines[-1]["witnesses"] == "•••" and lines[-1]["reporter_phone"] == "•••"
    assert "Joko" not in json.dumps(lines[-1]) and "081234567890" not in fourth.logs()
    assert json.loads(monitor.get("/schemas/ids/9/versions")[1])[0]["subject"] == fourth.topic("complaints") + "-value"


def test_a_fourth_record_is_checked_and_shown_by_its_own_words(fourth):
    fourth.expects("link down|waiting")
    gateway = fourth.gateway(brokers="127.0.0.1:1")
    wrong = {**BODY, "kind": "UNKNOWN", "seen_on": "2026-02-30", "damage": "1.2345", "reporter": {"phone": "x"}}
    status, answer = post(gateway, "/v1/complaints", wrong)
    assert status == 422
    words = {error["pointer"]: error for error in answer["errors"]}
    assert sorted(words) == ["/damage", "/kind", "/reporter/phone", "/seen_on"]
    assert all("isian" in error["detail_id"] for error in words.values())
    status, answer = post(gateway, "/v1/complaints", {**BODY, "damage": "-1"})
    assert status == 422 and [error["expected"] for error in answer["errors"]] == [">= 0"]
    assert "0 atau lebih" in answer["errors"][0]["detail_id"]
    shown = programs.kentongan(BINARIES, "schemas", "show", "Complaint", "--schemas", fourth.schemas)
    assert "reporter_phone" in shown and "numeric" in shown


def test_documents_know_a_fourth_record(fourth):
    with open(os.path.join(fourth.folder, "docs", "events.md"), encoding="utf-8") as file:
        events = file.read()
    assert "## Complaint" in events and "`witnesses.name`" in events and "decimal(12,3)" in events
    with open(os.path.join(fourth.schemas, "asyncapi.json"), encoding="utf-8") as file:
        assert json.load(file)["channels"]["complaints"]["address"] == fourth.topic("complaints")
    fourth.expects("link down|waiting")
    gateway = fourth.gateway(brokers="127.0.0.1:1")
    api = json.loads(gateway.get("/openapi.json")[1])
    for example in api["paths"]["/v1/complaints"]["post"]["requestBody"]["content"]["application/json"]["examples"].values():
        status, answer = post(gateway, "/v1/complaints", example["value"])
        assert status == 201, answer
