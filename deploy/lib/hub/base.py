# SPDX-License-Identifier: MIT
"""What every part needs: where things are, how to say something, how to wait."""
import contextlib
import os
import random
import re
import secrets
import socket
import subprocess
import sys
import threading
import time

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


class Trouble(Exception):
    """Something that a person has to know, in one sentence."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    """A port that is free now, below those that the kernel lends to connections: a server that starts again finds it free again."""
    lent_from = int(read("/proc/sys/net/ipv4/ip_local_port_range", "32768").split()[0])
    while True:
        port = random.randrange(min(10240, lent_from // 2), lent_from)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until(condition, seconds, what, alive=None):
    """Call condition until it gives something; a Trouble when time runs out."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if alive is not None and not alive():
            raise Trouble(f"{what}: the program ended meanwhile")
        if time.monotonic() > deadline:
            raise Trouble(f"{what}: not after {seconds} s")
        time.sleep(0.05)


def run(arguments, **options):
    """Run a command quietly; a Trouble with what it complained of when it fails."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.STDOUT)
    done = subprocess.run(arguments, text=True, stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(map(str, arguments[:4]))}: exit {done.returncode}: {complaint(done.stdout or '')}")
    return done.stdout or ""


def complaint(output):
    """The first line that calls itself an error, else the last ones."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in output.splitlines()]
    errors = [line for line in lines if re.match(r"\[?(error|fatal|E:)", line, re.I)]
    return " | ".join(errors[:2] or [line for line in lines if line][-5:])


@contextlib.contextmanager
def step(what, at_once=True):
    """Say what begins (at_once: else only when it lasts); while it goes on, say every few seconds that it does."""
    ended = threading.Event()

    def remind():
        began = time.monotonic()
        if not at_once and not ended.wait(2):
            say(what)
        while not ended.wait(5):
            say(f"  {what.split(':')[0]}: {time.monotonic() - began:.0f} s so far")

    if at_once:
        say(what)
    thread = threading.Thread(target=remind, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def answers(port):
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def write(path, text, mode=0o644):
    """Write a file whole or not at all; of several at once, one of them."""
    fresh = f"{path}.{secrets.token_hex(4)}.new"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(fresh, path)


def read(path, standard=None):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return standard
