# SPDX-License-Identifier: MIT
"""One village event, the whole way."""
import json
import os
import subprocess

import pytest
from conftest import PROJECT, payment_body, post, request_body
from hub.base import wait_until


def test_a_request_becomes_a_row_in_each_department_that_takes_it(world):
    gateway = world.gateway()
    world.sink("dinsos")
    world.sink("satu_data")
    status, receipt = post(gateway, "/v1/requests", request_body())
    assert status == 201
    assert receipt["seq"] == 1 and receipt["state"] == "ACCEPTED"
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", 1)
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1)
    assert world.sql("dinsos", "SELECT nik, nama FROM dinsos.permohonan_sktm") == [("9909010101900001", "Siti Rahayu")]
    assert world.sql("satu_data", "SELECT event_id::text FROM satu_data.requests") == [(receipt["event_id"],)]
    assert world.accounts("satu_data") == (1, 0, 0, 0)
    wait_until(lambda: json.loads(gateway.get("/v1/events/" + receipt["event_id"])[1])["state"] == "DELIVERED",
               10, "the receipt says delivered")


def test_what_a_department_was_not_granted_is_not_in_its_database(world):
    gateway = world.gateway()
    world.sink("dpmd")
    post(gateway, "/v1/payments", payment_body())
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 1)
    dump = world.sql("dpmd", "SELECT k::text FROM dpmd.keuangan k")[0][0]
    assert "9909010101900002" not in dump and "Budi" not in dump


def test_a_case_that_changes_twice_in_a_batch_has_its_last_state(world):
    gateway = world.gateway()
    lines = [{"record": "Request", **request_body(action=action)} for action in ("SUBMITTED", "AMENDED", "WITHDRAWN")]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    status, answer = post(gateway, "/v1/batch", body, Content_Type="application/x-ndjson")
    assert status == 201 and [receipt["seq"] for receipt in answer["receipts"]] == [1, 2, 3]
    world.sink("dinsos")
    world.wait_rows("dinsos", "SELECT coalesce(max(seq), 0) FROM dinsos.permohonan_sktm", 3)
    assert world.sql("dinsos", "SELECT keadaan FROM dinsos.permohonan_sktm") == [("WITHDRAWN",)]


