# SPDX-License-Identifier: MIT
"""A mapping that only names columns goes by COPY into its table; what else it may be goes through the mapping, and the rows are the same."""
import contextlib
import os
import shutil
import signal
import threading

import psycopg2
import pytest
from conftest import VILLAGES, payment_body, post, request_body
from hub import programs
from hub.base import wait_until
from test_sink import another
from test_sink_schemas import NEWER, Registry, newer_schema

TABLE = """CREATE TABLE IF NOT EXISTS r (n bigint GENERATED ALWAYS AS IDENTITY, event_id uuid PRIMARY KEY, desa text NOT NULL,
    seq bigint CHECK (seq <> 7), nama text, asal text DEFAULT 'hub', masuk timestamptz DEFAULT now(), late boolean);
"""
MAPPING = "INSERT INTO r (event_id, desa, seq, nama, late) SELECT event_id, village_code, seq, applicant_name, late FROM batch_requests"
PLAIN = TABLE.replace("n bigint GENERATED ALWAYS AS IDENTITY, ", "")
ORDERED = PLAIN.replace("event_id uuid", "n bigserial, event_id uuid")


def lurus(world, mapping=MAPPING, table=PLAIN, name="lurus"):
    world.write_department(name, {"requests": "applicant_name"}, table, {"requests": mapping})
    return name


def straights(sink):
    return sink.metrics().get("kentongan_sink_straight_batches_total")


def applied_by(sink):
    return sum(number for name, number in sink.metrics().items() if name.startswith("kentongan_sink_applied_events_total"))


def send(gateway, *names):
    for name in names:
        assert post(gateway, "/v1/requests", request_body(case_id=name.split()[-1], applicant={"name": name}))[0] == 201


def fill(gateway, count, **changes):
    """So many requests, each a case of its own, in batches that the gateway takes."""
    for first in range(0, count, 1000):
        programs.post_batch(gateway, [{"record": "Request", **request_body(case_id=f"perkara-{number}", **changes)}
                                      for number in range(first, min(count, first + 1000))])


def in_order(world, table="r"):
    """The numbers of the rows, as they were written."""
    return [row[0] for row in world.sql("lurus", f"SELECT seq FROM lurus.{table} ORDER BY n")]


def backends(world, what, condition="true"):
    """Something of each session of the sink."""
    return [row[0] for row in world.servers.postgres.sql(f"SELECT {what} FROM pg_stat_activity WHERE usename = 'sink_lurus_{world.tag}' AND {condition}")]


def wait_for_lock(world):
    wait_until(lambda: backends(world, "pid", "wait_event_type = 'Lock'"), 20, "the sink waits for a lock")


@contextlib.contextmanager
def held(world, statement):
    """A session of the owner holds what a statement locks."""
    with contextlib.closing(psycopg2.connect(world.conninfo("lurus"))) as session:
        with session.cursor() as cursor:
            cursor.execute(statement)
        yield session


def rows(world, count, name="lurus"):
    world.wait_rows(name, f"SELECT count(*) FROM {name}.r", count)
    return world.sql(name, f"SELECT desa, seq, nama, asal, late FROM {name}.r ORDER BY seq")


def test_both_ways_write_the_same(world):
    for name in ("lurus", "lewat"):
        lurus(world, name=name)
    with open(f"{world.folder}/departments/lewat_{world.tag}/department.conf", "a", encoding="utf-8") as conf:
        conf.write("straight = no\n")
    gateway = world.gateway()
    straight, mapped = world.sink("lurus"), world.sink("lewat")
    send(gateway, "Siti", "Budi", "\\N \"' Ñandú")
    assert rows(world, 3) == rows(world, 3, "lewat")
    assert rows(world, 3)[2] == (VILLAGES[0], 3, "\\N \"' Ñandú", "hub", False)
    wait_until(lambda: straights(straight) > 0, 20, "a batch that went straight")
    assert straights(mapped) == 0
    assert world.accounts("lurus") == world.accounts("lewat") == (3, 0, 0, 0)


