# SPDX-License-Identifier: MIT
"""A gateway whose disk fails on order: tests/preload/sick_disk.c before a program of ours."""
import errno
import mmap
import os
import struct

from conftest import BINARIES

LIBRARY = os.path.join(os.path.dirname(BINARIES), "tests", "sick_disk.so")
ORDERS = struct.Struct("7i")


class SickDisk:
    """The faults of one folder, changed while the program runs; a count of -1 lasts until it is taken back."""

    def __init__(self, folder, sick):
        self.folder, self.path, self.program = sick, os.path.join(folder, "orders"), os.path.join(folder, "kentongan-gateway")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 4096)
        with open(self.program, "w", encoding="utf-8") as script:
            script.write(f"#!/bin/sh\nLD_PRELOAD={LIBRARY} SICK_DISK_ORDERS={self.path} SICK_DISK_FOLDER={sick} "
                         f"exec {BINARIES}/kentongan-gateway \"$@\"\n")
        os.chmod(self.program, 0o700)

    def order(self, syncs=0, sync_errno=errno.EIO, writes=0, write_errno=errno.ENOSPC, shorts=0, reads=0, stuck=0):
        ORDERS.pack_into(self.memory, 0, syncs, sync_errno, writes, write_errno, shorts, reads, stuck)

    def heal(self):
        self.order()

    @property
    def left(self):
        """(syncs, writes, shorts) that are still to fail."""
        syncs, _, writes, _, shorts, *_ = ORDERS.unpack_from(self.memory)
        return syncs, writes, shorts

    @property
    def waiting(self):
        """Syncs that are stuck at this moment."""
        return struct.unpack_from("i", self.memory, ORDERS.size)[0]
