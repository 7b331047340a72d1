# SPDX-License-Identifier: MIT
"""A village that is newer than the sink: the catalog is looked at again, a registry is asked, and nothing is misread."""
import http.server
import json
import threading

import pytest
from conftest import FULL, PROJECT, VILLAGES, post, request_body
from hub.base import wait_until
from test_sink import read_values, write

NEWER = 77  # the id of a Request with a field more


class Registry(http.server.ThreadingHTTPServer):
    """A schema registry in one of its moods."""

    def __init__(self, subject):
        self.mood, self.subject, self.asked = "html", subject, 0
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked += 1
        schema = newer_schema()
        if self.server.mood == "lying":
            schema["fields"].insert(0, {"name": "first", "type": "string", "default": ""})
            schema["fields"] = [dict(field, type="long") if field["name"] == "case_id" else field for field in schema["fields"]]
        subject = "another-value" if self.server.mood == "another subject" else self.server.subject
        body = [{"subject": subject, "version": 2}] if self.path.endswith("/versions") else {"schema": json.dumps(schema)}
        status, text = {
            "html": (200, "<html>Selamat datang</html>"), "sick": (500, "{}"), "portal": (404, "<html>Tidak ada</html>"),
            "unknown": (404, json.dumps({"error_code": 40403, "message": "Schema not found"})),
            "huge": (200, '{"schema": "' + "x" * 3000000 + '"}')}.get(self.server.mood, (200, json.dumps(body)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        try:
            self.wfile.write(text.encode())
        except OSError:
            pass  # the sink has heard enough


def newer_schema():
    with open(PROJECT + "/schemas/avro/Request.avsc", encoding="utf-8") as file:
        schema = json.load(file)
    schema["fields"].append({"name": "antrian", "type": ["null", "string"], "default": None, "doc": "x", "doc_id": "x",
                             "pii": "none", "maxLength": 20})
    return schema


@pytest.fixture
def newer(world):
    """Bytes of a Request as a newer gateway writes it."""
    gateway = world.gateway()
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    wait_until(lambda: read_values(world, "requests"), 20, "the event in Kafka")
    return b"\0\0\0\0" + bytes([NEWER]) + read_values(world, "requests")[0][5:] + b"\x02\x08A-17"


def numbered(value, seq):
    at = value.index(VILLAGES[0].encode()) + 13 + 37
    return value[:at] + bytes([2 * seq]) + value[at + 1:]


def test_a_registry_is_asked_and_never_believed_blindly(world, newer):
    world.expects("waiting: .*registry|dead letter class=unknown-schema")
    registry = Registry(world.topic("requests") + "-value")
    sink = world.sink("dpmd", registry=registry.url, retry_ms=50)
    counted = "SELECT coalesce(sum(diajukan), 0)::int FROM dpmd.layanan_harian"
    world.wait_rows("dpmd", counted, 1)
    write(world, "requests", numbered(newer, 2))
    for mood in ("html", "sick", "portal", "huge"):
        registry.mood, before = mood, registry.asked
        wait_until(lambda before=before: registry.asked > before + 2, 30, f"{mood}: it is asked again")
        wait_until(lambda: "registry" in sink.get("/readyz")[1], 30, f"{mood}: it says that it waits")
        assert world.dead_letters("dpmd") == [], mood
    registry.mood = "good"
    world.wait_rows("dpmd", counted, 2)
    assert world.accounts("dpmd") == (2, 0, 0, 0) and world.dead_letters("dpmd") == []
    registry.shutdown()


@pytest.mark.parametrize("mood", ["unknown", "lying", "another subject"] if FULL else ["lying"])
def test_what_a_registry_does_not_vouch_for_is_set_aside(world, newer, mood):
    world.expects("dead letter class=unknown-schema")
    registry = Registry(world.topic("requests") + "-value")
    registry.mood = mood
    world.sink("dpmd", registry=registry.url)
    write(world, "requests", numbered(newer, 2))
    wait_until(lambda: world.dead_letters("dpmd"), 30, "a dead letter")
    assert post(world.started[0], "/v1/requests", request_body(case_id="sesudah"))[0] == 201
    world.wait_rows("dpmd", "SELECT coalesce(sum(diajukan), 0)::int FROM dpmd.layanan_harian", 2)
    assert len(world.dead_letters("dpmd")) == 1 and world.accounts("dpmd") == (2, 0, 0, 0)
    registry.shutdown()


def test_the_catalog_on_disk_is_looked_at_again(world, newer):
    sink = world.sink("dpmd")
    counted = "SELECT coalesce(sum(diajukan), 0)::int FROM dpmd.layanan_harian"
    world.wait_rows("dpmd", counted, 1)
    world.add_schema(NEWER, "requests", "avro/Request.2.avsc", newer_schema())
    write(world, "requests", numbered(newer, 2))
    world.wait_rows("dpmd", counted, 2)
    assert world.dead_letters("dpmd") == [] and sink.get("/readyz")[0] == 200