@pytest.mark.parametrize("conflict, wanted", [("DO NOTHING", "lama"), ("DO UPDATE SET nama = excluded.nama", "Siti")])
def test_what_is_there_already_is_the_mappings_to_decide(world, conflict, wanted):
    gateway = world.gateway()
    send(gateway, "Siti")
    lurus(world, MAPPING.replace("event_id, village_code", "event_id, village_code", 1) + f" ON CONFLICT (desa, seq) {conflict}",
          PLAIN + "CREATE UNIQUE INDEX IF NOT EXISTS one ON r (desa, seq);")
    world.install("lurus")
    world.sql("lurus", "INSERT INTO lurus.r (event_id, desa, seq, nama) VALUES (gen_random_uuid(), %s, 1, 'lama')", VILLAGES[0])
    sink = world.sink("lurus")
    wait_until(lambda: world.accounts("lurus")[0] == 1, 20, "the first event")
    assert straights(sink) == 0
    assert rows(world, 1)[0][2] == wanted
    send(gateway, "Budi", "Rini", "Agus")
    assert [row[2] for row in rows(world, 4)] == [wanted, "Budi", "Rini", "Agus"]
    for number in range(20):  # the detour is short where it was the only one
        if straights(sink) > 0:
            break
        send(gateway, f"Lagi {number}")
        rows(world, 5 + number)
    assert straights(sink) > 0


def test_a_refused_row_is_alone_and_its_case_waits(world):
    world.expects("dead letter class=data")
    gateway = world.gateway()
    lurus(world)
    for number in range(1, 13):
        send(gateway, f"Orang {number % 5}")
    sink = world.sink("lurus")
    wait_until(lambda: sum(world.accounts("lurus")) == 11, 30, "all but the one that waits")  # 12 is of the case of 7
    assert [row[1] for row in rows(world, 10)] == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    assert [letter[:3] for letter in world.dead_letters("lurus")] == [("data", "23514", "r_seq_check")]
    send(gateway, "Sesudah")
    rows(world, 11)
    wait_until(lambda: straights(sink) > 0, 20, "the next batch goes straight")


