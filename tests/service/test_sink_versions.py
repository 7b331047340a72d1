# SPDX-License-Identifier: MIT
"""Schemas over time: villages of three releases write at once, and departments older and newer than they read them."""
import copy
import http.server
import json
import os
import shutil
import threading

import pytest
from conftest import PROJECT, VILLAGES, post, request_body

ROUNDS = 20
BIG = 3000000000  # no int


def versions_of(schema):
    """What a Request is in three releases: a field and a symbol more, then a wider number."""
    second = copy.deepcopy(schema)
    action = next(field for field in second["fields"] if field["name"] == "action")
    action["type"]["symbols"].insert(0, "REPEATED")  # each symbol after it has another number from now on
    second["fields"].insert(11, field("antrian", ["null", "string"], None, maxLength=20))
    second["fields"].append(field("lama", "int", 0))
    third = copy.deepcopy(second)
    third["fields"][-1]["type"] = "long"
    return {1: schema, 77: second, 78: third}


def field(name, kind, default, **more):
    return {"name": name, "type": kind, "default": default, "doc": name, "doc_id": name, "pii": "none", **more}


class Registry(http.server.ThreadingHTTPServer):
    """An honest one, that knows all three."""

    def __init__(self, subject, versions):
        self.subject, self.versions = subject, versions
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        number = int(self.path.split("/")[3])
        version = list(self.server.versions).index(number) + 1
        body = [{"subject": self.server.subject, "version": version}] if self.path.endswith("/versions") else \
            {"schema": json.dumps(self.server.versions[number])}
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def releases(world):
    """(folders of schemas as release 1, 2, 3 brings them, a registry)"""
    with open(os.path.join(PROJECT, "schemas", "avro", "Request.avsc"), encoding="utf-8") as file:
        versions = versions_of(json.load(file))
    subject = world.topic("requests") + "-value"
    first, folders = world.schemas, []
    for release in (1, 2, 3):
        world.schemas = os.path.join(world.folder, f"release-{release}")
        shutil.copytree(first, world.schemas)
        for number, (schema_id, schema) in list(enumerate(versions.items(), 1))[1:release]:
            name = f"avro/Request.{number}.avsc"
            with open(os.path.join(world.schemas, name), "w", encoding="utf-8") as file:
                json.dump(schema, file)
            world.change_catalog(lambda catalog, entry={"id": schema_id, "subject": subject, "version": number, "file": name}:
                                 catalog["schemas"].append(entry))
        folders.append(world.schemas)
    registry = Registry(subject, versions)
    yield folders, registry
    registry.shutdown()
    registry.server_close()


def start_villages(world, folders):
    gateways = []
    for village, world.schemas in zip(VILLAGES[:3], folders, strict=True):
        gateways.append(world.gateway(village=village))
    return gateways


BODIES = ({}, {"action": "REPEATED", "antrian": "A-7", "lama": 7}, {"action": "REPEATED", "lama": BIG})


def post_from_each(gateways, name):
    for number in range(ROUNDS):
        for gateway, body in zip(gateways, BODIES, strict=True):
            status, answer = post(gateway, "/v1/requests", request_body(case_id=f"{name}-{number}", **body))
            assert status == 201, answer


def test_three_releases_write_and_departments_older_and_newer_read(world, releases):
    folders, registry = releases
    world.expects("waiting: the schema registry does not answer")  # within two seconds, on a busy machine
    gateways = start_villages(world, folders)
    post_from_each(gateways, "sebelum")
    world.write_department("arsip", {"requests": "action, antrian, lama"},
                           "CREATE TABLE IF NOT EXISTS catatan (desa text, peristiwa text, antrian text, lama bigint);",
                           {"requests": "INSERT INTO catatan SELECT village_code, action, antrian, lama FROM batch_requests;"})
    world.sink("arsip")  # the newest: begins with the oldest records
    world.schemas = folders[0]
    world.sink("dpmd", registry=registry.url)  # the oldest: knows of the later releases by the registry alone
    post_from_each(gateways, "sesudah")
    total = 2 * ROUNDS
    world.wait_rows("arsip", "SELECT count(*) FROM arsip.catatan", 3 * total)
    assert world.sql("arsip", "SELECT desa, peristiwa, antrian, lama, count(*)::int FROM arsip.catatan GROUP BY 1, 2, 3, 4 ORDER BY lama") == [
        (VILLAGES[0], "SUBMITTED", None, 0, total),
        (VILLAGES[1], "REPEATED", "A-7", 7, total),
        (VILLAGES[2], "REPEATED", None, BIG, total)]
    world.wait_rows("dpmd", "SELECT coalesce(sum(applied), 0)::int FROM kentongan.stream_position", 3 * total)
    counted = world.sql("dpmd", "SELECT desa, sum(diajukan)::int, sum(ditarik)::int FROM dpmd.layanan_harian GROUP BY 1")
    assert set(counted) == {(VILLAGES[0], total, 0), (VILLAGES[1], 0, 0), (VILLAGES[2], 0, 0)}, "a symbol that it does not know is UNKNOWN, never a neighbour"
    for name in ("arsip", "dpmd"):
        assert world.dead_letters(name) == [] and world.accounts(name) == (3 * total, 0, 0, 0)