def test_other_peoples_tools_read_the_topics(world):
    """AvroDeserializer with the monitor as registry, kcat for the framing, cloudevents for the headers."""
    confluent_kafka = pytest.importorskip("confluent_kafka", reason="tests/run installs it into .venv")
    from cloudevents.core.bindings import kafka as binding
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    gateway = world.gateway()
    monitor = world.monitor()
    post(gateway, "/v1/requests", request_body())
    post(gateway, "/v1/payments", payment_body())
    post(gateway, "/v1/approvals", {"case_id": "SKTM-1", "service": "s", "step": "KADES", "decision": "ACCEPTED",
                                    "actor": {"role": "KADES"}})
    topics = [world.topic(name) for name in ("requests", "approvals", "payments")]
    consumer = confluent_kafka.Consumer({"bootstrap.servers": world.brokers, "group.id": world.tag + "-tools",
                                         "auto.offset.reset": "earliest"})
    consumer.subscribe(topics)
    read = AvroDeserializer(SchemaRegistryClient({"url": monitor.url}))
    records = {}

    def poll():
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            value = read(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
            records[message.topic()] = (message, value)
        return len(records) == 3

    wait_until(poll, 30, "three records")
    consumer.close()
    message, value = records[topics[0]]
    assert value["applicant"]["name"] == "Siti Rahayu" and value["seq"] == 1
    assert str(records[topics[2]][1]["amount"]) == "300000.00"
    event = binding.from_binary_event(as_binary(binding, message))
    headers = dict(message.headers())
    assert headers["ce_subject"] == b"SKTM-1" and headers["ce_sequence"] == b"%020d" % 1
    assert event.get_type() == "id.go.jember.desa.Request.v1"
    shown = subprocess.run(["kcat", "-b", world.brokers, "-C", "-t", topics[0], "-o", "beginning", "-e", "-q", "-s",
                            "value=b i", "-f", "%k %s\n"], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("35.09.01.2001 ")


def as_binary(binding, message):
    return binding.KafkaMessage(headers=dict(message.headers()), key=message.key(), value=message.value())


COMPLAINT = {
    "type": "record", "name": "Complaint", "namespace": "id.go.jember.desa", "doc": "A complaint", "doc_id": "Pengaduan",
    "fields": [
        {"name": "kind", "doc": "Kind", "doc_id": "Jenis", "pii": "none", "required_of_sender": True,
         "type": {"type": "enum", "name": "ComplaintKind", "symbols": ["ROAD", "WATER", "UNKNOWN"], "default": "UNKNOWN"},
         "default": "UNKNOWN"},
        {"name": "seen_on", "doc": "Day", "doc_id": "Hari", "pii": "none", "type": {"type": "int", "logicalType": "date"}},
        {"name": "damage", "doc": "Damage", "doc_id": "Kerugian", "pii": "none",
         "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3}},
        {"name": "details", "doc": "Details", "doc_id": "Rincian", "pii": "none", "type": {"type": "map", "values": "string"},
         "default": {}},
        {"name": "witnesses", "doc": "Witnesses", "doc_id": "Saksi", "pii": "name", "default": [],
         "type": {"type": "array", "items": {"type": "record", "name": "Witness", "fields": [
             {"name": "name", "doc": "Name", "doc_id": "Nama", "pii": "name", "type": "string"}]}}},
        {"name": "reporter", "doc": "Reporter", "doc_id": "Pelapor", "pii": "name", "default": None,
         "type": ["null", {"type": "record", "name": "Reporter", "fields": [
             {"name": "phone", "doc": "Phone", "doc_id": "Telepon", "pii": "phone", "format": "phone", "type": "string"}]}]}]}


def test_a_fourth_record_is_a_file_and_no_code(world):
    with open(os.path.join(PROJECT, "schemas", "avro", "Request.avsc"), encoding="utf-8") as file:
        head = [field for field in json.load(file)["fields"]
                if field["name"] not in ("action", "applicant", "attributes", "documents")]
    complaint = {**COMPLAINT, "fields": head + COMPLAINT["fields"]}
    with open(os.path.join(world.schemas, "avro", "Complaint.avsc"), "w", encoding="utf-8") as file:
        json.dump(complaint, file)

    def add(catalog):
        catalog["topics"].append({"name": "complaints", "record": "Complaint"})
        catalog["schemas"].append({"id": 9, "subject": world.topic("complaints") + "-value", "version": 1,
                                   "file": "avro/Complaint.avsc"})

    world.change_catalog(add)
    world.make_topics()
    folder = os.path.join(world.folder, "departments", f"pupr_{world.tag}")
    os.makedirs(folder)
    with open(os.path.join(folder, "department.conf"), "w", encoding="utf-8") as file:
        file.write(f"name = pupr_{world.tag}\ndatabase = pupr\nschema = pupr\nfields.complaints = *\n")
    with open(os.path.join(folder, "tables.sql"), "w", encoding="utf-8") as file:
        file.write("CREATE TABLE IF NOT EXISTS aduan (jenis text, hari date, rugi numeric, rincian jsonb, saksi jsonb, telepon text);")
    with open(os.path.join(folder, "complaints.sql"), "w", encoding="utf-8") as file:
        file.write("INSERT INTO aduan SELECT kind, seen_on, damage, details, witnesses, reporter_phone FROM batch_complaints;")
    gateway = world.gateway()
    monitor = world.monitor()
    world.sink("pupr")
    status, answer = post(gateway, "/v1/complaints", {
        "case_id": "A-1", "service": "aduan", "actor": {"role": "CITIZEN"}, "kind": "ROAD", "seen_on": "2026-11-20",
        "damage": "1250000.125", "details": {"tempat": "Jalan Mawar"}, "witnesses": [{"name": "Joko"}],
        "reporter": {"phone": "081234567890"}})
    assert status == 201, answer
    world.wait_rows("pupr", "SELECT count(*) FROM pupr.aduan", 1)
    row = world.sql("pupr", "SELECT jenis, hari::text, rugi::text, rincian, saksi, telepon FROM pupr.aduan")[0]
    assert row == ("ROAD", "2026-11-20", "1250000.125", {"tempat": "Jalan Mawar"}, [{"name": "Joko"}], "081234567890")
    lines = []
    wait_until(lambda: lines.append(first_event(monitor)) or lines[-1], 20, "the monitor shows it")
    assert lines[-1]["kind"] == "ROAD" and lines[-1]["witnesses"] == "•••" and lines[-1]["reporter_phone"] == "•••"


def first_event(monitor):
    """The first event of the monitor's stream, if one comes within a second or two."""
    done = subprocess.run(["curl", "-sN", "--max-time", "1.5", monitor.url + "/events"], capture_output=True,
                          text=True, check=False)
    for block in done.stdout.split("\n\n"):
        if "event: event" in block:
            return json.loads(block.split("data: ", 1)[1])
    return None
