# SPDX-License-Identifier: MIT
"""A disk image that is copied to a second machine while the first runs on: both accept, and nobody takes one for the other.
An older copy that is put back over the files gives no number twice."""
import os
import shutil
import signal
import subprocess

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


def test_an_older_copy_that_is_put_back_gives_no_number_twice(world):
    world.expects("link down|a new life begins")
    spool, old = os.path.join(world.folder, "spool"), os.path.join(world.folder, "salinan")
    gateway = world.gateway(brokers=NOWHERE)
    first = fill(gateway, "dulu", 5)
    gateway.stop()
    subprocess.run(["cp", "-a", spool, old], check=True)
    gateway = world.gateway()
    since = fill(gateway, "sejak", 3)
    assert [receipt["seq"] for receipt in since] == [6, 7, 8]
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    gateway.stop()
    subprocess.run(["cp", "-a", old + "/.", spool], check=True)
    gateway = world.gateway()
    assert status(gateway)["incarnation"] != first[0]["incarnation"]
    after = fill(gateway, "sesudah", 3)
    assert [receipt["seq"] for receipt in after] == [1, 2, 3]
    assert {receipt["incarnation"] for receipt in after} == {status(gateway)["incarnation"]}
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 11)
    assert world.accounts("dpmd") == (11, 0, 0, 0), "what was accepted since the copy, and what is new"


def test_a_stop_a_kill_and_a_start_begin_no_new_life(world):
    world.expects("link down")
    gateway = world.gateway(brokers=NOWHERE)
    lives = {fill(gateway, "satu", 1)[0]["incarnation"]}
    gateway.stop()
    gateway = world.gateway(brokers=NOWHERE)
    lives.add(fill(gateway, "dua", 1)[0]["incarnation"])
    gateway.process.stop(signal.SIGKILL)
    gateway = world.gateway(brokers=NOWHERE)
    assert fill(gateway, "tiga", 1)[0]["seq"] == 3 and lives == {status(gateway)["incarnation"]}
