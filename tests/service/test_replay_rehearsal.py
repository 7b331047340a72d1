# SPDX-License-Identifier: MIT
"""A rehearsal: the past through a changed mapping into a scratch database, and what that changes."""
import json
import os
import shutil

import psycopg2
import pytest
from conftest import VILLAGES, World, payment_body, post, request_body
from hub.programs import post_batch
from test_replay import kentongan


class Stage:
    """dinsos at work, with one letter, and a scratch database beside it."""

    def __init__(self, world):
        world.expects("dead letter class=data")
        self.world = world
        gateway = world.gateway()
        world.sink("dinsos")
        lines = [{"record": "Request", **request_body(case_id=f"SKTM-{i}")} for i in range(20)]
        lines += [{"record": "Request", **request_body(case_id=f"SKTM-{i}", action="AMENDED", applicant=None)} for i in range(5)]
        lines += [{"record": "Payment", **payment_body(case_id=f"BLT-{i}")} for i in range(10)]
        post_batch(gateway, lines)
        assert post(gateway, "/v1/payments", payment_body(case_id="BLT-X", amount="9000000.00"))[0] == 201
        assert post(gateway, "/v1/payments", payment_body(case_id="BLT-X"))[0] == 201
        world.wait_rows("dinsos", "SELECT coalesce(sum(applied + dead + parked), 0)::int FROM kentongan.stream_position", 37)
        self.own = world.department("dinsos")
        self.folder = os.path.join(world.folder, "changed")
        self.database = f"scratch_{world.tag}"
        world.servers.postgres.add_database(self.database)
        self.scratch = world.servers.postgres.conninfo(self.database, self.database)

    def rehearse(self, *options, database=None, code=0):
        done = kentongan("replay", "--brokers", self.world.brokers, "--schemas", self.world.schemas, "--from", "2026-01-01T00:00",
                         "--to", "+5000d", "--out", "department=" + self.folder, "--database", database or self.scratch, "--json",
                         *options)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    def diff(self, code):
        arguments = ["department", "diff", self.folder, "--schemas", self.world.schemas, "--live", self.world.conninfo("dinsos"),
                     "--scratch", self.scratch]
        done, text = kentongan(*arguments, "--json"), kentongan(*arguments)
        assert done.returncode == text.returncode == code, done.stderr
        for personal in ("9909010101900001", "9909010101900002", "Siti", "Budi"):
            assert personal not in done.stdout + text.stdout + done.stderr
        return {row["table"]: row for row in json.loads(done.stdout)}


    def forget_changes(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.own, self.folder)


@pytest.fixture(scope="module")
def theatre(servers, tmp_path_factory):
    world = World(servers, tmp_path_factory.mktemp("theatre"))
    world.make_topics()
    yield Stage(world)
    world.stop()
    assert world.unannounced() == []


@pytest.fixture
def stage(theatre):
    theatre.forget_changes()
    return theatre


def test_a_rehearsal_of_the_same_mapping_makes_the_same_rows(stage):
    accounts = "SELECT topic, sum(applied), sum(dead), sum(parked) FROM kentongan.stream_position GROUP BY 1 ORDER BY 1"
    found = stage.rehearse()
    assert found == {"applied": 35, "repeats": 0, "waiting": 1, "dead": {"data": 1}}
    assert {name: (row["same"], row["differ"]) for name, row in stage.diff(0).items()} == {
        "permohonan_sktm": (20, 0), "penyaluran_blt": (10, 0)}
    with psycopg2.connect(stage.scratch) as connection, connection.cursor() as cursor:
        cursor.execute(accounts)
        assert cursor.fetchall() == stage.world.sql("dinsos", accounts)
    connection.close()


