# SPDX-License-Identifier: MIT
"""A thin, bad link: 64 kbit/s each way, one in twenty pieces late as if it had been lost and sent again, cut every 20 s for some
seconds. A round is 1,000 requests that were taken while there was no link. They arrive in order, memory stays small, and a payment
overtakes what waits. The link is a TCP relay on loopback: network namespaces with `tc netem` would need a kernel that has it."""
import random
import select
import socket
import threading
import time

import gateways
from doors import add_door
from hub import programs
from hub.base import free_port, read, wait_until

BYTES_A_SECOND, LATE, CUT_EVERY_S, CUT_S, MOST_MB = 8000, 0.05, 20, 3, 12


class Link:
    """Relays to the broker while it is up; what one direction carries is shared by all connections."""

    def __init__(self, port, target, chance):
        self.target, self.chance, self.up, self.ending, self.pairs, self.cuts = target, chance, False, False, [], 0
        self.free_at = [time.monotonic()] * 2
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while not self.ending:
            near, _ = self.listener.accept()
            if not self.up:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            self.pairs.append((near, far))
            threading.Thread(target=self.relay, args=(near, far), daemon=True).start()

    def carry(self, direction, size):
        """Wait as long as the link needs for so much."""
        with self.lock:
            now = time.monotonic()
            self.free_at[direction] = max(now, self.free_at[direction]) + size / BYTES_A_SECOND
            pause = self.free_at[direction] - now + (0.3 if self.chance.random() < LATE else 0)
        time.sleep(pause)

    def relay(self, near, far):
        try:
            while True:
                for source in select.select([near, far], [], [])[0]:
                    part = source.recv(1400)
                    if not part:
                        return
                    self.carry(0 if source is near else 1, len(part))
                    (far if source is near else near).sendall(part)
        except (OSError, ValueError):
            return
        finally:
            near.close()
            far.close()

    def cut(self):
        self.up, self.cuts = False, self.cuts + 1
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()

    def flap(self, is_over):
        while not is_over():
            self.up = True
            until = time.monotonic() + CUT_EVERY_S
            while time.monotonic() < until and not is_over():
                time.sleep(0.1)
            self.cut()
            time.sleep(CUT_S)
        self.up = True


def post_requests(gateway, first, count):
    return programs.post_batch(gateway, [
        {"record": "Request", "case_id": f"kasus-{number}", "service": "surat-keterangan-kurang-mampu", "action": "SUBMITTED",
         "actor": {"role": "OPERATOR"}, "applicant": {"nik": f"99090101019{number:05d}", "name": f"Warga {number}"}}
        for number in range(first, first + count)])


def post_payment(gateway):
    return programs.post_batch(gateway, [{"record": "Payment", "case_id": "bayar", "service": "blt-dd", "action": "DISBURSED", "kind": "blt-dd",
                                          "amount": "1.00", "actor": {"role": "TREASURER"}}])


def numbers(scene, topic):
    return next(stream for stream in scene.status()["topics"] if stream["topic"] == topic)


def waiting(scene, topic):
    found = numbers(scene, topic)
    return found["last_seq"] - found["delivered_seq"]


def private_mb(scene):
    status = read(f"/proc/{scene.gateway.process.pid()}/status")
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) / 1024


def drain(scene, link):
    """Let all of it through; (most private memory, requests that waited when the payment was there)."""
    most, overtaken = 0, 0
    flapper = threading.Thread(target=link.flap, args=(lambda: scene.status()["pending"] == 0,), daemon=True)
    flapper.start()
    wait_until(lambda: numbers(scene, "desa.requests")["delivered_seq"] > 0, 300, "the first ones leave")
    post_payment(scene.gateway)
    while flapper.is_alive():
        most = max(most, private_mb(scene))
        if not overtaken and waiting(scene, "desa.payments") == 0:
            overtaken = waiting(scene, "desa.requests")
        flapper.join(0.5)
    return most, overtaken


def prove(folder, rounds, chance):
    wire, outside = free_port(), free_port()
    scene = gateways.Scene(folder, clerks=0, link="thin", brokers=f"127.0.0.1:{outside}")
    add_door(scene.kafka, "WIRE", "PLAINTEXT", wire, outside)
    link = Link(outside, wire, random.Random(chance.random()))
    try:
        scene.begin()
        receipts = [receipt for number in range(rounds) for receipt in post_requests(scene.gateway, number * 1000, 1000)]
        began = time.monotonic()
        most, overtaken = drain(scene, link)
        spent = time.monotonic() - began
        found = gateways.read_topic(scene.kafka.brokers, "desa.requests")
    finally:
        scene.close()
    wrong = gateways.verdict(found, {receipt["event_id"]: receipt for receipt in receipts}, 0)
    wrong += [] if most <= MOST_MB else [f"{most:.1f} MB private"]
    wrong += [] if overtaken > 0 else ["the payment waited behind the requests"]
    return (f"{len(receipts)} requests in {spent:.0f} s over a relay, {link.cuts} cuts, {len(found)} records on the topic, at most {most:.1f} MB, "
            f"a payment passed {overtaken} requests"), wrong


if __name__ == "__main__":
    gateways.main("gateway-link", __doc__, 20, prove)
