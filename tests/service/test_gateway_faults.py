# SPDX-License-Identifier: MIT
"""A disk that does not obey: an honest answer, nothing lost, nothing twice, and on again by itself."""
import errno
import json
import os
import resource
import signal
import socket
import struct
import time

import pytest
from conftest import VILLAGES, payment_body, post, request_body
from hub import programs
from hub.base import read, wait_until
from sick_disk import SickDisk
from test_gateway_broker import sequence, status

EVENTS = 12


@pytest.fixture
def sick(world, request):
    disk = SickDisk(world.folder, os.path.join(world.folder, "spool"))
    program = programs.gateway(world.folder, world.folder, VILLAGES[0], world.brokers, world.schemas, ballast_bytes=0,
                               **getattr(request, "param", {}))
    world.start(program)
    return disk, program


def keep_posting(gateway, key):
    """Post until it is answered for, as a village's system does; the answers before that."""
    refused = []

    def once():
        code, answer = post(gateway, "/v1/payments", payment_body(case_id=key), Idempotency_Key=key)
        if code in (200, 201):
            return answer
        refused.append(code)
        return None
    return wait_until(once, 60, f"{key} is taken"), refused


def post_all(gateway, spoil, every=3):
    """Some events, the disk spoilt before each third; their numbers and all refusals."""
    numbers, refused = [], []
    for number in range(EVENTS):
        if number % every == 1:
            spoil()
        receipt, codes = keep_posting(gateway, f"kasus-{number}")
        numbers.append(receipt["seq"])
        refused += codes
    return numbers, refused


def check_all_arrived(world, gateway):
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    found = sequence(world, "payments")
    assert sorted(set(found)) == list(range(1, EVENTS + 1)), "none lost, none invented"
    assert [number for place, number in enumerate(found) if number not in found[:place]] == list(range(1, EVENTS + 1)), "in order"


@pytest.mark.parametrize("syncs", [1, 2])
def test_a_sync_that_fails_is_not_believed(world, sick, syncs):
    world.expects("beginning again|cannot store events|link")
    disk, gateway = sick
    numbers, refused = post_all(gateway, lambda: disk.order(syncs=syncs))
    assert set(refused) <= {0, 500, 503} and refused, "never a receipt for what the disk did not take"
    assert numbers == list(range(1, EVENTS + 1)) and disk.left[0] == 0
    check_all_arrived(world, gateway)