def test_what_another_rehearsal_left_is_gone_after_the_next(stage):
    stage.rehearse()
    for text, wanted in (("CREATE SCHEMA lain; CREATE TABLE lain.warga (nik text)", None), ("SELECT to_regnamespace('lain') IS NULL", True)):
        connection = psycopg2.connect(stage.scratch)
        with connection, connection.cursor() as cursor:
            cursor.execute(text)
            assert wanted is None or cursor.fetchone() == (wanted,)
        connection.close()
        stage.rehearse()


def run_sql(database, text):
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute(text)
    connection.close()


def test_a_number_in_a_key_is_shown_only_where_it_is_known_what_it_is(stage):
    """A telephone without its zero, a birthday, a NIK: as numbers they look like any other."""
    stage.rehearse()
    both = [stage.world.conninfo("dinsos"), stage.scratch]
    for database in both:
        run_sql(database, "CREATE TABLE dinsos.kontak (telepon numeric, lahir int, nik bigint, seq bigint, PRIMARY KEY (telepon, lahir, nik, seq))")
    try:
        run_sql(both[0], "INSERT INTO dinsos.kontak VALUES (81234567890, 410390, 9909010101900001, 7)")
        dots = "\u2022" * 3
        assert [key["key"] for key in stage.diff(65)["kontak"]["keys"]] == [[dots, dots, dots, 7]]
    finally:
        run_sql(both[0], "DROP TABLE dinsos.kontak")


def test_what_a_changed_mapping_would_make_is_counted_and_not_shown(stage):
    path = os.path.join(stage.folder, "requests.sql")
    stage.world.rewrite(path, "applicant_address,\n", "upper(action),\n")
    stage.world.rewrite(path, r" WHERE service = .*", " WHERE case_id <> 'SKTM-7'")
    stage.rehearse()
    found = stage.diff(65)["permohonan_sktm"]
    assert (found["same"], found["differ"], found["only_live"], found["only_scratch"]) == (0, 19, 1, 0)
    assert found["columns"] == {"alamat": 19}
    named = [key for key in found["keys"] if key["is"] == "differs"]
    assert len(named) == 5 and all(key["columns"] == ["alamat"] for key in named)
    assert {(key["key"][0], key["key"][1]) for key in found["keys"] if key["is"] == "only live"} == {(VILLAGES[0], "SKTM-7")}
    stage.forget_changes()
    stage.rehearse()  # the scratch database is emptied first
    assert stage.diff(0)["permohonan_sktm"]["same"] == 20


def test_a_part_of_the_past_is_rehearsed(stage):
    assert stage.rehearse("--topic", "requests")["applied"] == 25
    found = stage.diff(65)
    assert found["permohonan_sktm"]["same"] == 20 and found["penyaluran_blt"]["only_live"] == 10
    assert "does not take" in stage.rehearse("--topic", "approvals", code=65)


def test_a_database_that_is_anybodys_is_refused_and_left_alone(stage):
    assert "department at work" in stage.rehearse(database=stage.world.conninfo("dinsos"), code=65)
    assert stage.world.accounts("dinsos")[0] == 35
    stage.world.department("dpmd")  # made ready, and never run
    assert "not empty" in stage.rehearse(database=stage.world.conninfo("dpmd"), code=65)
    assert stage.world.sql("dpmd", "SELECT count(*) FROM pg_tables WHERE schemaname = 'dpmd'")[0][0] > 0


def test_a_mapping_that_is_wrong_says_where(stage):
    stage.world.rewrite(os.path.join(stage.folder, "requests.sql"), "applicant_name,", "applicant_nama,")
    assert "requests.sql, line 5" in stage.rehearse(code=78)
    stage.forget_changes()
    with open(os.path.join(stage.folder, "requests.sql"), "w", encoding="utf-8") as file:
        file.write("SELECT 1 / 0 FROM batch_requests;\n")  # found when it is planned, after the database was emptied
    assert "22012" in stage.rehearse(code=65)
    stage.forget_changes()
    assert stage.rehearse()["applied"] == 35, "what went wrong keeps no rehearsal away"
