# SPDX-License-Identifier: MIT
"""An end at every system call while a damaged spool is set aside and carried over: the program is killed there, or the power goes.

For each kind of damage: record what one start asks of the kernel (strace), build the folder at each of these calls as an end may leave
it (cuts.py), and start again. Each must open and show what the start that nobody disturbed has shown: the same numbers there, each once
and proven by its own digest, the same numbers named as missing, and no others."""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys

from cuts import BINARIES, LOOK, POWER, PROJECT, TOPICS, VILLAGE, Disk, Looker, build, quick_folder, steps_of, tracing
from hub import programs

MODES = ("killed", *POWER)


def live(folder, events, lives):
    """A spool that was stopped between its lives and killed at the end: what the last one wrote stands in the log alone."""
    gateway = programs.gateway(folder, BINARIES, VILLAGE, "127.0.0.1:1", os.path.join(PROJECT, "schemas"), ballast_bytes=0)
    body = json.dumps({"case_id": "BLT-1", "service": "blt-dd", "action": "DISBURSED", "kind": "blt-dd", "amount": "300000.00",
                       "actor": {"role": "TREASURER"}}).encode()
    for number in range(lives):
        gateway.start()
        gateway.wait(60)
        for _ in range(events // lives):
            status, text = gateway.get("/v1/payments", {"Content-Type": "application/json"}, "POST", body)
            assert status == 201, text
        gateway.process.stop(signal.SIGTERM if number < lives - 1 else signal.SIGKILL)


def overwrite(path, place, data):
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(data)


def halve(path):
    os.truncate(path, os.path.getsize(path) // 2)


def carry_half(spool):
    """A start that finds its second witness gone, killed while it carries over."""
    os.remove(spool + ".head")
    inject = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync", "-e", "inject=fdatasync:signal=KILL:when=24"]
    subprocess.run([*inject, LOOK, *TOPICS], input=f"{spool} {VILLAGE}\n", capture_output=True, text=True, check=False)
    assert os.path.exists(spool + ".salvage"), "it had ended before"


# What is done to a spool: how many lives it had before, and the damage.
DAMAGES = {
    "log-header": (1, lambda spool: overwrite(spool + "-wal", 0, b"x" * 32)),
    "log-middle": (2, lambda spool: overwrite(spool + "-wal", os.path.getsize(spool + "-wal") // 3, b"xxx")),
    "log-halved": (2, lambda spool: halve(spool + "-wal")),
    "file-gone": (1, lambda spool: os.remove(spool)),
    "file-noise": (2, lambda spool: overwrite(spool, 0, b"noise " * 1000)),
    "file-halved": (2, lambda spool: halve(spool)),
    "head-gone": (2, lambda spool: os.remove(spool + ".head")),
    "half-carried": (2, lambda spool: (carry_half(spool), os.remove(spool + ".head"))),
    "head-and-log": (1, lambda spool: (os.remove(spool + ".head"), halve(spool + "-wal"))),
}


def record(spool, trace):
    """One start with nobody in its way, down to the last row."""
    done = subprocess.run([*tracing(trace), LOOK, *TOPICS], input=f"{spool} {VILLAGE}\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "fault" not in done.stdout, done.stdout + done.stderr


def contents(disk):
    return {path: bytes(file.seen) for path, file in disk.now.items()}


def told(found, wanted):
    (there, missing, fault), (all_there, all_missing, _) = found, wanted
    return fault or "; ".join(f"{word} {sorted(numbers)[:10]}" for word, numbers in (
        ("not carried over", all_there - there), ("invented", there - all_there),
        ("not named", all_missing - missing), ("named and not missing", missing - all_missing)) if numbers)


def prove(name, folder):
    """(ends, folders that differed, failures) of the start that finds what is in the folder now"""
    spool, trace = os.path.join(folder, VILLAGE + ".db"), folder + ".trace"
    after, disk = Disk(folder), Disk(folder)
    record(spool, trace)
    steps = list(steps_of(trace, folder))
    for step in steps:
        after.apply(step)
    assert contents(after) == contents(Disk(folder)), f"{name}: the trace does not tell all that was done"
    looker, ends, failures = Looker(folder, folder), 0, []
    wanted = looker.look_after(after.after_cut("killed"))
    assert not wanted[2] and wanted[0] | wanted[1], f"{name}: {wanted}"
    for number, step in enumerate(steps):
        disk.apply(step)
        for mode in MODES:
            found = looker.look_after(disk.after_cut(mode))
            ends += 1
            if found != wanted:
                failures.append(f"{name}: call {number} {step[0]} {os.path.basename(step[1])}, {mode}: {told(found, wanted)}")
    looker.close()
    return ends, len(looker.known), failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="posts")
    parser.add_argument("--damage", choices=DAMAGES, nargs="+", default=list(DAMAGES))
    wanted = parser.parse_args()
    home = quick_folder()
    folder = os.path.join(home, "spool")
    ends, folders, failures = 0, 0, []
    try:
        spools = {}
        for lives in (1, 2):
            live(home, wanted.rounds, lives)
            spools[lives] = Disk(folder).after_cut("killed")
            shutil.rmtree(folder)
        for name in wanted.damage:
            lives, damage = DAMAGES[name]
            build(spools[lives], folder, folder)
            damage(os.path.join(folder, VILLAGE + ".db"))
            more = prove(name, folder)
            ends, folders, failures = ends + more[0], folders + more[1], failures + more[2]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print("\n".join(failures[:20]))
    print(f"gateway-aside: {wanted.rounds} posts, {len(wanted.damage)} kinds of damage, {ends} ends in {len(MODES)} modes, {folders} folders that differed: "
          f"{'held' if not failures else f'{len(failures)} FAILED'}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
