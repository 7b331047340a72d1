# SPDX-License-Identifier: MIT
"""Delivered events are kept and sent once more when a person asks for them, at the gateway or from the hub."""
import hashlib
import json
import os

from conftest import BINARIES, VILLAGES, payment_body, post
from hub import programs
from hub.base import wait_until, write
from test_gateway_broker import sequence, status


def filled(world, **settings):
    gateway = world.gateway(**settings)
    for number in range(40):
        assert post(gateway, "/v1/payments", payment_body(case_id=f"kasus-{number}"))[0] == 201
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    return gateway


def resend(gateway, **order):
    return post(gateway, "/v1/resend", order)


def test_what_was_delivered_is_sent_once_more(world):
    gateway = filled(world)
    topic = world.topic("payments")
    assert resend(gateway, topic=topic, from_seq=11, to_seq=15)[0] == 202
    wait_until(lambda: len(sequence(world, "payments")) >= 45, 60, "five more")
    assert sequence(world, "payments") == [*range(1, 41), *range(11, 16)]
    assert post(gateway, "/v1/payments", payment_body())[1]["seq"] == 41
    assert resend(gateway, topic=topic, from_seq=39, to_seq=900)[0] == 202, "as far as there are any"
    wait_until(lambda: len(sequence(world, "payments")) >= 48, 60, "the last ones")
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 41)
    assert world.accounts("dpmd") == (41, 0, 0, 0), "departments drop what they have"


def test_a_span_of_time_is_sent_once_more(world):
    gateway = filled(world, orders_ms=300)
    topic = world.topic("payments")
    times = {receipt["seq"]: receipt["recorded_at"] for receipt in json.loads(gateway.get("/v1/events?limit=40")[1])["events"]}
    assert resend(gateway, topic=topic, **{"from": times[7], "to": times[10]})[0] == 202
    wait_until(lambda: len(sequence(world, "payments")) >= 43, 60, "three more")
    assert sequence(world, "payments")[40:] == [7, 8, 9]
    programs.kentongan(BINARIES, "resend", topic, "--from", times[38], "--to", "2999-01-01T00:00:00+07:00", "--village",
                       VILLAGES[0], "--brokers", world.brokers, "--schemas", world.schemas)
    wait_until(lambda: len(sequence(world, "payments")) >= 46, 60, "the hub may say so too")
    assert sequence(world, "payments")[43:] == [38, 39, 40]
    assert resend(gateway, topic=topic, **{"from": "1999-01-01T00:00:00Z", "to": "1999-01-02T00:00:00Z"})[0] == 202, "none"
    assert resend(gateway, topic=topic, **{"from": times[10], "to": times[7]})[0] == 422
    assert resend(gateway, topic=topic, **{"from": "2026-11-21", "to": times[7]})[0] == 422
    assert resend(gateway, topic=topic, from_seq=1, to_seq=2, **{"from": times[7], "to": times[9]})[0] == 422
    assert len(sequence(world, "payments")) == 46


def test_orders_that_make_no_sense_are_refused(world):
    gateway = filled(world)
    topic = world.topic("payments")
    assert resend(gateway, topic=topic, from_seq=5, to_seq=4)[0] == 422
    assert resend(gateway, topic=topic)[0] == 422
    assert resend(gateway, topic="desa.dongeng", from_seq=1, to_seq=2)[0] == 404
    assert resend(gateway, topic=topic, from_seq=1, to_seq=2, incarnation="lain")[0] == 404
    assert len(sequence(world, "payments")) == 40


def test_resend_needs_the_right_to_repair(world):
    secret = "rahasia-perbaikan"
    path = os.path.join(world.folder, "tokens")
    write(path, f"hub {hashlib.sha256(secret.encode()).hexdigest()} repair\n", 0o600)
    gateway = filled(world, tokens=path)
    order = {"topic": world.topic("payments"), "from_seq": 1, "to_seq": 1}
    assert resend(gateway, **order)[0] == 401
    assert post(gateway, "/v1/resend", order, Authorization=f"Bearer {secret}")[0] == 202


def test_the_hub_orders_and_the_village_obeys_once(world):
    gateway = filled(world, orders_ms=300)
    topic = world.topic("payments")

    def order(village, first, last):
        programs.kentongan(BINARIES, "resend", topic, str(first), str(last), "--village", village, "--brokers",
                           world.brokers, "--schemas", world.schemas)

    order(VILLAGES[0], 3, 4)
    wait_until(lambda: len(sequence(world, "payments")) >= 42, 60, "it obeys")
    gateway.stop()
    gateway.start()
    gateway.wait()
    order(VILLAGES[0], 40, 40)
    wait_until(lambda: len(sequence(world, "payments")) >= 43, 60, "it obeys again")
    assert sequence(world, "payments") == [*range(1, 41), 3, 4, 40], "the first order was not carried out twice"
    assert "the hub orders" in world.logs()
    assert json.loads(gateway.get("/v1/status")[1])["link"]["state"] == "up"
