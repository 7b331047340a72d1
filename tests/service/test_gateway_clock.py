# SPDX-License-Identifier: MIT
"""Clocks of village computers: an empty battery, a wrong year, set back while it runs. Order, receipts and delivery do not care."""
import glob
import json
import os

from conftest import BINARIES, VILLAGES, payment_body, post
from hub import programs
from hub.base import wait_until, write

LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0]
DAY = 86400


class Clock:
    """A gateway whose wall clock the test sets; its monotonic clock is the machine's."""

    def __init__(self, world, offset):
        self.file = os.path.join(world.folder, "clock")
        self.set(offset)
        script = os.path.join(world.folder, "gateway")
        write(script, f"#!/bin/sh\nLD_PRELOAD={LIBRARY} FAKETIME_TIMESTAMP_FILE={self.file} FAKETIME_NO_CACHE=1 "
                      f"FAKETIME_DONT_FAKE_MONOTONIC=1 exec {BINARIES}/kentongan-gateway \"$@\"\n")
        os.chmod(script, 0o755)
        self.gateway = programs.gateway(world.folder, BINARIES, VILLAGES[0], world.brokers, world.schemas)
        self.gateway.binary = script

    def set(self, offset):
        write(self.file + ".new", f"{offset:+d}\n")
        os.rename(self.file + ".new", self.file)


def test_order_receipts_and_delivery_outlive_every_clock(world):
    world.expects("link down")
    clock = Clock(world, 0)
    gateway = world.start(clock.gateway)
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
