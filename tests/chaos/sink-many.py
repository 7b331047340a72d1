# SPDX-License-Identifier: MIT
"""Forty departments on one machine: what they weigh when idle, and how far one that is down holds up the others."""
import os
import shutil
import sys

from conftest import BINARIES, PROJECT
from hub import programs
from hub.base import read, wait_until
from sinks import Stage

DEPARTMENTS = 40
IDLE_MB = 6


def private_mb(program):
    lines = read(f"/proc/{program.process.pid()}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def department(world, number):
    """A copy of dpmd with a database of its own; its sink."""
    name = f"dinas{number:02}_{world.tag}"
    folder = os.path.join(world.folder, "departments", name)
    shutil.copytree(os.path.join(PROJECT, "deploy", "departments", "dpmd"), folder)
    world.rewrite(os.path.join(folder, "department.conf"), r"^name = .*$", "name = " + name)
    world.rewrite(os.path.join(folder, "department.conf"), r"^database = .*$", "database = " + name)
    postgres = world.servers.postgres
    postgres.add_database(name)
    programs.kentongan(BINARIES, "department", "init", folder, "--schemas", world.schemas, "--database", postgres.conninfo(name, name))
    return world.start(programs.sink(world.folder, BINARIES, folder, postgres.conninfo(name, "sink_" + name), world.brokers,
                                     world.schemas, retry_ms=500))


def lag_seconds(sinks):
    return max(value for sink in sinks for name, value in sink.metrics().items() if name.startswith("kentongan_sink_lag_seconds"))


def caught_up(sinks):
    return all(value == 0 for sink in sinks for name, value in sink.metrics().items() if name.startswith("kentongan_sink_lag_records"))


def main():
    with Stage("sink-many", 20) as stage:
        for village in stage.villages:
            village.ended.set()
            village.join()
        sinks = [department(stage.world, number) for number in range(DEPARTMENTS)]
        wait_until(lambda: caught_up(sinks), 120, "all have caught up")
        idle = [private_mb(sink) for sink in sinks]
        stage.servers.postgres.sql(f"ALTER ROLE sink_dinas00_{stage.world.tag} CONNECTION LIMIT 0")
        stage.servers.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sink_dinas00_{stage.world.tag}'")
        worst = 0
        for _ in range(stage.rounds):
            for village in stage.villages:
                programs.post_batch(village.gateway, [{"record": "Payment", "case_id": "X", "service": "pbb-p2", "action": "PAID",
                                                       "kind": "pbb-p2", "amount": "1.00", "actor": {"role": "TREASURER"}}])
            worst = max(worst, lag_seconds(sinks[1:]))
        wait_until(lambda: caught_up(sinks[1:]), 60, "the others have caught up")
        stage.servers.postgres.sql(f"ALTER ROLE sink_dinas00_{stage.world.tag} CONNECTION LIMIT -1")
        wait_until(lambda: caught_up(sinks), 120, "the one that was down too")
        rows = {stage.servers.postgres.sql("SELECT count(*) FROM dpmd.keuangan", f"dinas{number:02}_{stage.world.tag}")[0][0]
                for number in range(DEPARTMENTS)}
        good = max(idle) <= IDLE_MB and worst < 1 and len(rows) == 1
        print(f"sink-many: departments={DEPARTMENTS} rounds={stage.rounds} private_mb={sum(idle):.0f} most={max(idle):.1f} "
              f"worst_lag_seconds={worst:.0f} rows={rows}: {'good' if good else 'NOT GOOD'}", flush=True)
    sys.exit(not good)


main()