CHANGES = {
    "a trigger": ("""CREATE FUNCTION lurus.sela() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                       IF (SELECT count(*) FROM pg_temp.batch_requests) > 0 THEN NEW.asal := 'pemicu'; END IF; RETURN NEW; END $$;
                     CREATE TRIGGER sela BEFORE INSERT ON lurus.r FOR EACH ROW EXECUTE FUNCTION lurus.sela()""",
                  lambda row: row[3] == "pemicu"),
    "a default": ("ALTER TABLE lurus.r ALTER asal SET DEFAULT 'baru'", lambda row: row[3] == "baru"),
    "a type": ("ALTER TABLE lurus.r ALTER seq TYPE text, DROP CONSTRAINT r_seq_check", lambda row: row[1] == "2"),
    "a type of the same size": ("ALTER TABLE lurus.r DROP CONSTRAINT r_seq_check, ALTER seq TYPE double precision", lambda row: row[1] == 2.0),
    "a column": ("ALTER TABLE lurus.r ADD baru text DEFAULT 'x'", lambda row: row[2] == "Budi"),
    "a policy": ("ALTER TABLE lurus.r ENABLE ROW LEVEL SECURITY; CREATE POLICY semua ON lurus.r USING (true) WITH CHECK (true)",
                 lambda row: row[2] == "Budi"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_table_that_changes_at_work_is_written_as_its_mapping_says(world, change):
    statement, is_so = CHANGES[change]
    gateway = world.gateway()
    sink = world.sink(lurus(world))
    send(gateway, "Siti")
    rows(world, 1)
    wait_until(lambda: straights(sink) == 1, 20, "it went straight")
    world.sql("lurus", statement)
    send(gateway, "Budi")
    assert is_so(rows(world, 2)[1]), rows(world, 2)
    assert world.dead_letters("lurus") == []


@pytest.fixture
def straight_sink(world):
    """A gateway, and a sink of which one batch went straight."""
    gateway, sink = world.gateway(), world.sink(lurus(world))
    send(gateway, "Siti")
    rows(world, 1)
    wait_until(lambda: straights(sink) == 1, 20, "it went straight")
    return gateway, sink


def end_session(world):
    backends(world, "pg_terminate_backend(pid)")


def test_the_way_may_be_gone_when_a_session_begins(world, straight_sink):
    world.expects("waiting: ")
    gateway, sink = straight_sink
    world.sql("lurus", CHANGES["a trigger"][0])
    end_session(world)
    send(gateway, "Budi")
    assert rows(world, 2)[1][3] == "pemicu"
    assert sink.process.is_running()


def test_another_table_under_the_name_is_another_table(world, straight_sink):
    gateway, role = straight_sink[0], f"sink_lurus_{world.tag}"
    world.sql("lurus", "CREATE SCHEMA baru; CREATE TABLE baru.r (event_id uuid PRIMARY KEY, desa text, seq double precision, nama text, "
                       f"asal text, masuk timestamptz, late boolean); GRANT USAGE ON SCHEMA baru TO {role}; GRANT ALL ON baru.r TO {role}; "
                       "ALTER SCHEMA lurus RENAME TO lama; ALTER SCHEMA baru RENAME TO lurus")
    send(gateway, "Budi")
    assert rows(world, 1)[0][1] == 2.0


def test_what_changes_while_a_copy_waits_is_seen_in_any_isolation(world, straight_sink):
    world.expects("waiting: ")
    gateway, sink = straight_sink
    world.sql("lurus", f"ALTER DATABASE lurus_{world.tag} SET default_transaction_isolation = 'repeatable read'")
    end_session(world)
    send(gateway, "Rini")
    rows(world, 2)
    wait_until(lambda: straights(sink) == 2, 20, "straight again")
    with held(world, "ALTER TABLE lurus.r DROP CONSTRAINT r_seq_check, ALTER seq TYPE double precision") as session:
        send(gateway, "Budi")
        wait_for_lock(world)
        session.commit()
    assert [row[1] for row in rows(world, 3)] == [1.0, 2.0, 3.0]


# What has a straight way, by PostgreSQL's own plan of it

STRAIGHT = [
    (MAPPING, PLAIN),
    (MAPPING + " ON CONFLICT DO NOTHING", PLAIN),
    (MAPPING.replace("FROM batch_requests", "FROM batch_requests AS \"B\"").replace("village_code", "\"B\".village_code"), PLAIN),
    (MAPPING, PLAIN + "CREATE TABLE IF NOT EXISTS q (i int PRIMARY KEY); ALTER TABLE r ADD q int REFERENCES q;"),
    (MAPPING, PLAIN.replace("asal text", "bekas int, asal text") + "ALTER TABLE r DROP IF EXISTS bekas;"),
    (MAPPING, PLAIN + "CREATE OR REPLACE VIEW v AS SELECT * FROM r;"),
    (MAPPING + ";\n-- the end\n", PLAIN),
    (MAPPING.replace("INTO r", "INTO coba.r"), PLAIN),
]
ROUNDABOUT = [
    (MAPPING.replace("INTO r", "INTO v"), PLAIN + "CREATE OR REPLACE VIEW v AS SELECT * FROM r;"),
    (MAPPING + " WHERE seq > 0", PLAIN),
    (MAPPING.replace("applicant_name, late F", "upper(applicant_name), late F"), PLAIN),
    (MAPPING.replace("applicant_name, late F", "'tetap', late F"), PLAIN),
    (MAPPING.replace("applicant_name, late F", "NULL, late F").replace("nama, late", "asal, late"), PLAIN),
    (MAPPING.replace("applicant_name, late F", "village_code, late F"), PLAIN),
    (MAPPING.replace("SELECT", "SELECT DISTINCT"), PLAIN),
    (MAPPING + " LIMIT 1", PLAIN),
    (MAPPING + " ORDER BY seq", PLAIN),
    (MAPPING + " RETURNING pg_notify('r', desa)", PLAIN),
    (MAPPING + " UNION ALL SELECT event_id, desa, seq, nama, late FROM r WHERE false", PLAIN),
    ("WITH d AS (DELETE FROM r) " + MAPPING, PLAIN),
    ("WITH d AS (SELECT pg_notify('a', 'b')) " + MAPPING + " WHERE (SELECT count(*) FROM d) > 0", PLAIN),
    (MAPPING + " CROSS JOIN (SELECT 1) AS one CROSS JOIN generate_series(1, 1)", PLAIN),
    (MAPPING, TABLE),
    (MAPPING, PLAIN.replace("seq bigint", "seq numeric")),
    (MAPPING, PLAIN.replace("seq bigint", "seq int")),
    (MAPPING, PLAIN.replace("nama text", "nama varchar(40)")),
    (MAPPING, "CREATE DOMAIN nama AS text CHECK (VALUE <> 'x');" + PLAIN.replace("nama text", "nama nama")),
    (MAPPING, PLAIN + "ALTER TABLE r ADD g bigint GENERATED ALWAYS AS (seq + 1) STORED;"),
    (MAPPING, PLAIN + "ALTER TABLE r ENABLE ROW LEVEL SECURITY;"),
    (MAPPING, PLAIN + "CREATE RULE catat AS ON INSERT TO r DO ALSO NOTIFY r;"),
    (MAPPING, PLAIN + "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
                      "CREATE TRIGGER t AFTER INSERT ON r FOR EACH STATEMENT EXECUTE FUNCTION f();"),
    (MAPPING.replace("INTO r", "INTO v"), PLAIN + "CREATE VIEW v AS SELECT * FROM r WHERE seq > 0 WITH CHECK OPTION;"),
    (MAPPING, PLAIN.replace("late boolean)", "late boolean) PARTITION BY LIST (desa)").replace(" PRIMARY KEY", "")
     + "CREATE TABLE r_all PARTITION OF r DEFAULT;"),
    (MAPPING, PLAIN + "CREATE FUNCTION f(text) RETURNS bool LANGUAGE sql AS 'SELECT count(*) < 3 FROM r WHERE desa = $1'; "
                      "ALTER TABLE r ADD CHECK (f(desa));"),
    (MAPPING, PLAIN + "CREATE FUNCTION f(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'; CREATE INDEX ON r (f(desa));"),
    (MAPPING, PLAIN + "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''x''::text'; ALTER TABLE r ALTER asal SET DEFAULT f();"),
    ("UPDATE r SET nama = b.applicant_name FROM batch_requests b WHERE b.event_id = r.event_id", PLAIN),
    ("SELECT count(*) FROM batch_requests", PLAIN),
]


@pytest.fixture(scope="module")
def plans(servers, tmp_path_factory):
    """A database with kentongan's functions and an empty batch in the session."""
    from conftest import World
    world = World(servers, tmp_path_factory.mktemp("plans"))
    world.write_department("lurus", {"requests": "applicant_name"}, PLAIN, {"requests": MAPPING})
    world.install("lurus")
    connection = psycopg2.connect(world.conninfo("lurus"))
    yield connection
    connection.close()


def way_of(plans, mapping, table):
    with plans.cursor() as cursor:
        cursor.execute("CREATE SCHEMA coba; SET LOCAL search_path = coba, pg_temp; CREATE TEMPORARY TABLE batch_requests "
                       "(event_id uuid, village_code text, seq bigint, applicant_name text, kafka_offset bigint, late boolean)")
        cursor.execute(table)
        cursor.execute("PREPARE map_batch_requests AS " + mapping)
        try:
            cursor.execute("SELECT copy, cells, conflicts FROM kentongan.straight('map_batch_requests')")
            return cursor.fetchall()
        finally:
            plans.rollback()
            with plans.cursor() as again:
                again.execute("DEALLOCATE map_batch_requests")
            plans.commit()


@pytest.mark.parametrize("mapping, table", STRAIGHT, ids=range(len(STRAIGHT)))
def test_these_only_name_columns(plans, mapping, table):
    assert way_of(plans, mapping, table) == [
        ("COPY coba.r (event_id, desa, seq, nama, late) FROM STDIN BINARY", "0,1,2,3,5", "CONFLICT" in mapping)]


@pytest.mark.parametrize("mapping, table", ROUNDABOUT, ids=range(len(ROUNDABOUT)))
def test_these_do_more(plans, mapping, table):
    assert way_of(plans, mapping, table) == []


# Full batches are on their way while the next one is read

def test_whatever_befalls_a_batch_on_its_way_each_event_is_there_once(world):
    world.expects("dead letter class=data")
    world.expects("waiting: ")
    gateway = world.gateway()
    lurus(world, table=ORDERED.replace("seq <> 7", "seq % 777 <> 0"))
    fill(gateway, 3000)
    sink = world.sink("lurus", batch_records=20, retry_ms=10)
    told = []
    for applied in (100, 900, 1700):  # before the first refused row, between them, behind
        wait_until(lambda: told.append(applied_by(sink)) or world.accounts("lurus")[0] > applied, 60, f"{applied} events")
        end_session(world)
    wait_until(lambda: told.append(applied_by(sink)) or sum(world.accounts("lurus")) == 3000, 60, "all events")
    assert told == sorted(told), "a counter that falls is a restart to whoever reads it"
    assert world.accounts("lurus") == (2997, 3, 0, 0)
    assert in_order(world) == [seq for seq in range(1, 3001) if seq % 777]
    assert straights(sink) > 50
    assert 2900 < applied_by(sink) <= 2997, "what did not arrive is not counted, nor the last batch before a lost answer"


def test_a_record_that_takes_too_long_is_found_in_a_batch_on_its_way(world):
    world.expects("waiting: .*(takes longer than|took too long)|dead letter class=data")
    gateway = world.gateway()
    lurus(world, table=ORDERED.replace("seq <> 7", "seq <> 107 OR pg_sleep(60) IS NOT NULL"))
    fill(gateway, 300)
    sink = world.sink("lurus", batch_records=20, statement_ms=300, retry_ms=10)
    wait_until(lambda: sum(world.accounts("lurus")) == 300, 60, "all events")
    assert world.accounts("lurus") == (299, 1, 0, 0)
    assert world.dead_letters("lurus") == [("data", "57014", None, "the mapping takes too long for it")]
    assert in_order(world) == [seq for seq in range(1, 301) if seq != 107]
    assert "a statement took too long" in world.logs(), "so is told of a batch that was on its way"
    wait_until(lambda: applied_by(sink) == 299, 20, "each is counted once")


SLOW = ORDERED.replace("seq <> 7", "pg_sleep(0.002) IS NOT NULL")  # so that something can happen meanwhile


def test_a_topic_that_comes_and_goes_costs_those_beside_it_nothing(world):
    world.expects("waiting: ")
    gateway = world.gateway()
    payments = world.topic("payments")
    world.write_department("lurus", {"requests": "applicant_name", "payments": "amount"},
                           SLOW + "CREATE TABLE IF NOT EXISTS p (event_id uuid PRIMARY KEY, seq bigint, jumlah numeric);",
                           {"requests": MAPPING, "payments": "INSERT INTO p (event_id, seq, jumlah) SELECT event_id, seq, amount FROM batch_payments"})
    fill(gateway, 2000)

    def remove():
        for removed in world.admin.delete_topics([payments]).values():
            removed.result()

    remove()
    sink = world.sink("lurus", batch_records=20, retry_ms=50, **{"kafka.topic.metadata.refresh.interval.ms": 300})
    for change, applied in ((world.make_topics, 200), (remove, 800), (world.make_topics, 1400)):
        wait_until(lambda applied=applied: world.accounts("lurus")[0] > applied, 60, f"{applied} events")
        change()
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: world.accounts("lurus") == (2001, 0, 0, 0), 60, "all events")
    assert in_order(world) == list(range(1, 2001))
    assert straights(sink) > 50


HALVES = {
    "a trigger": (CHANGES["a trigger"][0], [7]),
    "a type": (CHANGES["a type"][0], []),
    "a type of the same size": ("ALTER TABLE lurus.r ALTER seq TYPE double precision", [7]),
}


@pytest.mark.parametrize("change", HALVES)
def test_what_changes_between_a_refusal_and_the_halves_is_the_mappings_to_write(world, straight_sink, change):
    """The change stands in the queue behind the COPY that is refused, and before those of the halves."""
    world.expects("dead letter class=data")
    statement, refused = HALVES[change]
    gateway, sink = straight_sink
    with held(world, "LOCK TABLE lurus.r IN SHARE MODE") as session:
        fill(gateway, 12)
        wait_for_lock(world)
        changing = threading.Thread(target=world.sql, args=("lurus", statement))
        changing.start()
        wait_until(lambda: world.servers.postgres.sql("SELECT 1 FROM pg_locks WHERE NOT granted AND mode IN ('AccessExclusiveLock', 'ShareRowExclusiveLock')"),
                   20, "the change waits, too")
        session.rollback()
        changing.join()
    wait_until(lambda: world.accounts("lurus") == (13 - len(refused), len(refused), 0, 0), 30, "all events")
    written = world.sql("lurus", "SELECT seq, asal FROM lurus.r WHERE nama <> 'Siti'")
    assert sorted(int(seq) for seq, _ in written) == [seq for seq in range(2, 14) if seq not in refused]
    assert {asal for _, asal in written} == {"pemicu" if change == "a trigger" else "hub"}
    assert [letter[:3] for letter in world.dead_letters("lurus")] == [("data", "23514", "r_seq_check")] * len(refused)
    assert straights(sink) == 1


def test_a_table_that_is_locked_when_its_way_is_looked_for_is_waited_for(world):
    """At the end of a detour the way is looked for again, and in each new session."""
    world.expects("waiting: ")
    gateway = world.gateway()
    lurus(world, MAPPING + " ON CONFLICT (desa, seq) DO NOTHING", ORDERED + "CREATE UNIQUE INDEX IF NOT EXISTS one ON r (desa, seq);")
    world.install("lurus")
    world.sql("lurus", "INSERT INTO lurus.r (event_id, desa, seq, nama) VALUES (gen_random_uuid(), %s, 1, 'lama')", VILLAGES[0])
    sink = world.sink("lurus")
    for number, name in enumerate(("Siti", "Budi"), 1):  # the first meets what is there, the second goes on the detour
        send(gateway, name)
        wait_until(lambda number=number: world.accounts("lurus")[0] == number, 20, name)
    with held(world, "LOCK TABLE lurus.r IN ACCESS EXCLUSIVE MODE"):
        send(gateway, "Rini")
        wait_for_lock(world)
        assert "kentongan.straight(" in backends(world, "query")[0]
        backends(world, "pg_cancel_backend(pid)")
        wait_until(lambda: sink.get("/readyz")[0] == 503, 20, "it says that it waits")
    wait_until(lambda: straights(sink) == 1, 20, "straight again")
    with held(world, "LOCK TABLE lurus.r IN ACCESS EXCLUSIVE MODE"):
        end_session(world)
        wait_until(lambda: "SQLSTATE 55P03" in sink.get("/readyz")[1], 20, "a new session meets the lock, too")
    send(gateway, "Agus")
    assert [row[2] for row in rows(world, 4)] == ["lama", "Budi", "Rini", "Agus"]
    wait_until(lambda: straights(sink) == 2, 20, "straight again")
    assert in_order(world) == [1, 2, 3, 4]


def test_a_record_of_a_newer_schema_amid_batches_on_their_way_is_read_rightly(world):
    """The sink knows the newer schema by the registry alone, which it asks when the first record of it is before it."""
    gateway = world.gateway()
    lurus(world, table=ORDERED.replace("CHECK (seq <> 7)", ""))
    older = os.path.join(world.folder, "older")
    shutil.copytree(world.schemas, older)
    world.add_schema(NEWER, "requests", "avro/Request.2.avsc", newer_schema())
    registry = Registry(world.topic("requests") + "-value")
    registry.mood = "good"
    fill(gateway, 507, applicant={"name": "Lama"})
    gateway.stop()
    gateway.start()
    gateway.wait()
    fill(gateway, 500, applicant={"name": "Baru"}, antrian="A-17")
    sink = world.sink("lurus", schemas=older, registry=registry.url, batch_records=20)
    wait_until(lambda: sum(world.accounts("lurus")) == 1007, 60, "all events")
    registry.shutdown()
    registry.server_close()
    assert world.accounts("lurus") == (1007, 0, 0, 0)
    assert world.sql("lurus", "SELECT seq, nama FROM lurus.r ORDER BY n") == [(seq, "Lama" if seq <= 507 else "Baru") for seq in range(1, 1008)]
    assert straights(sink) > 40 and f"a new schema id={NEWER}" in world.logs()


CHAIN = ORDERED.replace("seq bigint CHECK (seq <> 7)", "perkara text, UNIQUE (desa, perkara), seq bigint") + """
CREATE TABLE IF NOT EXISTS a (n bigserial, event_id uuid PRIMARY KEY, desa text, perkara text, seq bigint, keputusan text, nomor text UNIQUE,
    FOREIGN KEY (desa, perkara) REFERENCES r (desa, perkara));
CREATE TABLE IF NOT EXISTS p (n bigserial, event_id uuid PRIMARY KEY, desa text, perkara text, seq bigint, jumlah numeric,
    nomor text REFERENCES a (nomor));
"""


def chain(numbers, *records):
    """The events of some cases: what was asked, what was decided about it in two steps, what was paid for that."""
    approval = {"record": "Approval", "service": "surat-keterangan-usaha", "actor": {"role": "KADES"}}
    made = {"Request": lambda n: [{"record": "Request", **request_body(case_id=f"K-{n}", applicant={"name": f"Warga {n}"})}],
            "Approval": lambda n: [{**approval, "case_id": f"K-{n}", "step": "OPERATOR", "decision": "RETURNED"},
                                   {**approval, "case_id": f"K-{n}", "step": "KADES", "decision": "ACCEPTED", "letter_number": f"470/{n}"}],
            "Payment": lambda n: [{"record": "Payment", **payment_body(case_id=f"K-{n}", amount=f"{n}.00", reference=f"470/{n}")}]}
    return [line for n in numbers for record in records for line in made[record](n)]


def test_tables_that_refer_to_each_other_are_filled_in_order(world):
    world.expects("tried again|try again")
    gateway = world.gateway()
    head = "event_id, desa, perkara, seq"
    columns = "SELECT event_id, village_code, case_id, seq"
    world.write_department("lurus", {"requests": "applicant_name", "approvals": "decision, letter_number", "payments": "amount, reference"}, CHAIN, {
        "requests": f"INSERT INTO r ({head}, nama) {columns}, applicant_name FROM batch_requests",
        "approvals": f"INSERT INTO a ({head}, keputusan, nomor) {columns}, decision, letter_number FROM batch_approvals",
        "payments": f"INSERT INTO p ({head}, jumlah, nomor) {columns}, amount, reference FROM batch_payments"})
    sink = world.sink("lurus", batch_records=20, order_retry_ms=3600000)
    for number, record in enumerate(("Request", "Approval", "Payment")):  # what they refer to is there
        programs.post_batch(gateway, chain(range(300), record))
        wait_until(lambda number=number: sum(world.accounts("lurus")) == 300 * (1, 3, 4)[number], 60, record)
    assert straights(sink) > 40
    for table, count in (("r", 300), ("a", 600), ("p", 300)):
        assert in_order(world, table) == list(range(1, count + 1))
    early, later = range(300, 303), range(303, 403)
    programs.post_batch(gateway, chain(early, "Payment", "Approval"))
    wait_until(lambda: world.sql("lurus", "SELECT count(*) FROM kentongan.waiting") == [(9,)], 60, "what they refer to is not there")
    programs.post_batch(gateway, chain(later, "Request"))
    wait_until(lambda: world.accounts("lurus")[0] == 1300, 60, "the others do not wait")
    programs.post_batch(gateway, chain(early, "Request") + chain(later, "Approval"))
    wait_until(lambda: world.accounts("lurus") == (1512, 0, 0, 0), 60, "all events")
    assert world.dead_letters("lurus") == [] and world.sql("lurus", "SELECT count(*) FROM kentongan.waiting") == [(0,)]
    assert world.sql("lurus", "SELECT count(*)::int FROM lurus.r JOIN lurus.a USING (desa, perkara) JOIN lurus.p USING (nomor) "
                              "WHERE r.nama = 'Warga ' || jumlah::int AND r.perkara = 'K-' || jumlah::int AND keputusan = 'ACCEPTED'") == [(303,)]
    assert world.sql("lurus", "SELECT count(*) FROM lurus.a x JOIN lurus.a y USING (desa, perkara) WHERE x.seq < y.seq AND x.n > y.n") == [(0,)]


def test_a_sink_that_stands_still_with_a_batch_on_its_way_is_taken_over_from(world):
    world.expects("another sink's transaction|waiting: ")
    gateway = world.gateway()
    lurus(world, table=ORDERED.replace("seq <> 7", "seq <> 90 OR pg_advisory_xact_lock(1) IS NOT NULL").replace(" PRIMARY KEY", ""))
    fill(gateway, 300)
    world.install("lurus")
    with held(world, "SELECT pg_advisory_lock(1)"):
        sleeper = world.sink("lurus", batch_records=20, **{"kafka.session.timeout.ms": 6000, "kafka.max.poll.interval.ms": 6000})
        wait_for_lock(world)
        sleeper.process.send(signal.SIGSTOP)
    other = world.start(another(world, sleeper))
    wait_until(lambda: sum(world.accounts("lurus")) == 300, 60, "all events")
    sleeper.process.send(signal.SIGCONT)
    fill(gateway, 100)
    wait_until(lambda: sum(world.accounts("lurus")) == 400, 60, "all events")
    wait_until(lambda: sleeper.get("/readyz")[0] == other.get("/readyz")[0] == 200, 60, "both are well")
    assert world.accounts("lurus") == (400, 0, 0, 0) and in_order(world) == list(range(1, 401))
