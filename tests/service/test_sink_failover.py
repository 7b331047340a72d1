# SPDX-License-Identifier: MIT
"""A department's database fails over to a replica that was behind: the sink goes on there, and each event is there once."""
import os
import shutil
import signal
import subprocess
import tempfile
import types

import pytest
from conftest import World, payment_body
from hub import programs
from hub.base import free_port, read, wait_until, write
from hub.postgres import Postgres
from hub.postgres import programs as postgres_programs


class Replica(Postgres):
    """Follows a primary by streaming, asynchronously, until it is cut off or takes over."""

    def copy(self, primary):
        os.makedirs(self.folder)
        data, port = self.choose_data(), free_port()
        password = read(primary.passfile).splitlines()[0].rsplit(":", 1)[1]
        os.environ["PGPASSWORD"] = password
        try:
            subprocess.run(self.command(postgres_programs() + "/pg_basebackup", "-D", data, "-h", "127.0.0.1", "-p", str(primary.port),
                                        "-U", "postgres", "-R", "-c", "fast", "-X", "stream"), check=True, cwd="/")
        finally:
            del os.environ["PGPASSWORD"]
        with open(os.path.join(data, "postgresql.conf"), "a", encoding="utf-8") as out:
            out.write(f"port = {port}\n")
        write(os.path.join(self.folder, "data-folder"), data + "\n")
        write(os.path.join(self.folder, "port"), str(port))
        write(self.passfile, read(primary.passfile).replace(f":{primary.port}:", f":{port}:"), 0o600)

    def cut_off(self):
        self.sql("ALTER SYSTEM SET primary_conninfo = ''")
        self.sql("SELECT pg_reload_conf()")
        wait_until(lambda: not self.sql("SELECT 1 FROM pg_stat_wal_receiver"), 30, "the replica hears no more")

    def take_over(self):
        assert self.sql("SELECT pg_promote()") == [["t"]]


@pytest.fixture
def two(servers, tmp_path):
    """(a world whose departments lie in a cluster of their own, that cluster's replica)"""
    folder = tempfile.mkdtemp(prefix="kentongan-tests-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    primary, replica = Postgres(folder), Replica(os.path.join(folder, "second"))
    primary.prepare()
    primary.start()
    primary.wait()
    world = World(types.SimpleNamespace(kafka=servers.kafka, postgres=primary), tmp_path)
    world.make_topics()
    yield world, replica
    world.stop()
    for cluster in (primary, replica):
        cluster.stop()
        cluster.wipe()
    shutil.rmtree(folder)
    assert world.unannounced() == []


def either(primary, replica, database, user):
    """As a department with a replica writes it."""
    own = primary.conninfo(database, user)
    return own.replace(f":{primary.port}/", f":{primary.port},127.0.0.1:{replica.port}/") + "&target_session_attrs=read-write"


def test_a_failover_to_a_replica_that_was_behind_costs_nothing(two):
    world, replica = two
    primary = world.servers.postgres
    world.expects("waiting: ")
    world.department("dpmd")
    os.makedirs(os.path.dirname(replica.folder))
    replica.copy(primary)
    with open(primary.passfile, "a", encoding="utf-8") as out:
        out.write(read(replica.passfile))
    replica.start()
    replica.wait()
    gateway = world.gateway()
    sink = world.sink("dpmd", database=either(primary, replica, f"dpmd_{world.tag}", f"sink_dpmd_{world.tag}"))

    def pay(name, count):
        programs.post_batch(gateway, [{"record": "Payment", **payment_body(case_id=f"{name}-{number}")} for number in range(count)])

    def rows(cluster):
        return int(cluster.sql("SELECT count(*) FROM dpmd.keuangan", f"dpmd_{world.tag}")[0][0])

    pay("bersama", 100)
    wait_until(lambda: rows(replica) == 100, 60, "the replica follows")
    replica.cut_off()
    pay("hilang", 100)
    wait_until(lambda: rows(primary) == 200, 60, "the primary is ahead")
    primary.stop(signal.SIGQUIT)
    pay("selama", 100)
    wait_until(lambda: sink.get("/readyz")[0] == 503, 30, "it says that it waits")
    replica.take_over()
    wait_until(lambda: rows(replica) == 300, 60, "the rest and what was lost with the primary")
    assert replica.sql("SELECT count(DISTINCT event_id) FROM dpmd.keuangan", f"dpmd_{world.tag}") == [["300"]]
    assert replica.sql("SELECT sum(applied), sum(dead), sum(missing) FROM kentongan.stream_position", f"dpmd_{world.tag}") == [["300", "0", "0"]]
    wait_until(lambda: sink.get("/readyz")[0] == 200, 30, "it is well again")
