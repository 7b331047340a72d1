# SPDX-License-Identifier: MIT
"""Clocks that go wrong under load, whether the kernel says that somebody keeps them right or not: 1970, ten years ahead, an hour back,
a day and a half ahead, now and then with a kill and a start by that clock. Nothing is kept for longer than a day here, and still: what
was answered is on the topic once, in order and without a hole; an early key gets its first receipt; every event is still known."""
import json
import signal
import time

import gateways
from clocks import DAY, Clock

WRONG = {"right": 0, "1970": None, "ten_years": 10 * 365 * DAY, "hour_back": -3600, "day_ahead": 36 * 3600}


def set_clock(scene, name):
    offset = WRONG[name]
    scene.clock.set(int(60 - time.time()) if offset is None else offset)


def ask(scene, path, headers=None, body=None):
    status, text = scene.gateway.get(path, {"Content-Type": "application/json", **(headers or {})}, "POST" if body else "GET", body)
    return status, json.loads(text)


def repeat(scene, key):
    body = {"case_id": key, "service": "blt-dd", "action": "DISBURSED", "kind": "blt-dd", "amount": "1.00", "actor": {"role": "TREASURER"}}
    return ask(scene, "/v1/payments", {"Idempotency-Key": key}, json.dumps(body).encode())


def wait_answers(scene, count):
    floor = scene.answered() + count
    gateways.wait_until(lambda: scene.answered() > floor, 60, "it accepts")


def remembered(scene, chance):
    """What it has forgotten, of the first key and of some events."""
    wrong = []
    clerk = scene.clerks[0]
    first = next(iter(clerk.receipts.values()))
    status, again = repeat(scene, f"{clerk.name}-0")
    if status != 200 or again["event_id"] != first["event_id"] or again["seq"] != first["seq"]:
        wrong.append(f"the first key: {status} {again}")
    for event_id in chance.sample(list(clerk.receipts), min(10, len(clerk.receipts))):
        if ask(scene, f"/v1/events/{event_id}")[0] != 200:
            wrong.append(f"{event_id} is not known any more")
    return wrong


def prove(folder, rounds, chance):
    scene = gateways.Scene(folder, keep_days=1)
    scene.clock, done, wrong = Clock(folder), {}, []
    scene.gateway.binary = scene.clock.program
    try:
        scene.begin()
        wait_answers(scene, 20)
        for number in range(rounds):
            name = list(WRONG)[number % len(WRONG)]
            scene.clock.keep(chance.random() < 0.5)
            set_clock(scene, name)
            if chance.random() < 0.5:
                scene.gateway.process.stop(signal.SIGKILL)
                scene.gateway.start()
                scene.gateway.wait()
                name += " from its start"
            wait_answers(scene, 100)
            wrong += remembered(scene, chance)
            done[name] = done.get(name, 0) + 1
        receipts, records, amiss = scene.end()
    finally:
        scene.close()
    words = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(done.items()))
    return f"{words}; {receipts} answered, {records} records on the topic", wrong + amiss


if __name__ == "__main__":
    gateways.main("gateway-clock", __doc__, 40, prove)
