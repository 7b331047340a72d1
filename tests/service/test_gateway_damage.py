# SPDX-License-Identifier: MIT
"""A spool that a disk has changed: the gateway says so, begins a new life and sends what can still be believed."""
import fcntl
import glob
import json
import os
import re
import signal
import subprocess

import pytest
from conftest import VILLAGES, payment_body, post, request_body
from hub import programs
from hub.base import read, wait_until
from sick_disk import SickDisk

EVENTS = 300
NOWHERE = "127.0.0.1:1"


def fill(world, events=EVENTS):
    """A spool with events that no broker has, as a power cut leaves it a moment after the last."""
    gateway = world.gateway(brokers=NOWHERE)
    for number in range(events):
        assert post(gateway, "/v1/payments", payment_body(case_id=f"kasus-{number:04d}"))[0] == 201
    gateway.process.stop(signal.SIGKILL)


def spool_of(world, suffix=""):
    return f"{world.folder}/spool/{VILLAGES[0]}.db{suffix}"


def spoil(path, words):
    with open(path, "r+b") as file:
        place = file.read().index(words)
        file.seek(place)
        file.write(b"X")


def status(gateway):
    return json.loads(gateway.get("/v1/status")[1])


def carried(gateway):
    loss = status(gateway).get("set_aside", {})
    return loss if loss.get("done") else None


def test_a_changed_row_is_found_before_it_is_sent(world):
    world.expects("link down|damaged|beginning again|carried over")
    fill(world)
    first_life = world.gateway(brokers=NOWHERE)
    incarnation = status(first_life)["incarnation"]
    first_life.stop()
    spoil(spool_of(world), b"kasus-0123")
    gateway = world.gateway()
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", EVENTS - 1, 60)
    wait_until(lambda: carried(gateway), 30, "all is carried over")
    found = status(gateway)
    assert found["incarnation"] != incarnation
    assert found["set_aside"]["missing"] == 1 and found["set_aside"]["carried"] == EVENTS - 1
    ranges = [stream["missing"] for stream in found["earlier"] if stream["topic"] == world.topic("payments")]
    assert ranges == [[{"from_seq": 124, "to_seq": 124}]], "the number is named"
    assert glob.glob(spool_of(world, ".damaged-*")), "nothing is deleted"
    answer = post(gateway, "/v1/payments", payment_body(case_id="kasus-baru"))
    assert answer[0] == 201 and answer[1]["seq"] == 1
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", EVENTS, 60)
    assert world.sql("dpmd", "SELECT first_seq, high_seq, applied, missing FROM kentongan.stream_position WHERE incarnation = %s",
                     incarnation) == [(1, EVENTS, EVENTS - 1, 1)]


def test_a_lost_end_of_the_log_is_counted(world):
    world.expects("link down|damaged|carried over")
    events = 50  # so few stand in the log only
    fill(world, events)
    with open(spool_of(world, "-wal"), "r+b") as log:
        log.truncate(log.seek(0, 2) // 2)
    gateway = world.gateway()
    world.sink("dpmd")
    loss = wait_until(lambda: carried(gateway), 30, "all is carried over")
    assert loss["missing"] > 0 and loss["carried"] + loss["missing"] == events
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", loss["carried"], 60)


def test_noise_in_place_of_the_file_ends_in_a_gateway_that_accepts(world):
    world.expects("link down|damaged|carried over")
    events = EVENTS + 150  # so many that the log began anew: one that holds all heals the file
    fill(world, events)
    with open(spool_of(world), "wb") as file:
        file.write(b"noise " * 5000)
    gateway = world.gateway()
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    loss = wait_until(lambda: carried(gateway), 30, "all is counted")
    assert loss["missing"] > 0 and loss["carried"] + loss["missing"] == events
    payments = [stream for stream in status(gateway)["earlier"] if stream["topic"] == world.topic("payments")]
    assert payments[0]["missing_count"] == loss["missing"], "the witness names what neither file nor log holds"


def test_files_that_are_taken_away_under_it_are_noticed_and_written_anew(world):
    world.expects("link down|damaged|beginning again|carried over|taken away")
    gateway = world.gateway(brokers=NOWHERE)
    for number in range(20):
        assert post(gateway, "/v1/payments", payment_body(case_id=f"kasus-{number}"))[0] == 201
    incarnation = status(gateway)["incarnation"]
    for suffix in ("", "-wal", ".head"):
        os.remove(spool_of(world, suffix))

    def has_begun_again():
        code, text = gateway.get("/v1/status")
        return code == 200 and json.loads(text)["incarnation"] != incarnation
    wait_until(has_begun_again, 30, "it began again")
    assert post(gateway, "/v1/payments", payment_body(case_id="sesudah"))[0] == 201
    gateway.stop()
    gateway = world.gateway()
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 21)


