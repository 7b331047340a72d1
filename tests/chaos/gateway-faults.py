# SPDX-License-Identifier: MIT
"""A disk that does not obey, under load: syncs that fail, writes without room, writes that fail, short writes, a limit on file
sizes, a disk filled to its last block, now and then a kill on top. Nothing answered is lost, nothing twice, and it goes on."""
import errno
import os
import resource
import signal
import subprocess
import time

import gateways
from hub.base import wait_until
from sick_disk import SickDisk

SPOOL = os.path.join("spool", gateways.VILLAGE + ".db")


def syncs(scene, chance):
    scene.disk.order(syncs=chance.randint(1, 3))
    time.sleep(chance.uniform(0.1, 0.5))


def no_room(scene, chance):
    scene.disk.order(writes=chance.choice([1, 5, -1]), write_errno=chance.choice([errno.ENOSPC, errno.EDQUOT]))
    time.sleep(chance.uniform(0.1, 0.8))


def bad_writes(scene, chance):
    scene.disk.order(writes=chance.randint(1, 3), write_errno=chance.choice([errno.EIO, errno.EROFS, errno.EFBIG]))
    time.sleep(chance.uniform(0.1, 0.5))


def shorts(scene, chance):
    scene.disk.order(shorts=chance.randint(1, 200))
    time.sleep(chance.uniform(0.05, 0.3))


def limit(scene, chance):
    pid = scene.gateway.process.pid()
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    size = os.path.getsize(os.path.join(scene.folder, SPOOL))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (chance.randint(size // 2, size * 2), before[1]))
    time.sleep(chance.uniform(0.1, 0.8))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def fill(scene, chance):
    filler = os.path.join(scene.folder, "spool", "filler")
    disk = os.statvfs(os.path.dirname(filler))
    with open(filler, "wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - chance.choice([0, 100000])))
        except OSError:
            pass
    time.sleep(chance.uniform(0.3, 1))
    os.remove(filler)


def kill(scene, chance):
    scene.gateway.process.stop(signal.SIGKILL)


KINDS = [syncs, no_room, bad_writes, shorts, limit, kill, fill]


def wait_accepting(scene, after):
    """Where it ended with "try again", it is started again, as systemd would."""
    floor = scene.answered() + 8

    def accepts():
        if not scene.gateway.process.is_running():
            scene.gateway.start()
        return scene.answered() > floor
    wait_until(accepts, 60, f"it accepts again after {after}")


def mount(folder):
    """The spool on a small disk of its own, where we may mount one."""
    os.makedirs(os.path.join(folder, "spool"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=0700", "kentongan-test", os.path.join(folder, "spool")],
                          capture_output=True, check=False)
    return done.returncode == 0


def prove(folder, rounds, chance, kinds):
    mounted = mount(folder)
    disk = SickDisk(folder, os.path.join(folder, "spool"))
    scene = gateways.Scene(folder, binaries=folder, ballast_bytes="1M", disk_low_bytes="3M", disk_scarce_bytes="2M", disk_full_bytes="1M")
    scene.disk, done = disk, {}
    kinds = [kind for kind in kinds if mounted or kind is not fill]
    try:
        scene.begin()
        for number in range(rounds):
            kind = kinds[number % len(kinds)]
            kind(scene, chance)
            disk.heal()
            wait_accepting(scene, kind.__name__)
            done[kind.__name__] = done.get(kind.__name__, 0) + 1
        receipts, records, wrong = scene.end()
    finally:
        scene.close()
        if mounted:
            gateways.unmount(os.path.join(folder, "spool"))
    kinds_done = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
    skipped = "" if mounted else ", SKIPPED fill (no right to mount)"
    return f"{kinds_done}{skipped}; {receipts} answered, {records} records on the topic", wrong


if __name__ == "__main__":
    gateways.main("gateway-faults", __doc__, 140, prove, KINDS)
