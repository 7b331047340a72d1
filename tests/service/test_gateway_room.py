# SPDX-License-Identifier: MIT
"""A disk that fills up: told early, payments last, an honest answer, and on again by itself."""
import json
import os
import subprocess

import pytest
from conftest import VILLAGES, payment_body, post, request_body
from hub.base import wait_until

SUDO = [] if os.getuid() == 0 else ["sudo", "-n"]
MB = 1024 * 1024
STAGES = {"disk_low_bytes": "20M", "disk_scarce_bytes": "12M", "disk_full_bytes": "6M", "ballast_bytes": "2M"}


@pytest.fixture
def small_disk(world):
    """The spool's folder on a disk of 32 MB."""
    folder = os.path.join(world.folder, "spool")
    os.makedirs(folder)
    options = f"size=32m,mode=0700,uid={os.getuid()}"
    subprocess.run([*SUDO, "mount", "-t", "tmpfs", "-o", options, "kentongan-test", folder], check=True)
    yield folder
    world.stop()
    subprocess.run([*SUDO, "umount", folder], check=True)


def leave(folder, size):
    """Fill the disk so that so many bytes are free."""
    filler = os.path.join(folder, "filler")
    if os.path.exists(filler):
        os.remove(filler)
    disk = os.statvfs(folder)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - size))


def status(gateway):
    return json.loads(gateway.get("/v1/status")[1])


def wait_stage(gateway, stage):
    return wait_until(lambda: status(gateway)["disk"]["state"] == stage, 30, f"disk {stage}")


def batch(gateway):
    return post(gateway, "/v1/batch", json.dumps({"record": "Payment", **payment_body()}), Content_Type="application/x-ndjson")


def test_room_ends_in_stages_and_comes_back(world, small_disk):
    world.expects("disk (low|scarce|full)|link down")
    gateway = world.gateway(**STAGES)
    wait_stage(gateway, "ok")
    leave(small_disk, 16 * MB)
    wait_stage(gateway, "low")
    assert batch(gateway)[0] == 201
    leave(small_disk, 9 * MB)
    wait_stage(gateway, "scarce")
    refused = batch(gateway)
    assert refused[0] == 507 and "sekaligus" in refused[1]["detail_id"]
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    leave(small_disk, 4 * MB)
    wait_stage(gateway, "full")
    refused = post(gateway, "/v1/requests", request_body())
    assert refused[0] == 507 and "penuh" in refused[1]["detail_id"]
    assert gateway.get("/readyz")[0] == 503 and not status(gateway)["accepting"]
    assert post(gateway, "/v1/payments", payment_body())[0] == 201, "payments have the last reserve"
    os.remove(os.path.join(small_disk, "filler"))
    wait_stage(gateway, "ok")
    assert post(gateway, "/v1/requests", request_body())[0] == 201 and batch(gateway)[0] == 201
    assert gateway.get("/readyz")[0] == 200


def test_a_disk_full_to_the_last_block_keeps_what_was_answered(world, small_disk):
    world.expects("disk (low|scarce|full)|link down")
    gateway = world.gateway(**STAGES)
    taken = [post(gateway, "/v1/payments", payment_body())]
    leave(small_disk, 1)
    note = "x" * 1000
    while taken[-1][0] == 201:
        taken.append(post(gateway, "/v1/payments", payment_body(reference=note[:200])))
    assert taken[-1][0] == 507 and "penuh" in taken[-1][1]["detail_id"]
    kept = len(taken) - 1
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered, marked, on a full disk")
    assert not os.path.exists(os.path.join(small_disk, VILLAGES[0] + ".db.ballast"))
    os.remove(os.path.join(small_disk, "filler"))
    wait_stage(gateway, "ok")
    assert os.path.exists(os.path.join(small_disk, VILLAGES[0] + ".db.ballast"))
    answer = post(gateway, "/v1/payments", payment_body())
    assert answer[0] == 201 and answer[1]["seq"] == kept + 1
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", kept + 1)


def test_the_log_gives_its_room_back_to_a_scarce_disk(world, small_disk):
    world.expects("disk (low|scarce)|link down")
    gateway = world.gateway(**STAGES)
    log = os.path.join(small_disk, VILLAGES[0] + ".db-wal")

    def fill_log():
        for _ in range(300):
            assert post(gateway, "/v1/payments", payment_body())[0] == 201

    fill_log()
    assert os.path.getsize(log) > 1.5 * MB
    leave(small_disk, 10 * MB)
    wait_until(lambda: os.path.getsize(log) == 0, 30, "it is moved although nobody posts")
    fill_log()
    wait_until(lambda: os.path.getsize(log) < 1.5 * MB, 30, "it stays short")
    assert status(gateway)["topics"][2]["last_seq"] == 600


def test_a_ballast_that_cannot_be_made_is_done_without(lonely):
    lonely.expects("no ballast|link down")
    folder = os.path.join(lonely.folder, "spool")
    os.makedirs(os.path.join(folder, VILLAGES[0] + ".db.ballast"), mode=0o700)
    gateway = lonely.gateway(brokers="127.0.0.1:1")
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    assert status(gateway)["disk"]["state"] == "ok" and ".db.ballast: " in lonely.logs()
    gateway.stop()
    os.rmdir(os.path.join(folder, VILLAGES[0] + ".db.ballast"))
    gateway = lonely.gateway(brokers="127.0.0.1:1", ballast_bytes="900000G")
    assert post(gateway, "/v1/requests", request_body())[0] == 201