def test_a_sector_that_cannot_be_read_is_no_reason_not_to_start(world):
    world.expects("link down|damaged|carried over")
    fill(world, 20)
    disk = SickDisk(world.folder, os.path.join(world.folder, "spool"))
    disk.order(reads=1)
    world.start(programs.gateway(world.folder, world.folder, VILLAGES[0], world.brokers, world.schemas))
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 20)


def test_more_lives_than_there_are_streams_for_are_all_sent(world):
    world.expects("link down|a new life begins|older lives wait")
    for life in range(15):
        gateway = world.gateway(brokers=NOWHERE, machine=f"mesin-{life}")
        for path, body in (("requests", request_body()), ("payments", payment_body())):
            assert post(gateway, "/v1/" + path, body)[0] == 201
        assert status(gateway)["pending"] == 2 * (life + 1)
        gateway.process.stop(signal.SIGKILL)
    gateway = world.gateway(machine="mesin-14")
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT coalesce(sum(applied), 0)::int FROM kentongan.stream_position", 30)
    again = {line for line in world.logs().splitlines() if "older lives wait to be opened; beginning again" in line}
    assert len(again) == 1


def test_a_folder_in_the_spools_place_ends_no_start(world):
    world.expects("link down|damaged|carried over")
    fill(world, 20)
    os.remove(spool_of(world))
    os.makedirs(spool_of(world, "/lain"))
    gateway = world.gateway()
    loss = wait_until(lambda: carried(gateway), 30, "all is carried over")
    assert loss["carried"] == 20 and loss["missing"] == 0 and loss["reason"].endswith(".db is no file")
    assert glob.glob(spool_of(world, ".damaged-*.found/lain")), "nothing is deleted"
    assert post(gateway, "/v1/payments", payment_body())[1]["seq"] == 1