def send_post(gateway, key):
    """A connection on which a payment was asked for and nothing was read yet."""
    body = json.dumps(payment_body(case_id=key)).encode()
    connection = socket.create_connection(gateway.url.split("//")[1].split(":"), timeout=30)
    connection.sendall(b"POST /v1/payments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       b"Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s" % (key.encode(), len(body), body))
    return connection


def test_who_goes_before_the_answer_takes_nothing_with_him(sick):
    """While a sync takes its time, one who waits hangs up, one stays; others are served, and both are kept."""
    disk, gateway = sick
    disk.order(stuck=1)
    gone, patient = send_post(gateway, "pergi"), send_post(gateway, "sabar")
    wait_until(lambda: disk.waiting == 1, 30, "the sync waits")
    hang_up(gone)
    body = json.dumps(request_body()).encode()
    with socket.create_connection(gateway.url.split("//")[1].split(":"), timeout=30) as slow:
        slow.sendall(b"POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        assert gateway.get("/healthz")[0] == 200, "the loop goes on"
        slow.sendall(b"Content-Length: %d\r\n\r\n" % len(body))
        slow.sendall(body)
        disk.heal()
        assert slow.recv(12) == patient.recv(12) == b"HTTP/1.1 201"
    patient.close()
    for key in ("pergi", "sabar"):
        assert post(gateway, "/v1/payments", payment_body(case_id=key), Idempotency_Key=key)[0] == 200, "it is kept, and once"


def hang_up(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("sick", [{"max_connections": 8}], indirect=True)
def test_questions_of_those_who_hang_up_do_not_pile_up(sick):
    """A page that asks each second and gives up, while a sync takes half an hour."""
    disk, gateway = sick
    disk.order(stuck=1)
    post_of_all = send_post(gateway, "pertama")
    wait_until(lambda: disk.waiting == 1, 30, "the sync waits")

    def ask_and_go():
        hang_up(send_post(gateway, "pergi"))
        return gateway.get("/healthz")[0] == 503
    wait_until(ask_and_go, 30, "nobody is served before those who have gone are done with")
    disk.heal()
    assert post_of_all.recv(12) == b"HTTP/1.1 201"
    wait_until(lambda: gateway.get("/healthz")[0] == 200, 30, "all are served again")
    assert status(gateway)["topics"][2]["last_seq"] == 2, "one that stayed, and one event of all those who went"


def test_who_waits_at_the_end_is_answered(sick):
    """Stopped while a sync takes its time: what is kept is told so, and what was not begun as well."""
    disk, gateway = sick
    disk.order(stuck=1)
    waiting = [send_post(gateway, f"akhir-{number}") for number in range(20)]
    wait_until(lambda: disk.waiting == 1 and gateway.get("/healthz")[0] == 200, 30, "the sync waits")
    main = gateway.process.pid()
    gateway.process.send(signal.SIGTERM)
    wait_until(lambda: "futex" in read(f"/proc/{main}/wchan"), 30, "it waits for the sync, as all do")
    disk.heal()
    words = [connection.recv(12) for connection in waiting]
    assert set(words) <= {b"HTTP/1.1 201", b"HTTP/1.1 503"} and b"HTTP/1.1 201" in words


def test_writes_without_room_are_told_and_cured(world, sick):
    world.expects("disk (low|scarce|full)|cannot store events|link")
    disk, gateway = sick
    numbers, refused = post_all(gateway, lambda: disk.order(writes=3))
    assert set(refused) == {507} and numbers == list(range(1, EVENTS + 1))
    check_all_arrived(world, gateway)


def test_writes_that_fail_or_are_read_only_are_told_and_cured(world, sick):
    world.expects("beginning again|cannot store events|disk|link|read-only")
    disk, gateway = sick
    faults = [errno.EIO, errno.EDQUOT, errno.EROFS, errno.EFBIG]
    numbers, refused = post_all(gateway, lambda: disk.order(writes=1, write_errno=faults[0]) or faults.append(faults.pop(0)))
    assert set(refused) <= {0, 500, 503, 507} and refused
    assert numbers == list(range(1, EVENTS + 1))
    check_all_arrived(world, gateway)


def test_short_writes_are_finished(world, sick):
    disk, gateway = sick
    numbers, refused = post_all(gateway, lambda: disk.order(shorts=6), every=2)
    assert refused == [] and numbers == list(range(1, EVENTS + 1)) and disk.left[2] == 0
    check_all_arrived(world, gateway)


@pytest.mark.parametrize("ballast", ["0", "1M"])
def test_a_refusal_that_free_bytes_do_not_explain_is_told(lonely, ballast):
    lonely.expects("disk full|link down")
    gateway = lonely.gateway(brokers="127.0.0.1:1", ballast_bytes=ballast)
    keep_posting(gateway, "kasus-0")
    pid, path = gateway.process.pid(), os.path.join(lonely.folder, "spool", VILLAGES[0] + ".db-wal")
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(os.path.getsize(path), 1024 * 1024), before[1]))
    body = payment_body(reference="x" * 200)
    wait_until(lambda: post(gateway, "/v1/payments", body)[0] == 507, 30, "no room")
    until = time.monotonic() + 1
    while time.monotonic() < until:
        found = status(gateway)
        assert found["disk"]["state"] == "full" and not found["accepting"] and found["disk"]["free_bytes"] > 2**30
    assert gateway.get("/readyz")[0] == 503
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert status(gateway)["disk"]["state"] == "full", "nobody has tried"
    assert post(gateway, "/v1/requests", request_body())[0] == 201, "it is tried, and not for payments alone"
    found = status(gateway)
    assert found["disk"]["state"] == "ok" and found["accepting"]
    wait_until(lambda: gateway.get("/readyz")[0] == 200, 10, "ready")
    wait_until(lambda: ballast == "0" or os.path.exists(path.replace("-wal", ".ballast")), 10, "the ballast is made again")


def test_a_file_that_may_not_grow_is_no_room(world):
    world.expects("disk (low|scarce|full)|cannot store events|link")
    gateway = world.gateway(ballast_bytes=0)
    keep_posting(gateway, "kasus-0")
    pid, path = gateway.process.pid(), os.path.join(world.folder, "spool", VILLAGES[0] + ".db-wal")
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (os.path.getsize(path), before[1]))
    body = payment_body(reference="x" * 200)
    wait_until(lambda: post(gateway, "/v1/payments", body, Idempotency_Key="kasus-1")[0] == 507, 30, "no room")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    for number in range(1, EVENTS):
        if number == 1:
            wait_until(lambda: post(gateway, "/v1/payments", body, Idempotency_Key="kasus-1")[0] == 201, 30, "room again")
        else:
            keep_posting(gateway, f"kasus-{number}")
    check_all_arrived(world, gateway)
