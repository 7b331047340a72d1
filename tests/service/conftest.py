# SPDX-License-Identifier: MIT
"""Real programs, a real Kafka, a real PostgreSQL: once a session; a world of its own for each test.

A world has its own topics (a scratch catalog with another prefix), its own databases and its own
department names, so that tests cannot see each other. A warning or an error in a program's log that
the test did not announce with world.expects() fails the test.
"""
import functools
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import uuid

import psycopg2
import pytest

sys.dont_write_bytecode = True
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(PROJECT, "deploy", "lib"))

from doors import Authority, add_door, add_tls_door  # noqa: E402
from hub import programs  # noqa: E402
from hub.base import Trouble, free_port, wait_until  # noqa: E402
from hub.kafka import Kafka  # noqa: E402
from hub.postgres import Postgres  # noqa: E402

BINARIES = os.environ.get("KENTONGAN_BIN") or os.path.join(PROJECT, "build", "debug", "bin")
SHARED = os.path.join(PROJECT, "..", "shared")
FULL = os.environ.get("KENTONGAN_FULL") == "1"
RULES = {"authorizer_class_name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "allow_everyone_if_no_acl_found": "true"}
VILLAGES = ["35.09.01.2001", "35.09.19.1001", "35.09.12.2003", "35.09.30.2001"]


class Servers:
    def __init__(self, folder):
        self.folder = folder
        self.kafka = Kafka(folder)
        self.postgres = Postgres(folder)

    def start(self):
        self.kafka.prepare(**RULES)
        self.authority = Authority(os.path.join(self.folder, "authority"))
        self.tls_brokers = add_tls_door(self.kafka, self.authority)
        self.relayed_port, self.relay_port = free_port(), free_port()
        add_door(self.kafka, "RELAYED", "PLAINTEXT", self.relayed_port, self.relay_port)
        self.postgres.prepare(fsync="off")
        self.kafka.start()
        self.postgres.start()
        self.kafka.wait()
        self.postgres.wait()

    def stop(self):
        self.kafka.stop()
        self.postgres.stop()
        self.postgres.wipe()


@pytest.fixture(scope="session")
def servers():
    # Not below the session's private folder: PostgreSQL runs as a user of its own.
    folder = tempfile.mkdtemp(prefix="kentongan-tests-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    found = Servers(folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


class World:
    def __init__(self, servers, folder):
        self.servers = servers
        self.folder = str(folder)
        self.tag = "t" + uuid.uuid4().hex[:8]
        self.schemas = os.path.join(self.folder, "schemas")
        self.started = []
        self.announced = []
        self.copy_schemas()

    # Schemas and topics of our own

    def copy_schemas(self):
        shutil.copytree(os.path.join(PROJECT, "schemas"), self.schemas)
        self.change_catalog(self.rename)

    def rename(self, catalog):
        catalog["prefix"]["live"] = self.tag + "."
        for schema in catalog["schemas"]:
            schema["subject"] = re.sub(r"^desa\.", self.tag + ".", schema["subject"])

    def change_catalog(self, change):
        path = os.path.join(self.schemas, "catalog.json")
        with open(path, encoding="utf-8") as file:
            catalog = json.load(file)
        change(catalog)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(catalog, file)

    def add_schema(self, schema_id, topic, file, schema):
        """A second version of a topic's record, in the catalog on disk."""
        with open(os.path.join(self.schemas, file), "w", encoding="utf-8") as out:
            json.dump(schema, out)
        self.change_catalog(lambda catalog: catalog["schemas"].append(
            {"id": schema_id, "subject": self.topic(topic) + "-value", "version": 2, "file": file}))

    def topic(self, name):
        return f"{self.tag}.{name}"

    @property
    def brokers(self):
        return self.servers.kafka.brokers

    def make_topics(self):
        wait_until(self.try_topics, 60, "topics")
        wait_until(self.topics_are_known, 60, "every part of the broker knows the topics")

    def topics_are_known(self):
        """A topic that was made a moment ago may still be unknown to who asks next."""
        known = self.admin.list_topics(timeout=10).topics
        with open(os.path.join(self.schemas, "catalog.json"), encoding="utf-8") as file:
            catalog = json.load(file)
        own = [known.get(catalog["prefix"]["live"] + topic["name"]) for topic in catalog["topics"] + catalog["channels"]]
        return all(topic and not topic.error and len(topic.partitions) == catalog["modulus"]
                   and all(part.leader >= 0 for part in topic.partitions.values()) for topic in own)

    @functools.cached_property
    def admin(self):
        from confluent_kafka.admin import AdminClient
        return AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})

    def try_topics(self):
        try:
            programs.kentongan(BINARIES, "topics", "create", "--brokers", self.brokers, "--schemas", self.schemas)
            return True
        except Trouble as trouble:
            assert "exit 69" in str(trouble), trouble
            return False

    # Programs

    def start(self, program, wait=True):
        program.start()
        self.started.append(program)
        if wait:
            program.wait()
        return program

    def gateway(self, village=VILLAGES[0], wait=True, **settings):
        settings.setdefault("brokers", self.brokers)
        brokers = settings.pop("brokers")
        return self.start(programs.gateway(
            self.folder, BINARIES, village, brokers, self.schemas, **settings), wait)

    def department(self, name):
        """A department's folder of our own, its database made and installed."""
        folder = os.path.join(self.folder, "departments", f"{name}_{self.tag}")
        if not os.path.exists(folder):
            shutil.copytree(os.path.join(PROJECT, "deploy", "departments", name), folder)
            self.rewrite(os.path.join(folder, "department.conf"), r"^name = .*$",
                         f"name = {name}_{self.tag}")
            self.rewrite(os.path.join(folder, "department.conf"), r"^database = .*$",
                         f"database = {name}_{self.tag}")
        self.install(name)
        return folder

    def write_department(self, name, granted, tables, mappings):
        """A department that is not among the shipped ones: granted and mappings by topic."""
        folder = os.path.join(self.folder, "departments", f"{name}_{self.tag}")
        os.makedirs(folder)
        conf = f"name = {name}_{self.tag}\ndatabase = {name}_{self.tag}\nschema = {name}\n"
        conf += "".join(f"fields.{topic} = {fields}\n" for topic, fields in granted.items())
        files = {"department.conf": conf, "tables.sql": tables, **{topic + ".sql": text for topic, text in mappings.items()}}
        for file, text in files.items():
            with open(os.path.join(folder, file), "w", encoding="utf-8") as out:
                out.write(text)

    def rewrite(self, path, pattern, text):
        with open(path, encoding="utf-8") as file:
            old = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(pattern, text, old, flags=re.M))

    def install(self, name):
        database = f"{name}_{self.tag}"
        folder = os.path.join(self.folder, "departments", database)
        self.servers.postgres.add_database(database)
        programs.kentongan(BINARIES, "department", "init", folder, "--schemas", self.schemas,
                           "--database", self.conninfo(name))

    def conninfo(self, name, role=None):
        database = f"{name}_{self.tag}"
        return self.servers.postgres.conninfo(database, role or database)

    def sink(self, name, wait=True, **settings):
        folder = self.department(name)
        database = settings.pop("database", None) or self.conninfo(name, f"sink_{name}_{self.tag}")
        schemas = settings.pop("schemas", self.schemas)
        brokers = settings.pop("brokers", self.brokers)
        settings.setdefault("retry_ms", 200)
        settings.setdefault("halt_retry_ms", 500)
        return self.start(programs.sink(
            self.folder, BINARIES, folder, database, brokers, schemas, **settings), wait)

    def monitor(self, departments=(), wait=True, **settings):
        self.expects("monitor - waiting: ")  # topics made a moment ago are not yet everywhere
        return self.start(programs.monitor(
            self.folder, BINARIES, self.brokers, self.schemas,
            [f"{name}_{self.tag}" for name in departments], **settings), wait)

    # Questions

    def sql(self, name, text, *arguments):
        """Rows of a department's database, as its owner."""
        connection = psycopg2.connect(self.conninfo(name))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(text, arguments or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def dead_letters(self, name):
        return self.sql(name, "SELECT class, sqlstate, constraint_name, reason FROM kentongan.dead_letter ORDER BY id")

    def accounts(self, name):
        """(applied, dead, missing, void) over all streams."""
        return self.sql(name, "SELECT coalesce(sum(applied), 0)::int, coalesce(sum(dead), 0)::int, "
                              "coalesce(sum(missing), 0)::int, coalesce(sum(void), 0)::int FROM kentongan.stream_position")[0]

    def wait_rows(self, name, query, wanted, seconds=60):
        wait_until(lambda: self.sql(name, query)[0][0] >= wanted, seconds, f"{wanted} by {query}")
        return self.sql(name, query)[0][0]

    # Faults that the test means to make

    def expects(self, pattern):
        self.announced.append(re.compile(pattern))

    def unannounced(self):
        found = []
        for program in self.started:
            with open(program.process.log, encoding="utf-8", errors="replace") as log:
                for line in log:
                    loud = re.search(r" (warn|error) |Sanitizer|runtime error|Assertion", line)
                    if loud and not any(pattern.search(line) for pattern in self.announced):
                        found.append(f"{program.name}: {line.strip()}")
        return found

    def logs(self):
        return "".join(open(program.process.log, encoding="utf-8", errors="replace").read()
                       for program in self.started)

    def stop(self):
        for program in reversed(self.started):
            if program.process.is_running():
                program.stop()


@pytest.fixture
def world(servers, tmp_path):
    found = World(servers, tmp_path)
    found.make_topics()
    yield found
    found.stop()
    assert found.unannounced() == []


@pytest.fixture
def lonely(servers, tmp_path):
    """A world without topics or broker, for what needs neither."""
    found = World(servers, tmp_path)
    yield found
    found.stop()
    assert found.unannounced() == []


def request_body(**changes):
    body = {"case_id": "SKTM-1", "service": "surat-keterangan-kurang-mampu", "action": "SUBMITTED",
            "actor": {"role": "OPERATOR"},
            "applicant": {"nik": "9909010101900001", "name": "Siti Rahayu"}}
    body.update(changes)
    return {name: value for name, value in body.items() if value is not None}


def payment_body(**changes):
    body = {"case_id": "BLT-1", "service": "blt-dd", "action": "DISBURSED", "kind": "blt-dd",
            "amount": "300000.00", "actor": {"role": "TREASURER"},
            "payer": {"nik": "9909010101900002", "name": "Budi"}}
    body.update(changes)
    return {name: value for name, value in body.items() if value is not None}


def post(program, path, body, **headers):
    """(status, parsed answer)"""
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    sent = {"Content-Type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
    status, answer = program.get(path, sent, "POST", text.encode() if isinstance(text, str) else text)
    try:
        return status, json.loads(answer)
    except ValueError:
        return status, answer


def speak(url, data, seconds=5):
    """Send bytes to a listener and give what comes back until it closes or falls silent."""
    host, port = url.split("//")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        try:
            while True:
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
        except (socket.timeout, ConnectionResetError):
            pass
        return answer
