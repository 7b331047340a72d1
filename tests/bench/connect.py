# SPDX-License-Identifier: MIT
"""Kafka Connect with Debezium's JDBC sink beside us: the scripts of ../shared/peers/connect, on the bench's broker and a database of their own."""
import json
import os
import shutil
import subprocess

from hub.base import PROJECT, free_port, run

SCRIPTS = os.path.join(PROJECT, "..", "shared", "peers", "connect")
FOLDER = os.path.join(PROJECT, "build", "connect")
RUNS = {"one task, batches of 2,000": ["batch.size=2000"],
        "two tasks, batches of 5,000": ["batch.size=5000", "tasks.max=2"]}


class Connect:
    """Its jars and its generator's packages are kept in build/connect; its data is the bench's."""

    def __init__(self, folder, kafka):
        self.settings = {**os.environ, "BROKER": kafka.brokers, "PGDIR": os.path.join(folder, "connect-postgres"), "RUN": os.path.join(folder, "connect-run"),
                         "OUT": os.path.join(folder, "connect-out"), "LOCK": os.path.join(folder, "connect-lock"),
                         **{name: str(free_port()) for name in ("PGPORT", "REST", "STUB")}}

    @staticmethod
    def is_here():
        return os.path.isdir(SCRIPTS)

    def script(self, name, *arguments):
        return run([os.path.join(FOLDER, name), *arguments], env=self.settings, stderr=subprocess.DEVNULL)

    def prepare(self, rows):
        """What it needs, and as many requests of its own form in a topic."""
        shutil.copytree(SCRIPTS, FOLDER, dirs_exist_ok=True)
        self.script("run-connect.sh", "fetch")
        self.script("pg.sh", "start")
        self.script("topic.sh", "create", "peer.avro", "8")
        run([os.path.join(FOLDER, "venv", "bin", "python"), os.path.join(FOLDER, "gen.py"), "fill", "peer.avro", str(rows)],
            env={**self.settings, "FORMAT": "avro"})

    def drain(self, rows, settings):
        """{"rows_s", "cpu_us_row": {"worker", "pg"}, "rss_peak_mb"} of the backlog, from its first row on."""
        said = self.script("run-connect.sh", "drain", "FORMAT=avro", f"ROWS={rows}", *settings)
        return json.loads(said)["r"]

    def stop(self):
        self.script("run-connect.sh", "stop", "KILL")
        self.script("pg.sh", "stop", "immediate")
