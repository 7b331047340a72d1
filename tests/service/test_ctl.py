# SPDX-License-Identifier: MIT
"""The command `kentongan`, as a person types it."""
import json
import os
import subprocess

import pytest
from conftest import BINARIES, PROJECT


def kentongan(*arguments):
    return subprocess.run([os.path.join(BINARIES, "kentongan"), *arguments], cwd=PROJECT, capture_output=True, text=True,
                          timeout=30, check=False)


def test_villages_are_found_by_any_spelling(lonely):
    assert kentongan("villages", "find", "padomasan").stdout == "35.09.01.2001  desa Padomasan, kecamatan Jombang\n"
    both = json.loads(kentongan("villages", "find", "Sidomulyo", "--json").stdout)
    assert len(both) == 2 and {row["kind"] for row in both} == {"desa"}
    assert len(json.loads(kentongan("villages", "find", "Ajung", "--json").stdout)) == 2
    done = kentongan("villages", "find", "Atlantis")
    assert done.returncode == 65 and "no village" in done.stderr


def test_schemas_are_shown(lonely):
    assert "desa.requests-value" in kentongan("schemas", "show").stdout
    assert "applicant_nik" in kentongan("schemas", "show", "Request").stdout
    assert json.loads(kentongan("schemas", "show", "Payment", "--json").stdout)["name"] == "Payment"
    assert kentongan("schemas", "show", "Nobody").returncode == 65


def test_a_department_is_checked_before_it_runs(world):
    folder = world.department("dinsos")
    database = world.conninfo("dinsos")
    done = kentongan("department", "check", folder, "--schemas", world.schemas, "--database", database)
    assert done.returncode == 0 and "applicant_nik (nik)" in done.stdout, done.stderr
    dpmd = world.department("dpmd")
    facts = json.loads(kentongan("department", "check", dpmd, "--schemas", world.schemas, "--json", "--database",
                                 world.conninfo("dpmd")).stdout)
    assert all(set(columns) <= {"actor_name"} for columns in facts.values())
    world.rewrite(folder + "/requests.sql", "applicant_name,", "applicant_nama,")
    done = kentongan("department", "check", folder, "--schemas", world.schemas, "--database", database)
    assert done.returncode == 78 and "requests.sql, line 5" in done.stderr and "42703" in done.stderr
    world.rewrite(folder + "/requests.sql", "applicant_nama,", "applicant_name,")
    world.rewrite(folder + "/department.conf", "applicant_nik", "applicant_nick")
    done = kentongan("department", "check", folder, "--schemas", world.schemas, "--database", database)
    assert done.returncode == 78 and "applicant_nick is granted but is no field" in done.stderr


def test_init_again_changes_nothing(world):
    folder = world.department("bapenda")
    before = world.sql("bapenda", "SELECT count(*) FROM pg_class")
    done = kentongan("department", "init", folder, "--schemas", world.schemas, "--database", world.conninfo("bapenda"))
    assert done.returncode == 0 and world.sql("bapenda", "SELECT count(*) FROM pg_class") == before


def test_topics_have_the_settings_that_keep_what_was_confirmed(world):
    from confluent_kafka.admin import ConfigResource
    resource = ConfigResource("TOPIC", world.topic("payments"))
    settings = list(world.admin.describe_configs([resource]).values())[0].result()
    wanted = {"flush.messages": "1", "message.timestamp.type": "LogAppendTime", "retention.ms": "7776000000",
              "max.message.bytes": "1048576", "cleanup.policy": "delete"}
    assert {name: settings[name].value for name in wanted} == wanted
    topic = world.admin.list_topics(timeout=10).topics[world.topic("payments")]
    assert len(topic.partitions) == 12
    again = kentongan("topics", "create", "--brokers", world.brokers, "--schemas", world.schemas)
    assert again.returncode == 0 and again.stdout.count("was there") == 5
    status = world.admin.describe_configs([ConfigResource("TOPIC", world.topic("status"))])
    assert list(status.values())[0].result()["cleanup.policy"].value == "compact"


@pytest.mark.parametrize("arguments, status, words", [
    ([], 64, "a command is missing"),
    (["dance"], 64, "no such command"),
    (["topics", "create"], 64, "--brokers"),
    (["villages", "find"], 64, "the name of a village"),
    (["villages", "find", "x", "--villages", "/nowhere"], 78, "/nowhere"),
    (["villages", "find", "x", "--datbase", "y"], 64, "did you mean database?"),
    (["account", "--brokers", "127.0.0.1:1", "--limit", "3"], 64, "--limit: account does not take it"),
    (["account", "--brokers", "127.0.0.1:1", "--village", "Gumukmas"], 64, "a code such as 35.09.01.2001"),
    (["department", "try", "x", "--topic", "desa.requests"], 64, "--topic: this command does not take it"),
    (["dead-letters", "list", "--village", "35.09.01.2001"], 64, "--village: dead-letters list does not take it"),
    (["replay", "--service", "ktp", "--service", "sktm"], 64, "--service: replay takes it once"),
    (["resend", "desa.payments", "1", "2", "lain", "--village", "35.09.01.2001", "--brokers", "127.0.0.1:1"], 64, "INCARNATION is a UUID"),
    (["resend", "desa.payments", "1", "2", "--village", "xx", "--brokers", "127.0.0.1:1"], 64, "a code such as 35.09.01.2001"),
    (["topics", "create", "--brokers", "127.0.0.1:1"], 69, "no broker answers"),
    (["department", "init", "deploy/departments/dinsos"], 64, "--database"),
    (["department", "check", "deploy/departments/dinsos", "--database", "postgresql://x@127.0.0.1:1/x"], 75, "does not answer"),
])
def test_wrong_use_is_one_sentence_and_a_status(lonely, arguments, status, words):
    done = kentongan(*arguments)
    status = 69 if words == "does not answer" else status
    assert done.returncode == status, done.stderr
    assert words in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_help_and_version_say_what_there_is(lonely):
    for arguments in (["--help"], ["topics", "--help"], ["topics", "create", "--help"]):
        assert "kentongan topics create" in kentongan(*arguments).stdout
    assert kentongan("version").stdout == "kentongan 0.1.0\n"
    assert json.loads(kentongan("version", "--json").stdout) == {"version": "0.1.0"}
    for name in ("gateway", "sink", "monitor"):
        done = subprocess.run([os.path.join(BINARIES, "kentongan-" + name), "--help"], capture_output=True, text=True, check=True)
        assert "Settings" in done.stdout and "brokers" in done.stdout
