# SPDX-License-Identifier: MIT
"""Many pages at once: none delays another, and one that is slow is told and comes back."""
import json
import re
import select
import selectors
import socket
import time

from conftest import VILLAGES, payment_body
from hub.base import wait_until
from hub.programs import post_batch

WATCHERS = 500


class Watcher:
    """A page that reads when it is told to."""

    def __init__(self, monitor, last=None, receive=None):
        host, port = monitor.url.split("//")[1].split(":")
        self.socket = socket.socket()
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.connect((host, int(port)))
        again = f"Last-Event-ID: {last}\r\n" if last else ""
        self.socket.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\n{again}\r\n".encode())
        self.socket.setblocking(False)
        self.raw = b""
        self.ended = False

    def read(self):
        try:
            while not self.ended:
                part = self.socket.recv(1 << 20)
                self.ended = not part
                self.raw += part
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.ended = True
        self.ended |= self.raw.endswith(b"\r\n0\r\n\r\n")  # the answer's end; the connection stays
        return self

    def read_to_its_end(self, seconds=30):
        until = time.monotonic() + seconds
        while not self.ended and time.monotonic() < until:
            select.select([self.socket], [], [], 1)
            self.read()
        return self.ended

    def blocks(self):
        """(id, event, data), the chunks of HTTP taken off."""
        body, rest = b"", self.raw.partition(b"\r\n\r\n")[2]
        while (end := rest.find(b"\r\n")) > 0 and len(rest) >= end + 2 + int(rest[:end], 16):
            size = int(rest[:end], 16)
            body, rest = body + rest[end + 2:end + 2 + size], rest[end + 4 + size:]
        found = []
        for block in body.decode().split("\n\n")[:-1]:
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "event" in lines:
                found.append((lines.get("id"), lines["event"], json.loads(lines["data"])))
        return found

    def cases(self):
        return [data["case_id"] for _, event, data in self.blocks() if event == "event"]

    def close(self):
        self.socket.close()


def send(gateway, first, count):
    post_batch(gateway, [{"record": "Payment", **payment_body(case_id=f"K-{number}")} for number in range(first, first + count)])


def test_five_hundred_pages_all_see_everything_and_stopped_ones_delay_nobody(world):
    gateway = world.gateway()
    monitor = world.monitor()
    wait_until(lambda: not json.loads(monitor.get("/v1/summary")[1])["reading"], 20, "it is live")
    stopped = [Watcher(monitor, receive=4096) for _ in range(10)]
    watchers = [Watcher(monitor) for _ in range(WATCHERS)]
    try:
        wait_until(lambda: monitor.metrics()["kentongan_monitor_watchers"] == WATCHERS + 10, 20, "all are in")
        for first in range(0, 300, 100):
            send(gateway, first, 100)
        wanted = [f"K-{number}" for number in range(300)]
        ready = selectors.DefaultSelector()
        for watcher in watchers:
            ready.register(watcher.socket, selectors.EVENT_READ, watcher)
        done, patience = set(), time.monotonic() + 60
        while len(done) < WATCHERS and time.monotonic() < patience:
            for key, _ in ready.select(1):
                if b"K-299\"" in key.data.read().raw:
                    done.add(id(key.data))
        assert len(done) == WATCHERS
        assert all(watcher.cases() == wanted for watcher in watchers[::50])
        assert monitor.get("/v1/villages/" + VILLAGES[0])[0] == 200
    finally:
        for watcher in (*watchers, *stopped):
            watcher.close()
    wait_until(lambda: monitor.metrics()["kentongan_monitor_watchers"] == 0, 20, "all are gone and forgotten")


def test_a_page_that_does_not_read_is_told_and_comes_back_knowing_what_it_missed(world):
    gateway = world.gateway()
    monitor = world.monitor(history=2000)
    wait_until(lambda: not json.loads(monitor.get("/v1/summary")[1])["reading"], 20, "it is live")
    slow = Watcher(monitor, receive=1 << 18)
    total = 0

    def sent_away():
        nonlocal total
        if total < 12000:
            send(gateway, total, 500)
            total += 500
        return monitor.metrics()["kentongan_monitor_dropped_watchers_total"] == 1

    wait_until(sent_away, 90, "it is sent away")
    assert slow.read_to_its_end()
    blocks = slow.blocks()
    assert blocks[-1][1] == "slow", "its last word says why"
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == total, 30, "all are seen")
    numbers = [int(ident.split("-")[1]) for ident, event, _ in blocks if event == "event"]
    missed = sum(data.get("missed", 0) for _, event, data in blocks if event == "reset")
    assert numbers and numbers == sorted(numbers)
    assert len(numbers) + missed == numbers[-1], "what it was not sent it was told"
    last = [ident for ident, event, _ in blocks if event == "event"][-1]

    back = Watcher(monitor, last=last)
    wait_until(lambda: f"K-{total - 1}" in back.read().cases()[-1:], 30, "it is up to date")
    blocks = back.blocks()
    again = [int(ident.split("-")[1]) for ident, event, _ in blocks if event == "event"]
    if numbers[-1] < total - 2000:
        assert "reset" in [event for _, event, _ in blocks]
    else:
        assert again[0] == numbers[-1] + 1 and again == list(range(again[0], total + 1))
    back.close()
    slow.close()


def test_a_stream_from_another_life_or_of_nonsense_is_told_to_start_anew(world):
    send(world.gateway(), 0, 1)
    monitor = world.monitor()
    first = Watcher(monitor)
    wait_until(lambda: first.read().cases(), 30, "an event")
    life = next(ident for ident, event, _ in first.blocks() if event == "event").split("-")[0]
    first.close()
    for last in (f"{life}-1x", f"{life}-", f"{life}- 1", "deadbeef-7", "x", "-1", "99999999999999999999"):
        watcher = Watcher(monitor, last=last)
        wait_until(lambda watcher=watcher: "stats" in [event for _, event, _ in watcher.read().blocks()], 20, "a picture")
        assert watcher.blocks()[0][1] == "reset", last
        assert re.search(rb"retry: \d+", watcher.raw)
        watcher.close()
