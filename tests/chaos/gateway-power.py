# SPDX-License-Identifier: MIT
"""Power loss at every system call: record what the gateway asks of the kernel for its spool's folder while it takes posts
(strace), build the folder at each of these calls as a cut may leave it, and open the spool on each.

  lost     what was not synced is gone, names too until the next sync
  zeros    files have the size they had grown to, but zeros where nothing was synced
  renamed  names are the new ones at once, without what was not synced

Each must open, with every event that was answered 201 before the cut either there or named as missing, and none invented. A folder that
was seen before in the same state is not opened again; the folders stand in memory, where a sync costs nothing."""
import argparse
import json
import os
import shutil
import sys
import tempfile
import threading

from cuts import BINARIES, POWER, PROJECT, VILLAGE, Disk, Looker, steps_of, tracing
from hub import programs
from hub.base import wait_until

NOWHERE = "127.0.0.1:1"


def record(folder, posts, clients):
    """Run a gateway under strace while clients post; the trace's path."""
    program = programs.gateway(folder, BINARIES, VILLAGE, NOWHERE, os.path.join(PROJECT, "schemas"), ballast_bytes=0)
    trace, wrapper = os.path.join(folder, "trace"), os.path.join(folder, "traced")
    with open(wrapper, "w", encoding="utf-8") as script:
        script.write(f"#!/bin/sh\nexec {' '.join(tracing(trace))} {BINARIES}/kentongan-gateway \"$@\"\n")
    os.chmod(wrapper, 0o755)
    program.binary = wrapper
    program.start()
    program.wait(60)
    body = json.dumps({"case_id": "BLT-1", "service": "blt-dd", "action": "DISBURSED", "kind": "blt-dd", "amount": "300000.00",
                       "actor": {"role": "TREASURER"}})

    def post(count):
        for _ in range(count):
            status, text = program.get("/v1/payments", {"Content-Type": "application/json"}, "POST", body.encode())
            assert status == 201, text

    workers = [threading.Thread(target=post, args=(posts // clients,)) for _ in range(clients)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    children = open(f"/proc/{program.process.pid()}/task/{program.process.pid()}/children", encoding="utf-8").read().split()
    for child in children:
        os.kill(int(child), 9)
    wait_until(lambda: not program.process.is_running(), 30, "the end of the trace")
    return trace


def verdict(there, missing, fault, answered, posts):
    if fault:
        return fault
    lost = set(range(1, answered + 1)) - there - missing
    if lost:
        return f"answered and nowhere: {sorted(lost)[:10]}"
    invented = {number for number in there if number > posts}
    return f"invented: {sorted(invented)[:10]}" if invented else None


def prove(folder, posts, clients):
    """(cuts, folders that differed, cuts with numbers named as missing, failures)"""
    trace = record(folder, posts, clients)
    source = os.path.join(folder, "spool")
    disk, looker, answered, cuts, named, failures = Disk(), Looker(source), 0, 0, 0, []
    for number, step in enumerate(steps_of(trace, source)):
        if step[0] == "answers":
            answered += step[1]
            continue
        disk.apply(step)
        for mode in POWER:
            there, missing, fault = looker.look_after(disk.after_cut(mode))
            wrong = verdict(there, missing, fault, answered, posts)
            cuts += 1
            named += bool(missing)
            if wrong:
                failures.append(f"call {number} {step[0]} {os.path.basename(step[1])}, {mode}, {answered} answered: {wrong}")
    looker.close()
    assert answered == posts, f"{answered} answers in the trace"
    return cuts, len(looker.known), named, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500, help="posts")
    parser.add_argument("--clients", type=int, default=4)
    wanted = parser.parse_args()
    posts = wanted.rounds - wanted.rounds % wanted.clients
    folder = tempfile.mkdtemp(prefix="kentongan-power-", dir="/var/tmp")
    try:
        cuts, folders, named, failures = prove(folder, posts, wanted.clients)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(failures[:20]))
    print(f"gateway-power: {posts} posts, {cuts} cuts in {len(POWER)} modes, {folders} folders that differed, {named} with numbers named as missing: "
          f"{'held' if not failures else f'{len(failures)} FAILED'}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
