# SPDX-License-Identifier: MIT
"""A sick database fills no dead letters, costs the sink its group never, and is gone on with by itself."""
import contextlib

import psycopg2
import pytest
from conftest import FULL, payment_body
from hub import programs
from hub.base import wait_until


def end_backends(world):
    world.servers.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sink_dpmd_{world.tag}'")


@contextlib.contextmanager
def read_only(world):
    world.servers.postgres.sql(f"ALTER DATABASE dpmd_{world.tag} SET default_transaction_read_only = on")
    end_backends(world)
    yield
    world.servers.postgres.sql(f"ALTER DATABASE dpmd_{world.tag} RESET default_transaction_read_only")


@contextlib.contextmanager
def out_of_connections(world):
    world.servers.postgres.sql(f"ALTER ROLE sink_dpmd_{world.tag} CONNECTION LIMIT 0")
    end_backends(world)
    yield
    world.servers.postgres.sql(f"ALTER ROLE sink_dpmd_{world.tag} CONNECTION LIMIT -1")


@contextlib.contextmanager
def locked_table(world):
    session = psycopg2.connect(world.conninfo("dpmd"))
    with session.cursor() as cursor:
        cursor.execute("LOCK TABLE dpmd.keuangan IN ACCESS EXCLUSIVE MODE")
    yield
    session.close()


def says(sqlstate):
    """The table answers as PostgreSQL does when something of its own is wrong."""
    @contextlib.contextmanager
    def ill(world):
        world.sql("dpmd", "CREATE OR REPLACE FUNCTION dpmd.ill() RETURNS trigger LANGUAGE plpgsql AS "
                          f"$$ BEGIN RAISE EXCEPTION 'ill' USING ERRCODE = '{sqlstate}'; END $$")
        world.sql("dpmd", "CREATE TRIGGER ill BEFORE INSERT ON dpmd.keuangan FOR EACH ROW EXECUTE FUNCTION dpmd.ill()")
        yield
        world.sql("dpmd", "DROP TRIGGER ill ON dpmd.keuangan")
    return ill


ILLS = {"read-only": read_only, "out of connections": out_of_connections, "locked table": locked_table,
        "disk full": says("53100"), "out of memory": says("53200"), "deadlock": says("40P01"), "shutting down": says("57P01")}


def members(world):
    from confluent_kafka import ConsumerGroupState
    found = world.admin.describe_consumer_groups([f"kentongan-dpmd_{world.tag}"])[f"kentongan-dpmd_{world.tag}"].result()
    assert found.state == ConsumerGroupState.STABLE
    return [member.member_id for member in found.members]


def test_each_illness_is_waited_for(world):
    world.expects("waiting: ")
    gateway = world.gateway()
    sink = world.sink("dpmd")
    wait_until(lambda: sink.get("/readyz")[0] == 200, 30, "ready")
    joined = members(world)
    total = 0
    for name, illness in ILLS.items():
        with illness(world):
            programs.post_batch(gateway, [{"record": "Payment", **payment_body(case_id=f"{name}-{number}")} for number in range(20)])
            total += 20
            wait_until(lambda name=name: sink.get("/readyz")[0] == 503, 30, f"{name}: it says that it waits")
            assert world.sql("dpmd", "SELECT count(*)::int FROM dpmd.keuangan") == [(total - 20,)] if name != "locked table" else True
        world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", total)
    assert world.accounts("dpmd") == (total, 0, 0, 0) and world.dead_letters("dpmd") == []
    assert members(world) == joined, "it never left its group"


@pytest.mark.parametrize("sqlstate", ["42501", "XX002", "58030"] if FULL else ["42501"])
def test_what_a_person_must_mend_halts(world, sqlstate):
    world.expects("halted: .*SQLSTATE " + sqlstate)
    gateway = world.gateway()
    sink = world.sink("dpmd")
    with says(sqlstate)(world):
        programs.post_batch(gateway, [{"record": "Payment", **payment_body()}])
        wait_until(lambda: sqlstate in sink.get("/readyz")[1], 30, "halted with the reason")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 1)
    assert world.dead_letters("dpmd") == []
