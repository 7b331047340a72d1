# SPDX-License-Identifier: MIT
"""A program of ours whose wall clock the test sets, and of which the kernel says what the test wants: libfaketime of Debian, and
tests/preload/kept_clock.c. Its monotonic clock is the machine's."""
import contextlib
import glob
import os

from conftest import BINARIES
from hub.base import write

FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0]
KEPT = os.path.join(os.path.dirname(BINARIES), "tests", "kept_clock.so")
DAY = 86400


class Clock:
    def __init__(self, folder, program="kentongan-gateway", may_ask=True):
        self.file, self.kept, self.program = (os.path.join(folder, name) for name in ("clock", "clock-is-kept", program))
        self.set(0)
        write(self.program, f"#!/bin/sh\nLD_PRELOAD='{KEPT} {FAKETIME}' FAKETIME_TIMESTAMP_FILE={self.file} FAKETIME_NO_CACHE=1 "
                            f"FAKETIME_DONT_FAKE_MONOTONIC=1 {f'KEPT_CLOCK={self.kept} ' if may_ask else ''}exec {BINARIES}/kentongan-gateway \"$@\"\n", 0o755)

    def set(self, offset):
        """So many seconds from now."""
        write(self.file, f"{offset:+d}\n")

    def keep(self, kept=True):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.kept)
        if kept:
            write(self.kept, "")
