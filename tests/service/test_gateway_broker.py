# SPDX-License-Identifier: MIT
"""What a broker does to a gateway: topics made anew, refused, too small. Nothing is lost, nothing overtakes."""
import json

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from conftest import payment_body, post, request_body
from hub.base import wait_until


def status(gateway):
    return json.loads(gateway.get("/v1/status")[1])


def waiting(gateway, topic):
    numbers = next(stream for stream in status(gateway)["topics"] if stream["topic"] == topic)
    return numbers["last_seq"] - numbers["delivered_seq"]


def sequence(world, name):
    """The numbers on a topic, in the order of the log."""
    consumer = Consumer({"bootstrap.servers": world.brokers, "group.id": "nobody", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 1000})
    consumer.assign([TopicPartition(world.topic(name), part, 0) for part in range(12)])
    found = []
    while (record := consumer.poll(2)) is not None:
        assert record.error() is None, record.error()
        found.append(int(dict(record.headers())["ce_sequence"]))
    consumer.close()
    return found


def drop(world, name):
    topic = world.topic(name)
    world.admin.delete_topics([topic])[topic].result()
    wait_until(lambda: topic not in world.admin.list_topics(timeout=10).topics, 30, "the topic is gone")


def test_a_topic_made_anew_gets_all_that_is_kept(world):
    world.expects("made anew|the broker refuses|delivery failed|link")
    gateway = world.gateway(blocked_retry_ms=500)
    for number in range(30):
        assert post(gateway, "/v1/payments", payment_body(case_id=f"kasus-{number}"))[0] == 201
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    gateway.stop()
    drop(world, "payments")
    world.make_topics()
    gateway.start()
    gateway.wait()
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: "made anew" in world.logs(), 60, "it is noticed")
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered again")
    first, *rest = sequence(world, "payments")
    assert (first, rest) == (31, list(range(1, 32))), "the one that told, then all in order"


def fill_by_others(world, name, count):
    """What other villages of the same partition have written."""
    producer = Producer({"bootstrap.servers": world.brokers, "linger.ms": 5})
    for _ in range(count):
        for part in range(12):
            producer.produce(world.topic(name), b"x", b"35.09.99.2099", part, headers={"ce_sequence": b"0"})
    assert producer.flush(60) == 0


def own(world, name):
    return [number for number in sequence(world, name) if number > 0]


def test_a_topic_made_anew_and_filled_by_others_gets_all_that_is_kept(world):
    world.expects("made anew|the broker refuses|delivery failed|link")
    gateway = world.gateway(blocked_retry_ms=500, orders_ms=300)
    for number in range(30):
        assert post(gateway, "/v1/payments", payment_body(case_id=f"kasus-{number}"))[0] == 201
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    gateway.stop()
    drop(world, "payments")
    world.make_topics()
    fill_by_others(world, "payments", 50)
    gateway.start()
    gateway.wait()
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: "made anew" in world.logs(), 60, "it is noticed, though the offset is higher than ever")
    wait_until(lambda: len(own(world, "payments")) >= 32, 60, "all are there again")
    assert own(world, "payments") == [31, *range(1, 32)], "the one that told, then all in order"
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    assert world.logs().count("made anew") == 1, "it is told once"


def test_a_topic_made_anew_under_a_silent_village_is_noticed(world):
    world.expects("made anew|the broker refuses|delivery failed|link")
    gateway = world.gateway(blocked_retry_ms=500, orders_ms=300)
    for _ in range(5):
        assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    drop(world, "payments")
    world.make_topics()
    wait_until(lambda: own(world, "payments") == [1, 2, 3, 4, 5], 60, "nobody had to post")


def test_a_topic_that_is_refused_stops_no_other(world):
    world.expects("the broker refuses|delivery failed|link")
    drop(world, "requests")
    gateway = world.gateway(blocked_retry_ms=500)
    for _ in range(5):
        assert post(gateway, "/v1/requests", request_body())[0] == 201
    wait_until(lambda: status(gateway)["link"]["state"] == "blocked", 60, "blocked")
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: waiting(gateway, world.topic("payments")) == 0, 60, "the payment left")
    assert waiting(gateway, world.topic("requests")) == 5
    assert "TOPIC" in status(gateway)["link"]["reason"]
    world.make_topics()
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "all left")
    assert status(gateway)["link"]["state"] == "up"
    assert sequence(world, "requests") == [1, 2, 3, 4, 5]


def limit(world, size):
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource("TOPIC", world.topic("payments"), incremental_configs=[entry])
    world.admin.incremental_alter_configs([resource])[resource].result()


def test_a_topic_that_takes_too_little_blocks_and_goes_on(world):
    world.expects("the broker refuses|delivery failed|link")
    limit(world, 300)
    gateway = world.gateway(blocked_retry_ms=500)
    for _ in range(20):
        assert post(gateway, "/v1/payments", payment_body())[0] == 201
    told = wait_until(lambda: status(gateway)["link"]["state"] == "blocked" and status(gateway), 60, "blocked")
    assert "MSG_SIZE" in told["link"]["reason"] and told["pending"] == 20 and told["accepting"]
    limit(world, 1048576)
    wait_until(lambda: status(gateway)["pending"] == 0, 90, "all left")
    assert sequence(world, "payments") == list(range(1, 21))
