# SPDX-License-Identifier: MIT
"""A department's folder: what is refused before anything runs, what the sink may do, and whose database it is."""
import json
import os
import shutil
import subprocess
import threading

import psycopg2
import pytest
from conftest import BINARIES, PROJECT, payment_body, post
from hub import programs
from hub.base import wait_until

TABLES = "CREATE TABLE IF NOT EXISTS r (event_id uuid, desa text, seq bigint);\n"
MAPPING = "INSERT INTO r\nSELECT event_id, village_code, seq\n  FROM batch_requests"
KEPT = "INSERT INTO peta.r (desa) VALUES ('LAMA')"


class Office:
    """The department peta: one table, one mapping, made ready, with one row from before."""

    def __init__(self, world):
        self.world = world
        self.name = f"peta_{world.tag}"
        self.folder = os.path.join(world.folder, "departments", self.name)
        world.write_department("peta", {"requests": "action"}, TABLES, {"requests": MAPPING})
        world.install("peta")
        world.sql("peta", KEPT)

    def write(self, file, text):
        with open(os.path.join(self.folder, file), "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())

    def change(self, pattern, text):
        self.world.rewrite(os.path.join(self.folder, "department.conf"), pattern, text)

    def run(self, command, *options, folder=None, database=None):
        return subprocess.run([os.path.join(BINARIES, "kentongan"), "department", command, folder or self.folder, "--schemas",
                               self.world.schemas, "--database", database or self.world.conninfo("peta"), *options],
                              cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)

    def refused(self, words, *commands, status=78):
        """Each command says it in one line, names nothing to run that was just run, and has changed nothing."""
        for command in commands or ("check", "init"):
            done = self.run(command)
            assert done.returncode == status and words in done.stderr, (command, words, done.stdout, done.stderr)
            assert len(done.stderr.strip().splitlines()) == 1 and "run kentongan" not in done.stderr and done.stdout == ""
            assert self.world.sql("peta", "SELECT desa FROM peta.r") == [("LAMA",)]

    def rights(self):
        """What the sink may write, and where."""
        return self.world.sql("peta", "SELECT table_schema || '.' || table_name, privilege_type FROM information_schema.role_table_grants "
                                      "WHERE grantee = %s AND privilege_type <> 'SELECT' ORDER BY 1, 2", "sink_" + self.name)


@pytest.fixture
def office(lonely):
    return Office(lonely)


@pytest.mark.parametrize("text, words", [
    (MAPPING + ";\nDELETE FROM r;\n", "requests.sql: cannot insert multiple commands"),
    (MAPPING + ";\nCOMMIT;\nCREATE TABLE bekas (i int)", "a mapping is one SELECT, INSERT"),
    ("TRUNCATE r", 'requests.sql, line 1: syntax error at or near "TRUNCATE" (SQLSTATE 42601)'),
    ("COMMIT;\n", 'line 1: syntax error at or near "COMMIT"'),
    ("SET search_path = public", 'line 1: syntax error at or near "SET"'),
    ("-- nothing\n", "line 2: syntax error at end of input"),
    ("", "line 1: syntax error at end of input"),
    (MAPPING + "\0 WHERE false", "requests.sql, line 3: a NUL byte"),
    (MAPPING.encode() + b"\n WHERE village_code <> '\xe9'", "requests.sql, line 4: not UTF-8"),
    (b"\xef\xbb\xbf" + MAPPING.encode(), "requests.sql, line 1: a byte order mark"),
    (MAPPING + " WHERE village_code = $1", "requests.sql: a mapping has no parameters such as $1"),
    (MAPPING.replace("seq\n", "\n applicant_nik\n"),
     'requests.sql, line 3: column "applicant_nik" does not exist (SQLSTATE 42703); a batch has the fields that department.conf grants'),
    ("-- désa “x”\n" + MAPPING.replace("village_code", "desa_x"), 'requests.sql, line 3: column "desa_x" does not exist'),
    ("INSERT INTO\n  rr SELECT 1", 'requests.sql, line 2: relation "rr" does not exist (SQLSTATE 42P01)'),
    (MAPPING.replace("seq\n", "urut(seq)\n"), "requests.sql, line 2: function urut(bigint) does not exist (SQLSTATE 42883)"),
    ("UPDATE kentongan.log_position SET next_offset = 0", "requests.sql: database: SQLSTATE KT003: a mapping may not write tables of kentongan"),
    ("WITH m AS (SELECT kentongan.move('[]') FROM batch_requests)\n" + MAPPING, "requests.sql: a mapping may not call functions of kentongan, as kentongan.move"),
    (MAPPING + "\n WHERE NOT EXISTS (SELECT FROM kentongan.known(to_jsonb(seq))); -- the end", "functions of kentongan, as kentongan.known"),
    ("MERGE INTO r USING batch_requests b ON r.seq = b.seq WHEN NOT MATCHED THEN INSERT VALUES (b.event_id, kentongan.settle('[]', '', '')::text, 1)",
     "functions of kentongan, as kentongan.settle"),
], ids=range(19))
def test_a_mapping_that_is_no_single_good_statement_is_refused_and_nothing_of_it_runs(office_of_all, text, words):
    office_of_all.write("requests.sql", text)
    office_of_all.refused(words)
    assert office_of_all.rights() == [("peta.r", "INSERT")], "what a sink at work has stays when an init fails"


@pytest.fixture(scope="module")
def office_of_all(servers, tmp_path_factory):
    from conftest import World
    return Office(World(servers, tmp_path_factory.mktemp("office")))


def test_a_table_that_hides_the_batch_is_named(office):
    office.world.sql("peta", "CREATE TABLE peta.batch_requests (event_id uuid, village_code text, seq bigint)")
    office.refused("a table batch_requests in the department's schema hides the batch")


def test_a_mapping_may_end_as_files_of_sql_do(office):
    for text in (MAPPING + ";\n-- the end\n", "/* of all */ WITH b AS (SELECT * FROM batch_requests)\r\n" + MAPPING + " ; \n\n"):
        office.write("requests.sql", text)
        for command in ("check", "init"):
            done = office.run(command)
            assert done.returncode == 0, done.stderr


def test_tables_that_are_wrong_are_named_with_their_line(office):
    office.write("tables.sql", TABLES + "CREATE INDEX ON r (hilang);\n")
    office.refused('tables.sql: column "hilang" does not exist (SQLSTATE 42703)', "init")  # PostgreSQL points at no line
    office.write("tables.sql", TABLES + "CREATE VIEW v AS\nSELECT hilang FROM r;\n")
    office.refused('tables.sql, line 3: column "hilang" does not exist (SQLSTATE 42703)', "init")
    office.write("tables.sql", TABLES + "ALTER TABLE r ADD baru text;\nSELEKT;\n")
    office.refused('tables.sql, line 3: syntax error at or near "SELEKT"', "init")
    assert office.world.sql("peta", "SELECT count(*) FROM pg_attribute WHERE attrelid = 'peta.r'::regclass AND attname = 'baru'") == [(0,)]


@pytest.mark.parametrize("pattern, text, words", [
    ("^fields.requests = .*$", "fields.requests = *\nfields.requests = action", "department.conf:5: fields.requests stands here again; first at"),
    ("^name = .*$", "name =", "department.conf: the setting name is missing"),
    ("^name = .*$", "name = dinas sosial/x", "name takes at most 63 small letters"),
    ("^name = .*$", 'name = ko"nf', "name takes at most 63 small letters"),
    ("^name = .*$", "name = " + 64 * "a", "name takes at most 63 small letters"),
    ("^schema = .*$", 'schema = a"; DROP SCHEMA peta; --', "schema takes at most 63 small letters"),
    ("^schema = .*$", "schema = kentongan", "schema must be the department's own, not kentongan"),
    ("^schema = .*$", "schema = peta\nstart = kemarin", "start must be earliest, latest or a time"),
    ("^schema = .*$", "schema = peta\nkeep_values = yes", "keep_values keeps whole records: only with fields."),
    ("^schema = .*$", "schema = peta\nfields.payments = action", "there is no mapping payments.sql in the folder"),
    ("^schema = .*$", "schema = peta\npolicy.payments = halt", "there is no mapping payments.sql in the folder"),
], ids=range(11))
def test_settings_that_would_be_in_force_otherwise_than_meant_are_refused(office_of_all, pattern, text, words):
    conf = os.path.join(office_of_all.folder, "department.conf")
    office_of_all.write("requests.sql", MAPPING)
    shutil.copy(conf, conf + ".good")
    try:
        office_of_all.change(pattern, text)
        office_of_all.refused(words)
    finally:
        shutil.move(conf + ".good", conf)


def test_what_is_granted_and_not_mapped_or_mapped_and_not_granted_is_said(office):
    os.rename(office.folder + "/requests.sql", office.folder + "/request.sql")
    office.refused("fields.requests is set, but there is no mapping requests.sql in the folder", "check")
    os.symlink("elsewhere.sql", office.folder + "/requests.sql")
    office.refused("fields.requests is set, but there is no mapping requests.sql in the folder", "check")
    os.remove(office.folder + "/requests.sql")
    office.write("requests.sql", MAPPING)
    office.change("^fields.requests = .*\n", "")
    done = office.run("check", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {office.world.topic("requests"): {"actor_name": "name"}}
    assert "request.sql is not used: a mapping has the name of its topic" in done.stderr
    assert "requests.sql: department.conf grants no fields.requests" in done.stderr


def test_rights_of_a_mapping_that_is_gone_are_taken_back_wherever_they_were(office):
    office.write("tables.sql", TABLES + "CREATE SCHEMA IF NOT EXISTS lain; CREATE TABLE IF NOT EXISTS lain.s (i int);\n")
    office.write("requests.sql", "WITH a AS (INSERT INTO lain.s SELECT 1 FROM batch_requests)\nDELETE FROM r USING batch_requests b WHERE b.seq = r.seq")
    assert office.run("init").returncode == 0
    office.world.sql("peta", f"GRANT UPDATE ON kentongan.log_position TO sink_{office.name}")  # as an init of before gave it
    assert office.rights() == [("kentongan.log_position", "UPDATE"), ("lain.s", "INSERT"), ("peta.r", "DELETE")]
    office.write("requests.sql", MAPPING)
    assert office.run("init").returncode == 0
    assert office.rights() == [("peta.r", "INSERT")]
    assert office.world.sql("peta", f"SELECT has_table_privilege('sink_{office.name}', 'kentongan.log_position', 'SELECT')") == [(True,)]


def test_a_database_that_cannot_hold_every_name_is_refused(office):
    database = "latin1_" + office.world.tag
    office.world.servers.postgres.sql(f"CREATE DATABASE {database} OWNER {office.name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    for command in ("check", "init"):
        done = office.run(command, database=office.world.servers.postgres.conninfo(database, office.name))
        assert done.returncode == 78 and "the encoding of the database is LATIN1" in done.stderr, done.stderr


def test_a_database_is_one_departments(office):
    """The positions in it are of one, so a second would get nothing."""
    world = office.world
    world.write_department("dua", {"requests": "action"}, TABLES, {"requests": MAPPING})
    other = os.path.join(world.folder, "departments", f"dua_{world.tag}")
    done = office.run("init", folder=other)
    assert done.returncode == 78 and f"this is the database {office.name}; the one of dua_{world.tag} is dua_{world.tag}" in done.stderr
    world.rewrite(other + "/department.conf", "^database = .*$", "database = " + office.name)
    for command in ("init", "check"):
        done = office.run(command, folder=other)
        assert done.returncode == 78 and f"the database is that of the department {office.name}, and this is dua_{world.tag}" in done.stderr
    assert world.sql("peta", "SELECT count(*) FROM pg_namespace WHERE nspname = 'dua'") == [(0,)]
    assert world.sql("peta", "SELECT name FROM kentongan.department") == [(office.name,)]


def test_a_department_is_renamed_by_who_knows_its_name(office):
    office.change("^name = .*$", "name = peta-baru")
    office.refused("--was " + office.name, "init")
    assert office.run("init", "--was", "lain").returncode == 78
    assert office.run("init", "--was", office.name).stdout == "peta-baru is ready\n"
    assert office.run("check").returncode == office.run("init").returncode == 0


def test_a_database_that_was_not_made_ready_says_what_to_run(office):
    office.world.sql("peta", "DROP TABLE kentongan.department")
    done = office.run("check")
    assert done.returncode == 78 and "not made ready for this release; run kentongan department init" in done.stderr


def halted(sink, words):
    wait_until(lambda: words in sink.get("/readyz")[1], 60, words)
    assert sink.get("/readyz")[0] == 503


def test_a_sink_runs_nothing_of_two_statements_and_nothing_in_anothers_database(world):
    office = Office(world)
    world.expects("halted: ")
    office.write("requests.sql", MAPPING + ";\nDELETE FROM r;")
    sink = programs.sink(world.folder, BINARIES, office.folder, world.conninfo("peta", "sink_" + office.name), world.brokers,
                         world.schemas, retry_ms=200, halt_retry_ms=500)
    world.start(sink)
    halted(sink, "cannot insert multiple commands")
    assert world.sql("peta", "SELECT desa FROM peta.r") == [("LAMA",)]
    sink.stop()
    office.write("requests.sql", "SELECT kentongan.move('[]')")
    sink.start()
    halted(sink, "a mapping may not call functions of kentongan, as kentongan.move")
    sink.stop()
    office.write("requests.sql", MAPPING)
    world.sql("peta", "UPDATE kentongan.department SET name = 'lain'")
    sink.start()
    halted(sink, "the database is that of the department lain, and this is " + office.name)
    assert world.sql("peta", "SELECT count(*) FROM kentongan.log_position") == [(0,)]
    world.sql("peta", "UPDATE kentongan.department SET name = %s", office.name)
    wait_until(lambda: sink.get("/readyz")[0] == 200, 60, "ready without a restart")


def paid_office(world):
    """A department of payments without a mapping yet, and one payment in Kafka."""
    office, gateway = Office(world), world.gateway()
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 60, "it is in Kafka")
    office.change("^fields.requests = .*$", "fields.payments = action")
    os.remove(office.folder + "/requests.sql")
    return office


def try_out(office):
    done = office.run("try", "--brokers", office.world.brokers, "--from", "2026-01-01T00:00", "--json")
    assert done.returncode == 0, done.stderr
    return done


def test_a_try_shows_nothing_of_a_person_in_any_form(world):
    """A telephone number with hyphens, as a number, a birthday out of the NIK, and a NIK in a field that should hold none."""
    office = Office(world)
    gateway = world.gateway()
    nik = "9901014103900002"
    assert post(gateway, "/v1/payments", payment_body(case_id="PBB-1", payer={"nik": nik, "name": "PBB-1"}, reference=nik))[0] == 201
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 60, "it is in Kafka")
    office.change("^fields.requests = .*$", "fields.payments = amount, payer_nik, payer_name, reference")
    os.remove(office.folder + "/requests.sql")
    office.write("tables.sql", "CREATE TABLE IF NOT EXISTS s (event_id uuid PRIMARY KEY, a text, b bigint, c int, d date, e text, f text, g numeric, h timestamptz, i date);\n")
    office.write("payments.sql", "INSERT INTO s SELECT event_id, '0812-3456-7890', 81234567890, substr(payer_nik, 7, 6)::int, '1990-03-01', reference, "
                                 "payer_name, amount, occurred_at, now()::date FROM batch_payments")
    assert office.run("init").returncode == 0
    done = try_out(office)
    after = json.loads(done.stdout)["rows"][0]["after"]
    assert [after[name] for name in "abcdef"] == ["***"] * 6
    assert after["g"] == 300000 and after["h"] != "***" and after["i"] != "***"


def test_a_try_shows_what_is_deleted_and_names_what_is_written_elsewhere(world):
    """A row that was changed, and one that was locked for a foreign key, bear the same mark as a deleted one."""
    office = paid_office(world)
    office.write("tables.sql", TABLES + "CREATE SCHEMA IF NOT EXISTS lain; CREATE TABLE IF NOT EXISTS lain.t (i int);\n"
                 "CREATE TABLE IF NOT EXISTS induk (i int PRIMARY KEY, desa text);\n"
                 "CREATE TABLE IF NOT EXISTS s (event_id uuid PRIMARY KEY, i int REFERENCES induk);\n"
                 "INSERT INTO induk VALUES (1, 'a'), (2, 'b'), (3, 'c') ON CONFLICT DO NOTHING;\n")
    office.write("payments.sql", "WITH gone AS (DELETE FROM r USING batch_payments WHERE r.desa = 'LAMA'), other AS (INSERT INTO lain.t SELECT 1 FROM batch_payments),\n"
                                 "fresh AS (UPDATE induk SET desa = b.village_code FROM batch_payments b WHERE i = 2)\n"
                                 "INSERT INTO s SELECT event_id, 1 FROM batch_payments")
    assert office.run("init").returncode == 0
    world.sql("peta", "INSERT INTO peta.r (desa) VALUES ('BARU')")
    done = try_out(office)
    rows = json.loads(done.stdout)["rows"]
    assert [(row["table"], row["before"] is None, row["after"] is None) for row in rows] == [
        ("peta.induk", False, False), ("peta.r", False, True), ("peta.s", True, False)]
    assert rows[1]["before"] == {"event_id": None, "desa": "***", "seq": None}
    assert "lain.t is written to as well" in done.stderr
    assert world.sql("peta", "SELECT desa FROM peta.r ORDER BY 1") == [("BARU",), ("LAMA",)]


def test_a_try_shows_only_what_it_does_itself(world):
    """Others change rows of the same table between its looks."""
    office, ended = paid_office(world), threading.Event()
    office.write("tables.sql", "CREATE TABLE IF NOT EXISTS s (i int PRIMARY KEY, desa text);\nINSERT INTO s SELECT generate_series(1, 5000) ON CONFLICT DO NOTHING;\n")
    office.write("payments.sql", "DELETE FROM s USING batch_payments WHERE i = 1")
    assert office.run("init").returncode == 0

    def change():
        with psycopg2.connect(world.conninfo("peta")) as connection, connection.cursor() as cursor:
            while not ended.is_set():
                cursor.execute("UPDATE peta.s SET desa = clock_timestamp()::text WHERE i = (SELECT 2 + floor(random() * 4000)::int)")
                connection.commit()
    other = threading.Thread(target=change)
    other.start()
    try:
        for _ in range(20):
            assert [row["before"]["i"] for row in json.loads(try_out(office).stdout)["rows"]] in (["***"], [1])
    finally:
        ended.set()
        other.join()


def test_all_rows_of_a_try_are_printed_from_a_time_of_jember(world):
    office = paid_office(world)
    office.write("payments.sql", "INSERT INTO r SELECT event_id, village_code, n FROM batch_payments, generate_series(1, 1200) AS n")
    done = try_out(office)
    seen = json.loads(done.stdout)
    assert seen["records"] == 1 and len(seen["rows"]) == 1200
    with psycopg2.connect(world.conninfo("peta")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT desa FROM peta.r")
        assert cursor.fetchall() == [("LAMA",)]
