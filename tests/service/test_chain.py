# SPDX-License-Identifier: MIT
"""One village event, the whole way."""
import json
import subprocess

import pytest
from conftest import payment_body, post, request_body
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
