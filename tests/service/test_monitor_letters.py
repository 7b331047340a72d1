# SPDX-License-Identifier: MIT
"""A department's newest dead letters on the monitor: by codes only, through its group."""
import json

from hub.base import wait_until
from test_sink_bad_records import TOO_MUCH, kentongan, lift_the_limit, pay, policy


def department(monitor):
    return json.loads(monitor.get("/v1/departments")[1])["departments"][0]


def test_dead_letters_are_listed_by_their_places_and_go_when_they_are_decided(world):
    world.expects("dead letter class=")
    gateway = world.gateway()
    policy(world, "breaker = no")
    pay(gateway, *[(f"RAHASIA-{number}", TOO_MUCH) for number in range(10)], ("BAIK", "1.00"))
    world.sink("dinsos")
    monitor = world.monitor(["dinsos"])
    wait_until(lambda: department(monitor)["dead"] == 10, 90, "all ten are counted")
    wait_until(lambda: len(department(monitor)["letters"]) == 8, 90, "the newest are listed")
    text = monitor.get("/v1/departments")[1]
    letters = department(monitor)["letters"]
    kept = world.sql("dinsos", "SELECT id, topic, partition, kafka_offset, village_code, seq, class, sqlstate FROM kentongan.dead_letter "
                               "WHERE status = 'open' ORDER BY id DESC LIMIT 8")
    names = ("id", "topic", "partition", "offset", "village", "seq", "class", "sqlstate")
    assert [tuple(letter[name] for name in names) for letter in letters] == kept
    assert letters[0]["sqlstate"] == "23514" and letters[0]["at"].endswith("Z")
    assert "RAHASIA" not in text and "Budi" not in text
    letter = letters[0]
    status, record = monitor.get(f"/v1/records/{letter['topic']}/{letter['partition']}/{letter['offset']}")
    assert status == 200 and json.loads(record)["event"]["seq"] == letter["seq"]
    lift_the_limit(world)
    kentongan(world, "dead-letters", "retry", str(letter["id"]))
    kentongan(world, "dead-letters", "waive", str(letters[1]["id"]), "--reason", "salah ketik")
    wait_until(lambda: department(monitor)["dead"] == 8, 90, "what people decided is heard of")
    assert {letter["id"] for letter in department(monitor)["letters"]}.isdisjoint({letters[0]["id"], letters[1]["id"]})


def test_a_strangers_key_is_shown_nowhere(world):
    from confluent_kafka import Producer
    world.expects("dead letter class=")
    producer = Producer({"bootstrap.servers": world.brokers})
    producer.produce(world.topic("payments"), value=b"none of ours", key="Siti Rahayu, 9909010101900001", partition=3)
    assert producer.flush(20) == 0
    world.sink("dinsos")
    monitor = world.monitor(["dinsos"])
    wait_until(lambda: department(monitor)["letters"], 90, "it is listed")
    (letter,) = department(monitor)["letters"]
    assert (letter["village"], letter["seq"], letter["partition"], letter["offset"]) == (None, None, 3, 0)
    assert "Siti" not in monitor.get("/v1/departments")[1]
