# SPDX-License-Identifier: MIT
"""A disk image that is copied to a second machine while the first runs on: both accept, and nobody takes one for the other."""
import os
import shutil
import signal

from conftest import BINARIES, VILLAGES, payment_body, post
from hub import programs
from hub.base import wait_until
from test_gateway_broker import status

NOWHERE = "127.0.0.1:1"


def fill(gateway, words, count):
    return [post(gateway, "/v1/payments", payment_body(case_id=f"{words}-{number}"))[1] for number in range(count)]


def copy_of(world, gateway, **settings):
    """The second machine: the first one's folder as it is at one moment."""
    folder = os.path.join(world.folder, "salinan")
    gateway.process.send(signal.SIGSTOP)
    try:
        shutil.copytree(os.path.join(world.folder, "spool"), os.path.join(folder, "spool"))
    finally:
        gateway.process.send(signal.SIGCONT)
    return world.start(programs.gateway(folder, BINARIES, VILLAGES[0], world.brokers, world.schemas, **settings))


def test_two_machines_of_one_image_are_told_apart(world):
    world.expects("link down|a new life begins")
    first = world.gateway(brokers=NOWHERE, machine="kantor")
    before = fill(first, "dulu", 20)
    second = copy_of(world, first, machine="rumah")
    here, there = fill(first, "kantor", 10), fill(second, "rumah", 10)
    assert {receipt["incarnation"] for receipt in before + here} == {before[0]["incarnation"]}
    assert [receipt["seq"] for receipt in here] == list(range(21, 31))
    assert {receipt["incarnation"] for receipt in there} == {status(second)["incarnation"]} != {before[0]["incarnation"]}
    assert [receipt["seq"] for receipt in there] == list(range(1, 11))
    first.stop()
    first = world.gateway(machine="kantor")
    wait_until(lambda: status(first)["pending"] == 0 and status(second)["pending"] == 0, 60, "both have delivered")
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 40)
    assert world.accounts("dpmd") == (40, 0, 0, 0), "what both sent counts once, what each took counts"


def test_a_copy_beside_the_first_is_told_apart_by_its_file(world):
    world.expects("link down|a new life begins")
    first = world.gateway(brokers=NOWHERE)
    assert post(first, "/v1/payments", payment_body())[1]["seq"] == 1
    second = copy_of(world, first)
    assert post(second, "/v1/payments", payment_body())[1]["seq"] == 1
    assert status(first)["incarnation"] != status(second)["incarnation"]
