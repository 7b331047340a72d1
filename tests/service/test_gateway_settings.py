# SPDX-License-Identifier: MIT
"""What can be changed without a start, and who may read what the gateway keeps."""
import os
import signal
import stat
import subprocess

import pytest
from conftest import VILLAGES, payment_body, post
from hub.base import wait_until
from test_gateway_broker import sequence, status
from test_gateway_heartbeat import Beats

NOWHERE = "127.0.0.1:1"


def change(gateway, **settings):
    gateway.settings.update(settings)
    gateway.prepare()
    gateway.process.send(signal.SIGHUP)


def test_limits_are_taken_over_on_a_signal(lonely):
    lonely.expects("link down|disk low|settings stay")
    gateway = lonely.gateway(brokers=NOWHERE, disk_low_bytes="1M", disk_scarce_bytes="1K", disk_full_bytes="1K")
    assert status(gateway)["disk"]["state"] == "ok"
    change(gateway, disk_low_bytes="900000G", max_connections=99)
    wait_until(lambda: status(gateway)["disk"]["state"] == "low", 20, "the new limit holds")
    wait_until(lambda: "max_connections waits for the next start" in lonely.logs(), 20, "what is not taken is told")
    assert "disk_low_bytes is 900000G now" in lonely.logs()
    for wrong in ({"disk_low_bytes": "banyak"}, {"disk_low_bytes": "1M", "kafka.acks": "1"}, {"kafka.acks": "", "kafka.no.such": "1"}):
        told = lonely.logs().count("the settings stay as they were")
        change(gateway, **wrong)
        wait_until(lambda told=told: lonely.logs().count("the settings stay as they were") > told, 20, "a wrong one is told")
        assert status(gateway)["disk"]["state"] == "low" and post(gateway, "/v1/payments", payment_body())[0] == 201


def test_the_way_to_the_hub_is_taken_over_on_a_signal(world):
    world.expects("link down")
    gateway = world.gateway(brokers=NOWHERE)
    for _ in range(3):
        assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: status(gateway)["link"]["state"] == "down", 30, "nobody is there")
    change(gateway, brokers=world.brokers, link="thin", **{"kafka.client.rack": "jember"})
    wait_until(lambda: status(gateway)["pending"] == 0, 30, "delivered")
    assert "brokers is " + world.brokers in world.logs() and "link is thin now" in world.logs()
    assert "kafka is what the file says now" in world.logs()
    assert sequence(world, "payments") == [1, 2, 3]
    Beats(world).wait(lambda beat: beat["link"]["state"] == "up")


@pytest.mark.parametrize("settings, words", [
    ({"brokers": ""}, "the setting brokers is missing"),
    ({"max_connections": 0}, "max_connections takes a whole number from 1 on"),
    ({"requests_per_second": 0}, "requests_per_second takes a whole number from 1 on"),
    ({"tls_key": "/etc/hostname"}, "tls_certificate and tls_key belong together"),
    ({"village": "xx"}, "expected a code such as 35.09.01.2001")])
def test_settings_that_cannot_work_are_refused_also_by_the_check(lonely, settings, words):
    lonely.expects(words)
    gateway = lonely.gateway(wait=False, **{"brokers": NOWHERE, **settings})
    done = subprocess.run([gateway.binary, "--conf", gateway.conf, "--check"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 78 and words in done.stderr
    wait_until(lambda: not gateway.process.is_running(), 20, "it ends")
    assert words in lonely.logs()


def test_how_much_is_logged_is_taken_over_on_a_signal(lonely):
    lonely.expects("link down|disk low")
    gateway = lonely.gateway(brokers=NOWHERE, log_level="warn")
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    assert lonely.logs() == "", "not even that it accepts"
    change(gateway, log_level="info", disk_low_bytes="900000G")
    wait_until(lambda: "disk low" in lonely.logs(), 20, "it was read")
    change(gateway, disk_low_bytes="1K", disk_scarce_bytes="1K", disk_full_bytes="1K")
    wait_until(lambda: " info gateway - disk_low_bytes is 1K now" in lonely.logs(), 20, "what was not told before")


def test_nobody_else_may_read_what_it_keeps(lonely):
    lonely.expects("link down")
    old = os.umask(0)
    try:
        gateway = lonely.gateway(brokers=NOWHERE, ballast_bytes="1M")
        assert post(gateway, "/v1/payments", payment_body())[0] == 201
    finally:
        os.umask(old)
    spool = os.path.join(lonely.folder, "spool", VILLAGES[0] + ".db")
    kept = {suffix: stat.S_IMODE(os.stat(spool + suffix).st_mode) for suffix in ("", "-wal", ".head", ".ballast")}
    assert kept == {"": 0o600, "-wal": 0o600, ".head": 0o600, ".ballast": 0o600}


def test_what_others_could_read_is_taken_from_them(lonely):
    lonely.expects("link down|a new life begins|could get at")
    gateway = lonely.gateway(brokers=NOWHERE)
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    gateway.process.stop(signal.SIGKILL)
    spool = os.path.join(lonely.folder, "spool", VILLAGES[0] + ".db")
    mine, others = [spool + suffix for suffix in ("", "-wal", ".head", ".damaged-20261101T000000Z", ".damaged-20261101T000000Z-wal")], spool + ".conf"
    for path in (*mine, others):
        with open(path, "a", encoding="utf-8"):
            os.chmod(path, 0o644)
    gateway = lonely.gateway(brokers=NOWHERE)
    assert "others could get at 5 files" in lonely.logs()
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in mine} == {0o600} and stat.S_IMODE(os.stat(others).st_mode) == 0o644
    life = post(gateway, "/v1/payments", payment_body())[1]["incarnation"]
    gateway.process.stop(signal.SIGKILL)
    gateway = lonely.gateway(brokers=NOWHERE)
    assert post(gateway, "/v1/payments", payment_body())[1]["incarnation"] == life, "our own hand begins no new life"
    with open(gateway.process.log, encoding="utf-8") as log:
        assert log.read().count("could get at") == 1
