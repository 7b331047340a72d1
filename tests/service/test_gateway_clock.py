# SPDX-License-Identifier: MIT
"""Clocks of village computers: an empty battery, a wrong year, set back while it runs. Order, receipts and delivery do not care."""
import json
import signal

from clocks import DAY, Clock
from conftest import BINARIES, VILLAGES, payment_body, post
from hub import programs
from hub.base import wait_until
from test_gateway_broker import status


def gateway_by(world, clock, **settings):
    gateway = programs.gateway(world.folder, BINARIES, VILLAGES[0], settings.pop("brokers", world.brokers), world.schemas, **settings)
    gateway.binary = clock.program
    return world.start(gateway)


def test_order_receipts_and_delivery_outlive_every_clock(world):
    world.expects("link down")
    clock = Clock(world.folder)
    gateway = gateway_by(world, clock)
    receipts = []
    for offset in (0, 10 * 365 * DAY, -3600, 0, -40 * 365 * DAY):
        clock.set(offset)
        for number in range(20):
            key = f"kunci-{len(receipts)}"
            status, receipt = post(gateway, "/v1/payments", payment_body(case_id=f"kasus-{number}"), Idempotency_Key=key)
            assert status == 201, receipt
            receipts.append(receipt)
    assert [receipt["seq"] for receipt in receipts] == list(range(1, len(receipts) + 1))
    assert min(receipt["recorded_at"] for receipt in receipts) > "2026", "no time before the program was made"
    assert max(receipt["recorded_at"] for receipt in receipts) > "2035", "what the clock says is told"
    for number in (0, 25, 99):
        body = payment_body(case_id=f"kasus-{number % 20}")
        status, again = post(gateway, "/v1/payments", body, Idempotency_Key=f"kunci-{number}")
        assert status == 200 and again["event_id"] == receipts[number]["event_id"] and again["seq"] == number + 1
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 60, "delivered")
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", len(receipts))
    assert world.accounts("dpmd") == (len(receipts), 0, 0, 0)


def pay(gateway, key):
    return post(gateway, "/v1/payments", payment_body(), Idempotency_Key=key)


def let_days_pass(gateway, clock, days):
    """The kernel keeps the clock right; each day it is looked at, and something is written down."""
    for day in days:
        clock.set(day * (DAY - 60))
        gateway.get("/metrics")
        assert status(gateway)["clock"] == "SYNCED" and pay(gateway, f"hari-{day}")[0] == 201


def test_a_key_lives_for_35_days_and_restarts(world):
    clock = Clock(world.folder)
    clock.keep()
    gateway = gateway_by(world, clock)
    code, first = pay(gateway, "kunci")
    assert code == 201
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    for begin in range(1, 34, 11):
        let_days_pass(gateway, clock, range(begin, begin + 11))
        gateway.stop()
        gateway.start()
        gateway.wait()
        assert pay(gateway, "kunci") == (200, {**first, "state": "DELIVERED"}), f"day {begin + 10}"
    let_days_pass(gateway, clock, range(34, 40))
    code, anew = pay(gateway, "kunci")
    assert code == 201 and anew["event_id"] == first["event_id"], "the same event by its id, so that departments know it"


def test_nothing_is_old_by_a_clock_that_jumped(world):
    clock = Clock(world.folder)
    clock.keep()
    gateway = gateway_by(world, clock, keep_days=1)
    first = pay(gateway, "kunci")[1]
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    for offset, kept in ((10 * 365 * DAY, True), (0, True), (30 * DAY, False), (-40 * 365 * DAY, True)):
        clock.set(offset)
        clock.keep(kept)
        gateway.get("/metrics")
        for _ in range(3):
            assert post(gateway, "/v1/payments", payment_body())[0] == 201
        wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
        assert pay(gateway, "kunci") == (200, {**first, "state": "DELIVERED"}), f"{offset} {kept}"


def test_no_clock_between_two_starts_begins_a_new_life(world):
    world.expects("link down")
    clock, lives = Clock(world.folder), set()
    for number, offset in enumerate((0, 10 * 365 * DAY, -40 * 365 * DAY, 0, -3600, 3600), 1):
        clock.set(offset)
        gateway = gateway_by(world, clock)
        answer = post(gateway, "/v1/payments", payment_body())
        assert answer[0] == 201 and answer[1]["seq"] == number
        lives.add(answer[1]["incarnation"])
        gateway.process.stop(signal.SIGKILL)
    assert len(lives) == 1


def test_a_clock_that_may_not_be_asked_about_is_not_believed(lonely):
    lonely.expects("link down")
    gateway = gateway_by(lonely, Clock(lonely.folder, may_ask=False), brokers="127.0.0.1:1")
    assert status(gateway)["clock"] == "UNSYNCED"
