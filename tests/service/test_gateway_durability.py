# SPDX-License-Identifier: MIT
"""What was answered 201 is never lost: through kills of the gateway and an absent broker."""
import http.client
import json
import re
import signal
import subprocess
import threading
import urllib.parse

from conftest import VILLAGES, payment_body, post, request_body
from hub.base import wait_until

EVENTS = 20000
ROUNDS = 20
CLIENTS = 8


class Clerk(threading.Thread):
    """Posts until its share is accepted; after a broken answer it repeats with the same key."""

    def __init__(self, gateway, name, share):
        super().__init__()
        self.gateway = gateway
        self.name = name
        self.share = share
        self.accepted = {}

    def run(self):
        connection = None
        for number in range(self.share):
            key = f"{self.name}-{number}"
            body = json.dumps(payment_body(case_id=key, amount=f"{number % 1000}.00"))
            while key not in self.accepted:
                try:
                    connection = connection or self.connect()
                    connection.request("POST", "/v1/payments", body, {
                        "Content-Type": "application/json", "Idempotency-Key": key})
                    answer = connection.getresponse()
                    text = answer.read()
                    if answer.status in (200, 201):
                        self.accepted[key] = json.loads(text)
                    else:
                        assert answer.status == 503, text
                except (OSError, http.client.HTTPException, ValueError):
                    connection = None
                    wait_until(lambda: self.gateway.get("/healthz")[0] == 200, 30, "the gateway")

    def connect(self):
        place = urllib.parse.urlsplit(self.gateway.url)
        return http.client.HTTPConnection(place.hostname, place.port, timeout=20)


def start_clerks(gateway):
    clerks = [Clerk(gateway, f"loket-{index}", EVENTS // CLIENTS) for index in range(CLIENTS)]
    for clerk in clerks:
        clerk.start()
    return clerks


def total(clerks):
    return sum(len(clerk.accepted) for clerk in clerks)


def check(world, clerks):
    """Each 201 is in each department once; the numbers have no hole."""
    receipts = [receipt for clerk in clerks for receipt in clerk.accepted.values()]
    assert len(receipts) == EVENTS
    assert sorted(receipt["seq"] for receipt in receipts) == list(range(1, EVENTS + 1))
    for name, query in (("dpmd", "SELECT event_id::text FROM dpmd.keuangan"),
                        ("satu_data", "SELECT event_id::text FROM satu_data.payments")):
        world.wait_rows(name, f"SELECT count(*) FROM ({query}) q", EVENTS, 120)
        assert {row[0] for row in world.sql(name, query)} == {receipt["event_id"] for receipt in receipts}
        assert world.accounts(name) == (EVENTS, 0, 0, 0)
        assert world.dead_letters(name) == []


def test_each_201_survives_kills_at_any_moment(world):
    world.expects("link down|delivery failed")
    gateway = world.gateway()
    world.sink("dpmd")
    world.sink("satu_data")
    clerks = start_clerks(gateway)
    for number in range(1, ROUNDS + 1):
        wanted = EVENTS * number // (ROUNDS + 1)
        wait_until(lambda wanted=wanted: total(clerks) >= wanted, 120, f"{wanted} accepted")
        gateway.process.stop(signal.SIGKILL)
        gateway.start()
    for clerk in clerks:
        clerk.join()
    check(world, clerks)


def test_each_201_survives_a_broker_that_dies(world, servers):
    world.expects("link down|delivery failed|waiting|No such|unknown|no broker")
    gateway = world.gateway()
    world.sink("dpmd")
    world.sink("satu_data")
    clerks = start_clerks(gateway)
    wait_until(lambda: total(clerks) >= EVENTS // 4, 120, "a quarter accepted")
    servers.kafka.stop(signal.SIGKILL)
    wait_until(lambda: total(clerks) >= EVENTS // 2, 120, "half accepted without a broker")
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["link"]["state"] == "down", 60, "the link is told down")
    servers.kafka.start()
    servers.kafka.wait()
    for clerk in clerks:
        clerk.join()
    check(world, clerks)


def test_a_missing_topic_blocks_tells_why_and_goes_on(lonely, servers):
    lonely.expects("the broker refuses|link|delivery failed")
    gateway = lonely.gateway(blocked_retry_ms=500)
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    status = wait_until(lambda: blocked(gateway), 30, "the link is told blocked")
    assert status["pending"] == 1 and "TOPIC" in status["link"]["reason"]
    lonely.make_topics()
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 60, "delivered after all")


def blocked(gateway):
    status = json.loads(gateway.get("/v1/status")[1])
    return status if status["link"]["state"] == "blocked" else None


def synced_logs(trace, topic):
    """How often the log of a topic's partition was synced, by what the kernel was asked."""
    with open(trace, encoding="utf-8", errors="replace") as file:
        return len(re.findall(rf"(?:fsync|fdatasync)\(\d+<[^>]*/{re.escape(topic)}-\d+/\d+\.log>", file.read()))


def test_what_the_broker_confirmed_is_on_its_disk(world, servers):
    """A power cut takes what was only in the page cache: so each confirmation must follow a sync."""
    gateway = world.gateway()
    topic = world.topic("payments")
    trace = world.folder + "/syncs"
    watcher = subprocess.Popen(["strace", "-f", "-y", "-q", "-e", "trace=fsync,fdatasync", "-o", trace, "-p",
                                str(servers.kafka.process.pid())], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_traced(servers.kafka.process.pid()), 30, "the broker is watched")
        for number in range(1, 6):
            assert post(gateway, "/v1/payments", payment_body())[0] == 201
            wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 60, "delivered")
            assert synced_logs(trace, topic) >= number
    finally:
        watcher.terminate()
        watcher.wait()


def is_traced(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return "TracerPid:\t0\n" not in file.read()


def test_numbers_go_on_after_a_restart(world):
    gateway = world.gateway(VILLAGES[2])
    first = post(gateway, "/v1/requests", request_body())[1]
    gateway.stop()
    gateway.start()
    gateway.wait()
    second = post(gateway, "/v1/requests", request_body())[1]
    assert (first["seq"], second["seq"]) == (1, 2) and first["incarnation"] == second["incarnation"]
