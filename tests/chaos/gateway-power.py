# SPDX-License-Identifier: MIT
"""Power loss at every system call: record what the gateway asks of the kernel for its spool's folder while it takes posts
(strace), build the folder at each of these calls as a cut may leave it, and open the spool on each.

  lost     what was not synced is gone, names too until the next sync
  zeros    files have the size they had grown to, but zeros where nothing was synced
  renamed  names are the new ones at once, without what was not synced

Each must open, with every event that was answered 201 before the cut either there or named as missing, and none invented. A folder that
was seen before in the same state is not opened again; the folders stand in memory, where a sync costs nothing."""
import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from hub import programs
from hub.base import wait_until

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARIES = os.environ.get("KENTONGAN_BIN") or os.path.join(PROJECT, "build", "debug", "bin")
LOOK = os.path.join(os.path.dirname(BINARIES), "tests", "spool_look")
VILLAGE, TOPICS, NOWHERE = "35.09.01.2001", ["desa.requests", "desa.approvals", "desa.payments"], "127.0.0.1:1"
CALLS = "openat,pwrite64,write,ftruncate,fsync,fdatasync,rename,unlink,unlinkat,link,sendto,sendmsg,writev,send"
MODES = ("lost", "zeros", "renamed")


def record(folder, posts, clients):
    """Run a gateway under strace while clients post; the trace's path."""
    program = programs.gateway(folder, BINARIES, VILLAGE, NOWHERE, os.path.join(PROJECT, "schemas"), ballast_bytes=0)
    trace, wrapper = os.path.join(folder, "trace"), os.path.join(folder, "traced")
    with open(wrapper, "w", encoding="utf-8") as script:
        script.write(f"#!/bin/sh\nexec strace -f -y -qq -xx -s 200000 -e trace={CALLS} -o {trace} {BINARIES}/kentongan-gateway \"$@\"\n")
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


# The trace as a row of (what, ...)

CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")


def text_of(literal):
    return bytes.fromhex(literal.replace("\\x", ""))


def steps_of(trace, folder):
    """Writes and names count from their beginning, a sync from its end."""
    waiting = {}
    with open(trace, encoding="ascii", errors="replace") as lines:
        for line in lines:
            thread = line.split(" ", 1)[0]
            resumed = RESUMED.match(line)
            if resumed:
                step = waiting.pop(thread, None)
                if step and line.rstrip().endswith("= 0"):
                    yield step
                continue
            call = CALL.match(line)
            step = call and step_of(call.group(1), call.group(2), folder)
            if not step:
                continue
            if step[0] == "sync" and "<unfinished" in line:
                waiting[thread] = step
            elif "= -1" not in line[-60:]:
                yield step


def step_of(name, rest, folder):
    inside = re.search(r"\d+<([^>]*)>", rest)
    path = bytes(inside.group(1), "ascii").decode("unicode_escape") if inside else ""
    own = path.startswith(folder + "/")
    texts = [text_of(found) for found in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', rest)]
    if name in ("sendto", "sendmsg", "writev", "send"):
        return ("answers", b"".join(texts).count(b"HTTP/1.1 201")) if b"HTTP/1.1 201" in b"".join(texts) else None
    if name == "openat" and "O_CREAT" in rest and texts and texts[0].decode().startswith(folder + "/"):
        return ("create", texts[0].decode(), "O_TRUNC" in rest)
    if name in ("unlink", "unlinkat") and texts and texts[0].decode().startswith(folder + "/"):
        return ("unlink", texts[0].decode())
    if name == "pwrite64" and own:
        place = re.search(r'", (\d+), (\d+)', rest)
        return ("write", path, texts[0][:int(place.group(1))], int(place.group(2)))
    if name == "ftruncate" and own:
        return ("cut", path, int(re.search(r">, (\d+)", rest).group(1)))
    if name in ("fsync", "fdatasync") and (own or path == folder):
        return ("sync", path)
    if name in ("rename", "link", "write") and (own or any(text.startswith(folder.encode() + b"/") for text in texts[:1])):
        raise SystemExit(f"{name} in the spool's folder: teach this proof what it does")
    return None


class Disk:
    """Files as programs see them, and what of them would outlive a cut."""

    def __init__(self):
        self.seen, self.synced, self.names = {}, {}, {}

    def apply(self, step):
        kind, path = step[0], step[1]
        if kind == "create":
            if path not in self.seen or step[2]:
                self.seen[path] = bytearray()
        elif kind == "unlink":
            self.seen.pop(path, None)
        elif kind == "write":
            data, place = step[2], step[3]
            file = self.seen.setdefault(path, bytearray())
            file.extend(bytes(max(0, place + len(data) - len(file))))
            file[place:place + len(data)] = data
        elif kind == "cut":
            file = self.seen[path]
            del file[step[2]:]
            file.extend(bytes(step[2] - len(file)))
        elif kind == "sync":
            if path in self.seen:
                self.synced[path] = bytes(self.seen[path])
            self.names = dict.fromkeys(self.seen)

    def after_cut(self, mode):
        """path -> content"""
        names = self.names if mode == "lost" else self.seen
        found = {}
        for path in names:
            kept = self.synced.get(path, b"")
            if mode == "zeros" and path in self.seen:
                kept = kept[:len(self.seen[path])]
                kept += bytes(len(self.seen[path]) - len(kept))
            found[path] = kept
        return found


class Looker:
    """spool_look, asked again and again; what it said of the same files is remembered."""

    def __init__(self, source):
        self.process = subprocess.Popen([LOOK, *TOPICS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.source, self.known = source, {}
        self.target = tempfile.mkdtemp(prefix="kentongan-power-", dir="/dev/shm" if os.path.isdir("/dev/shm") else "/var/tmp")

    def look_after(self, files):
        """What a start finds in a folder of these files."""
        state = hashlib.sha256()
        for path in sorted(files):
            state.update(f"{path} {len(files[path])} ".encode())
            state.update(files[path])
        found = self.known.get(state.digest())
        if found is None:
            build(files, self.source, self.target)
            found = self.known[state.digest()] = self.look(os.path.join(self.target, VILLAGE + ".db"))
        return found

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.target, ignore_errors=True)

    def look(self, path):
        """(numbers that are there, numbers that are missing, faults) of the payments"""
        self.process.stdin.write(f"{path} {VILLAGE}\n")
        self.process.stdin.flush()
        there, missing, lives = set(), set(), []
        while (line := self.process.stdout.readline().strip()) or not lives:
            if line == "again":
                there, missing = set(), set()
            if line.startswith("fault") or (not line and self.process.poll() is not None):
                return there, missing, line or "it crashed"
            lives.append(line)
            words = line.split()
            if len(words) < 3 or words[1] != "desa.payments":
                continue
            for word in words[3:]:
                first, _, last = word.partition("-")
                (missing if last else there).update(range(int(first), int(last or first) + 1))
        return there, missing, None


def build(files, source, target):
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target, mode=0o700)
    for path, content in files.items():
        with open(path.replace(source, target, 1), "wb") as file:
            file.write(content)


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
        for mode in MODES:
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
    print(f"gateway-power: {posts} posts, {cuts} cuts in {len(MODES)} modes, {folders} folders that differed, {named} with numbers named as missing: "
          f"{'held' if not failures else f'{len(failures)} FAILED'}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
