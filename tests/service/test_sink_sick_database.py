# SPDX-License-Identifier: MIT
"""A sick database fills no dead letters, costs the sink its group never, and is gone on with by itself."""
import contextlib
import os
import re
import subprocess
import tempfile

import psycopg2
import pytest
from conftest import FULL, payment_body, post
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
def crowded(world):
    """Others hold every connection of the whole server."""
    held = []

    def take_all():
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                held.append(psycopg2.connect(world.conninfo("dpmd")))

    take_all()
    end_backends(world)
    take_all()  # the sink's too, before it asks again
    yield
    for session in held:
        session.close()


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


ILLS = {"read-only": read_only, "out of connections": out_of_connections, "crowded": crowded, "locked table": locked_table,
        "disk full": says("53100"), "out of memory": says("53200"), "deadlock": says("40P01"), "shutting down": says("57P01")}


def members(world):
    from confluent_kafka import ConsumerGroupState
    found = world.admin.describe_consumer_groups([f"kentongan-dpmd_{world.tag}"])[f"kentongan-dpmd_{world.tag}"].result()
    assert found.state == ConsumerGroupState.STABLE
    return [member.member_id for member in found.members]


def rows(world):
    """Asked as the superuser, for whom PostgreSQL keeps a few connections."""
    return int(world.servers.postgres.sql("SELECT count(*) FROM dpmd.keuangan", f"dpmd_{world.tag}")[0][0])


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
            assert name == "locked table" or rows(world) == total - 20
        world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", total)
    assert world.accounts("dpmd") == (total, 0, 0, 0) and world.dead_letters("dpmd") == []
    assert members(world) == joined, "it never left its group"


def test_a_department_that_waits_holds_up_no_other(world):
    world.expects("waiting: ")
    gateway = world.gateway()
    sick, well = world.sink("dpmd"), world.sink("satu_data")
    wait_until(lambda: sick.get("/readyz")[0] == well.get("/readyz")[0] == 200, 30, "ready")
    with locked_table(world):
        programs.post_batch(gateway, [{"record": "Payment", **payment_body(case_id="pertama")}])
        wait_until(lambda: sick.get("/readyz")[0] == 503, 30, "one of them waits")
        for number in range(1, 6):
            programs.post_batch(gateway, [{"record": "Payment", **payment_body(case_id=f"{number}-{each}")} for each in range(20)])
            world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.payments", 1 + 20 * number)
        assert well.get("/readyz")[0] == 200
        wait_until(lambda: not any(value for name, value in well.metrics().items() if name.startswith("kentongan_sink_lag_records")), 10, "no lag")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 101)


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


def test_a_role_that_may_not_log_in_halts(world):
    world.expects("halted: the database refuses the role|waiting: ")
    sink = world.sink("dpmd")
    wait_until(lambda: sink.get("/readyz")[0] == 200, 30, "ready")
    role = f"sink_dpmd_{world.tag}"
    world.servers.postgres.sql(f"ALTER ROLE {role} NOLOGIN")
    world.servers.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
    assert post(world.gateway(), "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: "refuses the role" in sink.get("/readyz")[1], 30, "halted with the reason")
    world.servers.postgres.sql(f"ALTER ROLE {role} LOGIN")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 1)


