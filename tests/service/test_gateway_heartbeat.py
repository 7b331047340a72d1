# SPDX-License-Identifier: MIT
"""A village's own word on how it is: on `status` each minute and on change, beside the events and never in their way."""
import io
import json
import signal

import fastavro
from conftest import PROJECT, VILLAGES, payment_body, post
from hub.base import wait_until

with open(PROJECT + "/schemas/avro/Status.avsc", encoding="utf-8") as schema:
    STATUS = fastavro.parse_schema(json.load(schema))


class Beats:
    """The heartbeats on the status topic, read to the end at each look."""

    def __init__(self, world):
        from confluent_kafka import Consumer, TopicPartition
        self.consumer = Consumer({"bootstrap.servers": world.brokers, "group.id": "nobody", "enable.auto.commit": False,
                                  "auto.offset.reset": "earliest"})
        self.consumer.assign([TopicPartition(world.topic("status"), part, 0) for part in range(12)])
        self.records = []

    def read(self):
        while (record := self.consumer.poll(0.5)) is not None:
            assert record.error() is None, record.error()
            self.records.append(record)
        return [body(record) for record in self.records]

    def wait(self, condition):
        return wait_until(lambda: next((beat for beat in self.read() if condition(beat)), None), 60, "a heartbeat")


def body(record):
    assert record.value()[:5] == bytes([0, 0, 0, 0, 5])
    return fastavro.schemaless_reader(io.BytesIO(record.value()[5:]), STATUS)


def test_a_heartbeat_says_what_the_status_says(world):
    gateway = world.gateway()
    beats = Beats(world)
    first = beats.wait(lambda beat: True)
    status = json.loads(gateway.get("/v1/status")[1])
    assert first["village_code"] == VILLAGES[0] and str(first["incarnation"]) == status["incarnation"]
    assert [stream["topic"] for stream in first["topics"]] == [stream["topic"] for stream in status["topics"]]
    assert first["accepting"] and first["link"]["state"] == "up" and first["earlier"] == [] and first["set_aside"] is None
    record = beats.records[0]
    headers = {name: value.decode() for name, value in record.headers()}
    assert record.key().decode() == VILLAGES[0] and headers["ce_type"] == "id.go.jember.desa.Status.v1"
    assert headers["ce_source"] == "/desa/" + VILLAGES[0] and headers["content-type"] == "application/avro"
    assert "ce_subject" not in headers and "ce_sequence" not in headers
    gateway.process.stop(signal.SIGKILL)
    assert post(world.gateway(), "/v1/payments", payment_body())[0] == 201
    after = beats.wait(lambda beat: beat["recorded_at"] > first["recorded_at"])
    assert after["incarnation"] == first["incarnation"]


def test_events_flow_where_the_hub_takes_no_heartbeat(world):
    world.admin.delete_topics([world.topic("status")])[world.topic("status")].result()
    gateway = world.gateway(**{"kafka.topic.metadata.propagation.max.ms": 100})
    wait_until(lambda: "the hub does not take the heartbeat: " in world.logs(), 60, "it is said in words")
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 30, "delivered")
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 30, "delivered")
    assert json.loads(gateway.get("/v1/status")[1])["link"]["state"] == "up"