def test_who_comes_second_waits_until_a_spool_was_looked_at(world):
    """Two that set the same damage aside would each rename what the other has begun."""
    world.expects("link down")
    fill(world, 5)
    with open(spool_of(world, ".lock"), "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        gateway = world.gateway(brokers=NOWHERE, wait=False)
        wait_until(lambda: re.search(rf"-> FLOCK .* {gateway.process.pid()} ", read("/proc/locks")), 10, "it waits")
        fcntl.flock(lock, fcntl.LOCK_UN)
    gateway.wait()
    assert status(gateway)["pending"] == 5


def test_a_log_that_was_left_beside_a_link_comes_along(world):
    """Somebody moves the file to a larger disk after a power cut, and forgets the rest."""
    world.expects("link down|was left beside a link|changed while it was closed|another file")
    fill(world, 20)
    disk = os.path.join(world.folder, "disk")
    os.makedirs(disk)
    os.rename(spool_of(world), os.path.join(disk, "spool.db"))
    os.symlink(os.path.join(disk, "spool.db"), spool_of(world))
    gateway = world.gateway(brokers=NOWHERE)
    assert status(gateway)["pending"] == 20
    assert os.path.exists(spool_of(world, "-wal.moved")) and os.path.exists(spool_of(world, ".head.moved"))


@pytest.mark.parametrize("part", [".salvage", "-wal.kept", "-wal.kept.draft", "-journal", ".lock"])
@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_stands_in_the_place_of_an_own_file_makes_way(world, part, kind):
    world.expects("link down|is no file of its own")
    fill(world, 5)
    letter = os.path.join(world.folder, "letter")
    with open(letter, "w", encoding="utf-8") as file:
        file.write("surat\npribadi\n")
    if os.path.exists(spool_of(world, part)):
        os.remove(spool_of(world, part))
    if kind == "fifo":
        os.mkfifo(spool_of(world, part))
    else:
        os.symlink(letter, spool_of(world, part))
    gateway = world.gateway(brokers=NOWHERE)
    assert status(gateway)["pending"] == 5 and "set_aside" not in status(gateway)
    with open(letter, encoding="utf-8") as file:
        assert file.read() == "surat\npribadi\n"
    assert os.path.lexists(spool_of(world, part + ".found"))


def test_a_link_to_the_spool_on_another_disk_is_followed(world):
    world.expects("link down|damaged|carried over")
    disk = os.path.join(world.folder, "disk")
    os.makedirs(disk)
    os.makedirs(os.path.dirname(spool_of(world)))
    os.symlink(os.path.join(disk, "spool.db"), spool_of(world))
    os.close(os.open(os.path.join(disk, "spool.db"), os.O_CREAT | os.O_WRONLY, 0o600))
    fill(world, 20)
    gateway = world.gateway(brokers=NOWHERE)
    wait_until(lambda: status(gateway)["pending"] == 20, 10, "all are there")
    gateway.process.stop(signal.SIGKILL)
    assert os.listdir(os.path.dirname(spool_of(world))) == [os.path.basename(spool_of(world))], "the rest lies on the disk, too"
    os.remove(os.path.join(disk, "spool.db.head"))
    gateway = world.gateway()
    assert wait_until(lambda: carried(gateway), 30, "all is carried over")["carried"] == 20
    assert os.path.exists(os.path.join(disk, "spool.db")) and glob.glob(os.path.join(disk, "spool.db.damaged-*"))


def test_a_spool_on_a_disk_that_is_not_there_is_told_of_at_each_start(world):
    world.expects("link down|is a link to|carried over")
    disk = os.path.join(world.folder, "disk")
    os.makedirs(os.path.dirname(spool_of(world)))
    os.symlink(os.path.join(disk, "spool.db"), spool_of(world))
    gateway = world.gateway(brokers=NOWHERE)
    assert post(gateway, "/v1/payments", payment_body())[0] == 201, "people wait at the counter"
    assert status(gateway)["set_aside"]["reason"].endswith(".db is a link to what is not there")
    for word in ("not there", "there again"):
        gateway.stop()
        gateway = world.gateway(brokers=NOWHERE)
        found = status(gateway)
        assert found["pending"] == 1 and f", which is {word}; what lies there is not sent" in found["set_aside"]["reason"]
        os.makedirs(disk, exist_ok=True)
        os.close(os.open(os.path.join(disk, "spool.db"), os.O_CREAT | os.O_WRONLY, 0o600))
    gateway.stop()
    os.remove(glob.glob(spool_of(world, ".damaged-*.found"))[0])
    assert "set_aside" not in status(world.gateway(brokers=NOWHERE))


def test_a_folder_on_a_disk_that_is_not_there_is_waited_for(world):
    world.expects("link down|is its disk mounted")
    disk = os.path.join(world.folder, "disk")
    os.symlink(disk, os.path.dirname(spool_of(world)))
    os.makedirs(disk)
    gateway = world.gateway(brokers=NOWHERE)
    gateway.stop()
    os.rename(disk, disk + ".away")
    done = subprocess.run([gateway.binary, "--conf", gateway.conf], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 75 and "is its disk mounted" in done.stderr, "whoever keeps it running starts it again"
    os.rename(disk + ".away", disk)
    assert post(world.gateway(brokers=NOWHERE), "/v1/payments", payment_body())[0] == 201