@contextlib.contextmanager
def small_disk(world):
    """Move the table onto a file system of 16 MB; gives a file's path there."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = tempfile.mkdtemp(prefix="kentongan-small-", dir="/var/tmp")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0755", "kentongan-test", folder], check=True)
    try:
        subprocess.run(["install", "-d", "-o", "postgres", folder + "/rows"], check=True)
        world.servers.postgres.sql(f"CREATE TABLESPACE small_{world.tag} LOCATION '{folder}/rows'")
        world.servers.postgres.sql(f"ALTER TABLE dpmd.keuangan SET TABLESPACE small_{world.tag}", f"dpmd_{world.tag}")
        yield folder + "/ballast"
        world.servers.postgres.sql("ALTER TABLE dpmd.keuangan SET TABLESPACE pg_default", f"dpmd_{world.tag}")
        world.servers.postgres.sql(f"DROP TABLESPACE small_{world.tag}")
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)


def fill(ballast):
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as out:
        while True:
            out.write(bytes(4096))


def test_a_full_disk_is_waited_for(world):
    world.expects("waiting: .*53100")
    gateway = world.gateway()
    sink = world.sink("dpmd")
    wait_until(lambda: sink.get("/readyz")[0] == 200, 30, "ready")
    with small_disk(world) as ballast:
        fill(ballast)
        for number in range(5):
            programs.post_batch(gateway, [{"record": "Payment", **payment_body(case_id=f"{number}-{each}")} for each in range(1000)])
        wait_until(lambda: "53100" in sink.get("/readyz")[1], 30, "it says that it waits")
        os.remove(ballast)
        world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 5000)
    assert world.accounts("dpmd") == (5000, 0, 0, 0) and world.dead_letters("dpmd") == []


def collide(world, when):
    """The table answers as one whose rows somebody else holds in the other order, for as long as `when` says so."""
    world.sql("dpmd", "CREATE SEQUENCE dpmd.tries")
    world.sql("dpmd", "GRANT USAGE ON SEQUENCE dpmd.tries TO PUBLIC")
    world.sql("dpmd", "CREATE FUNCTION dpmd.collide() RETURNS trigger LANGUAGE plpgsql AS "
                      f"$$ BEGIN IF {when} THEN RAISE EXCEPTION 'held' USING ERRCODE = '40P01'; END IF; RETURN NULL; END $$")
    world.sql("dpmd", "CREATE TRIGGER collide AFTER INSERT ON dpmd.keuangan REFERENCING NEW TABLE AS fresh "
                      "FOR EACH STATEMENT EXECUTE FUNCTION dpmd.collide()")


def test_a_collision_is_tried_again_at_once_and_without_a_word(world):
    gateway = world.gateway()
    world.department("dpmd")
    collide(world, "nextval('dpmd.tries') <= 5")
    world.sink("dpmd")
    programs.post_batch(gateway, [{"record": "Payment", **payment_body()}])
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 1)
    assert world.sql("dpmd", "SELECT last_value::int FROM dpmd.tries") == [(6,)]


def test_a_batch_that_collides_again_and_again_is_made_smaller(world):
    world.expects("waiting: .*40P01")
    gateway = world.gateway()
    world.department("dpmd")
    collide(world, "(SELECT count(*) FROM fresh) > 5")
    programs.post_batch(gateway, [{"record": "Payment", **payment_body(case_id=f"perkara-{each}")} for each in range(40)])
    world.sink("dpmd", batch_records=20, retry_ms=10)
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 40)
    assert world.accounts("dpmd") == (40, 0, 0, 0) and world.dead_letters("dpmd") == []


def slow(world, when):
    """The table takes a minute for some rows; each try is counted."""
    world.sql("dpmd", "CREATE SEQUENCE dpmd.tries")
    world.sql("dpmd", "GRANT USAGE ON SEQUENCE dpmd.tries TO PUBLIC")
    world.sql("dpmd", "CREATE FUNCTION dpmd.slow() RETURNS trigger LANGUAGE plpgsql AS "
                      f"$$ BEGIN IF {when} THEN PERFORM nextval('dpmd.tries'), pg_sleep(60); END IF; RETURN NEW; END $$")
    world.sql("dpmd", "CREATE TRIGGER slow BEFORE INSERT ON dpmd.keuangan FOR EACH ROW EXECUTE FUNCTION dpmd.slow()")


def test_a_record_that_takes_too_long_is_found_and_set_aside(world):
    world.expects("waiting: .*takes longer than|dead letter class=data")
    gateway = world.gateway()
    world.department("dpmd")
    slow(world, "NEW.jenis = 'lambat'")
    bodies = [payment_body(case_id=f"perkara-{each}") for each in range(20)]
    bodies[9:9] = [payment_body(case_id="lambat", kind="lambat"), payment_body(case_id="lambat")]
    programs.post_batch(gateway, [{"record": "Payment", **body} for body in bodies])
    sink = world.sink("dpmd", statement_ms=500, retry_ms=10)
    wait_until(lambda: world.accounts("dpmd")[:2] == (20, 1), 60, "all others are there, but the one behind it in its case")
    assert world.dead_letters("dpmd") == [("data", "57014", None, "the mapping takes too long for it")]
    assert world.sql("dpmd", "SELECT case_id FROM kentongan.waiting") == [("lambat",)]
    wait_until(lambda: sink.get("/readyz")[0] == 200, 30, "ready")
    assert re.search(r"the mapping takes longer than 0.5 s for \d+ records; it is tried again with half of them", world.logs())
    assert re.search(r"the mapping takes longer than 0.5 s for one record, \S+/\d+, offset \d+; it is set aside where", world.logs())


def test_a_database_that_takes_too_long_for_everything_is_waited_for(world):
    world.expects("waiting: ")
    gateway = world.gateway()
    world.department("dpmd")
    slow(world, "true")
    programs.post_batch(gateway, [{"record": "Payment", **payment_body(case_id=f"perkara-{each}")} for each in range(20)])
    sink = world.sink("dpmd", statement_ms=100, retry_ms=10)
    wait_until(lambda: world.sql("dpmd", "SELECT last_value FROM dpmd.tries")[0][0] > 20, 60, "it has tried all ways more than once")
    assert sink.get("/readyz")[0] == 503, "it says so all the time, also while it tries"
    assert world.dead_letters("dpmd") == [] and world.accounts("dpmd") == (0, 0, 0, 0)
    world.sql("dpmd", "DROP TRIGGER slow ON dpmd.keuangan")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 20)
    assert world.dead_letters("dpmd") == [] and world.accounts("dpmd") == (20, 0, 0, 0)
