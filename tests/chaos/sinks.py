# SPDX-License-Identifier: MIT
"""What the sink's long proofs share: villages that post without pause, sinks of satu_data, the comparison at the end."""
import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time

from compare import Comparison
from conftest import BINARIES, VILLAGES, Servers, World, payment_body, request_body
from hub import programs
from hub.base import wait_until


class Village(threading.Thread):
    """Posts requests and payments until told to stop."""

    def __init__(self, gateway, size):
        super().__init__(daemon=True)
        self.gateway, self.size = gateway, size
        self.accepted = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.05):
            lines = [{"record": "Payment", **payment_body(case_id=f"P-{self.accepted + number}", amount=f"{number}.00")}
                     if number % 2 else {"record": "Request", **request_body(case_id=f"R-{self.accepted + number}")}
                     for number in range(self.size)]
            programs.post_batch(self.gateway, lines)
            self.accepted += self.size


class Stage:
    """Servers, three villages under load, a department's sinks."""

    def __init__(self, name, rounds):
        parser = argparse.ArgumentParser(prog="tests/chaos/run " + name)
        parser.add_argument("--rounds", type=int, default=rounds)
        parser.add_argument("--seed", type=int, default=int(time.time()))
        given = parser.parse_args()
        self.name, self.rounds, self.seed = name, given.rounds, given.seed
        self.random = random.Random(given.seed)
        self.folder = tempfile.mkdtemp(prefix="kentongan-chaos-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        self.servers = Servers(self.folder)
        self.villages = []
        self.began = time.monotonic()

    def __enter__(self):
        self.servers.start()
        self.world = World(self.servers, os.path.join(self.folder, "world"))
        self.world.make_topics()
        self.world.department("satu_data")
        for table in ("requests", "payments", "approvals"):
            self.world.sql("satu_data", f"ALTER TABLE satu_data.{table} ADD n bigserial")
        self.world.sql("satu_data", f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA satu_data TO sink_satu_data_{self.world.tag}")
        for code in VILLAGES[:3]:
            village = Village(self.world.gateway(code), 10)
            self.villages.append(village)
            village.start()
        return self

    def __exit__(self, *trouble):
        for village in self.villages:
            village.ended.set()
            village.join()
        self.world.stop()
        self.servers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sink(self, number=0, **settings):
        """A sink that a restart finds again: killed members would else be waited for. Its old port may be another's by then."""
        name = f"{number}"
        program = programs.sink(self.world.folder, BINARIES, self.world.department("satu_data"),
                                settings.pop("database", None) or self.world.conninfo("satu_data", f"sink_satu_data_{self.world.tag}"),
                                self.world.brokers, self.world.schemas, **{
                                    "listen": "127.0.0.1:0", "retry_ms": 50, "halt_retry_ms": 500, "owner": "sink-" + name, "batch_records": 50,
                                    "kafka.group.instance.id": name, "kafka.session.timeout.ms": 6000, **settings})
        program.name = program.process.name = "sink-" + name
        program.process.file = os.path.join(self.world.folder, "run", program.name + ".pid")
        program.process.log = os.path.join(self.world.folder, "log", program.name + ".log")
        program.conf = os.path.join(self.world.folder, "conf", program.name + ".conf")
        program.address_file = os.path.join(self.world.folder, "run", program.name + ".address")
        return self.world.start(program)

    def applied(self):
        return self.world.sql("satu_data", "SELECT coalesce(sum(applied), 0)::int FROM kentongan.stream_position")[0][0]

    def wait_for_more(self, seconds=60):
        """Until something was applied that was not before."""
        before = self.applied()
        wait_until(lambda: self.applied() > before, seconds, "something applied")

    def pause(self, most_seconds):
        time.sleep(self.random.random() * most_seconds)

    def finish(self):
        """End the load, let everything arrive, compare."""
        for village in self.villages:
            village.ended.set()
            village.join()
        accepted = sum(village.accepted for village in self.villages)
        wait_until(lambda: self.applied() >= accepted, 120, f"{accepted} events applied, {self.applied()} are")
        comparison = Comparison(self.world.brokers, self.world.conninfo("satu_data"), self.world.schemas)
        same = comparison.run()
        for fault in comparison.faults[:20]:
            print(fault)
        exact = same and comparison.counts["rows"] == accepted and not self.world.dead_letters("satu_data")
        print(f"{self.name}: rounds={self.rounds} seed={self.seed} accepted={accepted} rows={comparison.counts['rows']} "
              f"repeats={comparison.counts['repeats']} dead={len(self.world.dead_letters('satu_data'))} "
              f"seconds={time.monotonic() - self.began:.0f}: {'exact' if exact else 'NOT EXACT'}", flush=True)
        return exact


def prove(name, rounds, play):
    """Play the rounds on a stage; exit 1 when the account is not exact."""
    with Stage(name, rounds) as stage:
        play(stage)
        exact = stage.finish()
    sys.exit(not exact)
