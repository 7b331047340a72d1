# SPDX-License-Identifier: MIT
"""Programs in the background, known by their id and the time they started."""
import contextlib
import json
import os
import signal
import subprocess

from hub.base import Trouble, read, wait_until, write


def start_time(pid):
    """Clock ticks from boot to the start of a process; None when there is none."""
    stat = read(f"/proc/{pid}/stat")
    if stat is None:
        return None
    fields = stat.rsplit(")", 1)[1].split()
    return None if fields[0] == "Z" else int(fields[19])


class Process:
    """A program whose id stands in a file. Another process with that id is not it."""

    def __init__(self, folder, name):
        self.name = name
        self.file = os.path.join(folder, "run", name + ".pid")
        self.log = os.path.join(folder, "log", name + ".log")
        self.child = None

    def pid(self):
        kept = json.loads(read(self.file, "null"))
        if kept and kept["started"] is not None and start_time(kept["pid"]) == kept["started"]:
            return kept["pid"]
        return None

    def start(self, arguments, **options):
        os.makedirs(os.path.dirname(self.file), exist_ok=True)
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [str(argument) for argument in arguments], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **options)
        write(self.file, json.dumps(
            {"pid": self.child.pid, "started": start_time(self.child.pid)}))

    def is_running(self):
        if self.child is not None:
            self.child.poll()
        return self.pid() is not None

    def is_outdated(self):
        """Whether it runs a program that was built anew meanwhile."""
        try:
            return self.is_running() and os.readlink(f"/proc/{self.pid()}/exe").endswith(" (deleted)")
        except OSError:
            return False

    def send(self, number):
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):  # it may have ended meanwhile
                os.kill(pid, number)

    def stop(self, number=signal.SIGTERM, seconds=20):
        """End it: asked first, made to when it does not."""
        self.send(number)
        try:
            wait_until(lambda: not self.is_running(), seconds, f"stop {self.name}")
        except Trouble:
            self.send(signal.SIGKILL)
            wait_until(lambda: not self.is_running(), 5, f"end {self.name}")
        if os.path.exists(self.file):
            os.remove(self.file)

    def rss_bytes(self):
        status = read(f"/proc/{self.pid()}/status", "")
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def last_words(self):
        return " | ".join((read(self.log, "") or "").strip().splitlines()[-3:])
