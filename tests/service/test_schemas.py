# SPDX-License-Identifier: MIT
"""`kentongan schemas push | pull | diff | check` against registries: an honest one, and such as lie.

The real registry of the last tests is AxonOps Schema Registry, which tests/tools/axonops builds with Go.
"""
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.request

import pytest
from conftest import BINARIES, FULL, PROJECT
from hub.base import wait_until

SCHEMAS = os.path.join(PROJECT, "schemas")
with open(os.path.join(SCHEMAS, "catalog.json"), encoding="utf-8") as catalog_file:
    ENTRIES = json.load(catalog_file)["schemas"]
IDS = sorted(entry["id"] for entry in ENTRIES)
AXONOPS = os.path.join(PROJECT, "build", "axonops", "schema-registry")


def schemas(*arguments, folder=SCHEMAS):
    return subprocess.run([os.path.join(BINARIES, "kentongan"), "schemas", *arguments, "--schemas", folder],
                          capture_output=True, text=True, timeout=60, check=False)


class Registry:
    """Confluent's REST API in memory; subclasses lie."""

    def __init__(self):
        self.versions = {}  # (subject, version) -> (id, schema)
        self.modes = {}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def fill(self):
        for entry in ENTRIES:
            with open(os.path.join(SCHEMAS, entry["file"]), encoding="utf-8") as file:
                self.versions[entry["subject"], entry["version"]] = (entry["id"], file.read())

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def handler(registry):  # noqa: N805
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                status, found = registry.serve(self.command, self.path.partition("?")[0], body)
                data = found if isinstance(found, bytes) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = answer

            def log_message(self, *_):
                pass

        return Handler

    def serve(self, method, path, body):
        for pattern, wanted, serve in (
                (r"/subjects", "GET", self.subjects), (r"/subjects/([^/]+)/versions", "GET", self.numbers),
                (r"/subjects/([^/]+)/versions/(\d+)", "GET", self.version), (r"/schemas/ids/(\d+)", "GET", self.by_id),
                (r"/mode/([^/]+)", "PUT", self.mode), (r"/subjects/([^/]+)/versions", "POST", self.register)):
            match = re.fullmatch(pattern, path)
            if match and method == wanted:
                return serve(*match.groups(), *([body] if body is not None else []))
        return 404, {"error_code": 404}

    def subjects(self):
        return 200, sorted({subject for subject, _ in self.versions}) or None

    def numbers(self, subject):
        return 200, [version for name, version in self.versions if name == subject]

    def version(self, subject, version):
        found = self.versions.get((subject, int(version)))
        return (200, {"id": found[0], "schema": found[1]}) if found else (404, {"error_code": 40402})

    def by_id(self, number):
        found = [schema for own, schema in self.versions.values() if own == int(number)]
        return (200, {"schema": found[0]}) if found else (404, {"error_code": 40403})

    def mode(self, subject, body):
        self.modes[subject] = body["mode"]
        return 200, body

    def register(self, subject, body):
        assert self.modes[subject] == "IMPORT"
        self.versions[subject, body["version"]] = (body["id"], body["schema"])
        return 200, {"id": body["id"]}


class IgnoresIds(Registry):
    """As Apicurio: 200 to IMPORT, and numbers of its own."""

    def register(self, subject, body):
        self.versions[subject, 1] = (len(self.versions) + 41, body["schema"])
        return 200, {"id": body["id"]}


class Forgets(Registry):
    def register(self, subject, body):
        return 200, {"id": body["id"]}


class Rewrites(Registry):
    """Keeps the id and another schema."""

    def register(self, subject, body):
        return super().register(subject, {**body, "schema": '"string"'})


class NoImport(Registry):
    def mode(self, subject, body):
        return 422, {"error_code": 42205}


class StaysOpen(Registry):
    """Takes the ids, and refuses the way back."""

    def mode(self, subject, body):
        return super().mode(subject, body) if body["mode"] == "IMPORT" else (403, {"error_code": 403})


class Protobuf(Registry):
    said = {"schemaType": "PROTOBUF"}

    def version(self, subject, version):
        status, found = super().version(subject, version)
        return status, {**found, **(self.said if status == 200 else {})}


class Refers(Protobuf):
    said = {"references": [{"name": "a", "subject": "a", "version": 1}]}


class Broken(Registry):
    def serve(self, method, path, body):
        return 500, b"<html>"


class Endless(Registry):
    def serve(self, method, path, body):
        return 200, b"[" + b'"a",' * 2_000_000 + b'"a"]'


class Deep(Registry):
    def serve(self, method, path, body):
        return 200, b"[" * 100_000


SUBJECT = "desa.requests-value"
LIST, NUMBERS, VERSION = "/subjects", f"/subjects/{SUBJECT}/versions", f"/subjects/{SUBJECT}/versions/1"
WHOLE = {"id": 1, "schema": '"string"'}
NO_REGISTRY = {"a page": b"<html>Log in</html>", "an object": {}, "a text": "", "nothing": b"", "brackets": b"[" * 100_000,
               "two answers": b"[] []", "an error": {"error_code": 1}, "a member twice": b'{"id": 1, "id": 1}'}
# name: (what lies, its answer, what was expected)
LIES = {**{f"{name} for the list": (LIST, answer, "a list of subjects") for name, answer in NO_REGISTRY.items()},
        **{f"{name} for the numbers": (NUMBERS, answer, "a list of version numbers") for name, answer in NO_REGISTRY.items()},
        **{f"{name} for the version": (VERSION, answer, "a version with its id and schema") for name, answer in NO_REGISTRY.items()},
        "numbers for subjects": (LIST, [1, 2, 3], "a list of subjects"),
        "null and objects for subjects": (LIST, [SUBJECT, None, {}], "a list of subjects"),
        "null for the numbers": (NUMBERS, None, "a list of version numbers"), "no numbers": (NUMBERS, [], "a list of version numbers"),
        "numbers in an object": (NUMBERS, {"versions": [1]}, "a list of version numbers"),
        **{f"number {number}": (NUMBERS, [number], "a list of version numbers") for number in ("1", 0, -1, 2**40, 1.5, True, None)},
        **{f"id {number}": (VERSION, {**WHOLE, "id": number}, "a version with its id and schema") for number in ("1", 0, -1, 2**32 + 1, 1.0, None)},
        "no schema": (VERSION, {"id": 1}, "a version with its id and schema"),
        "another subject": (VERSION, {**WHOLE, "subject": "evil"}, "a version with its id and schema"),
        "another version": (VERSION, {**WHOLE, "version": 99}, "a version with its id and schema"),
        "no Avro": (VERSION, {**WHOLE, "schemaType": "JSON"}, "no Avro schema of its own"),
        "an id of two": (VERSION, {**WHOLE, "id": 2}, "both have id 2 there")}


@pytest.fixture
def registry(request):
    found = getattr(request, "param", Registry)()
    yield found
    found.close()


def test_what_is_pushed_has_the_catalogs_ids_and_is_there_again(registry):
    done = schemas("push", registry.url)
    assert done.returncode == 0 and done.stdout.count("registered") == len(IDS), done.stderr
    assert {number for number, _ in registry.versions.values()} == set(IDS)
    assert set(registry.modes.values()) == {"READWRITE"}
    assert schemas("push", registry.url).stdout.count("was there") == len(IDS)
    assert schemas("diff", registry.url).returncode == 0
    assert schemas("check", "--against", registry.url).returncode == 0


def test_pull_makes_a_folder_that_is_the_same(registry, tmp_path):
    schemas("push", registry.url)
    folder = str(tmp_path / "pulled")
    facts = json.loads(schemas("pull", registry.url, folder, "--json").stdout)
    assert sorted(fact["id"] for fact in facts) == IDS
    assert schemas("diff", folder).returncode == 0
    assert schemas("check", "--against", folder).returncode == 0
    assert "applicant_nik" in schemas("show", "Request", folder=folder).stdout


@pytest.mark.parametrize("registry, words", [
    (IgnoresIds, "has id 41 there and 1 in the catalog"), (Forgets, "does not have it"), (Rewrites, "is another schema there"),
    (NoImport, "refuses mode IMPORT"), (StaysOpen, "stays in mode IMPORT there"), (Protobuf, "is no Avro schema of its own"), (Refers, "is no Avro schema of its own"), (Endless, "longer than"), (Deep, "the answer is not a version with its id and schema")], indirect=["registry"])
def test_push_refuses_a_registry_that_does_something_else(registry, words):
    done = schemas("push", registry.url)
    assert done.returncode == 65 and re.search(words, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert isinstance(registry, StaysOpen) or "IMPORT" not in registry.modes.values()


@pytest.mark.parametrize("lie", list(LIES))
def test_what_is_no_registry_is_told_by_every_command(registry, lie, tmp_path):
    path, answer, expected = LIES[lie]
    registry.fill()
    honest = registry.serve
    registry.serve = lambda method, asked, body: (200, answer) if asked == path else honest(method, asked, body)
    folder = tmp_path / "pulled"
    for command in (["check", "--against", registry.url], ["diff", registry.url], ["pull", registry.url, str(folder)]):
        done = schemas(*command)
        assert done.returncode == 65 and expected in done.stderr and done.stderr.count("\n") == 1, (command, done)
        assert registry.url + path in done.stderr or "the answer is not" not in done.stderr, command
        assert "every version" not in done.stdout
    assert not folder.exists()


@pytest.mark.parametrize("registry", [Broken], indirect=True)
def test_a_broken_registry_is_tried_again(registry):
    assert schemas("push", registry.url).returncode == 75
    assert schemas("diff", registry.url).returncode == 75


def test_an_id_that_is_taken_is_refused_before_anything_is_written(registry):
    registry.versions["others", 1] = (1, '"string"')
    done = schemas("push", registry.url)
    assert done.returncode == 65 and "id 1 names another schema there" in done.stderr
    assert list(registry.versions) == [("others", 1)] and not registry.modes


def test_two_of_one_name_are_pulled_into_two_files(registry, tmp_path):
    registry.fill()
    other = json.dumps({"type": "record", "name": "other.Request", "fields": [{"name": "a", "type": "long"}]})
    registry.versions["desa.others", 1] = (70, other)
    registry.versions["desa.keys-key", 1] = (71, '"string"')
    registry.versions["desa.more-key", 1] = (72, '"long"')
    registry.versions["theirs.Request", 1] = (1, other)
    registry.versions["desa.shapes", 1] = (79, '"bytes"')
    registry.versions["desa.shapes", 2] = (80, "no schema")
    folder = tmp_path / "pulled"
    folder.mkdir()
    done = schemas("pull", registry.url, str(folder))
    assert done.returncode == 0 and "2 subjects of others left alone" in done.stdout, done
    catalog = json.loads((folder / "catalog.json").read_text())
    pulled = {entry["id"]: (folder / entry["file"]).read_text() for entry in catalog["schemas"]}
    assert pulled == {number: text for (subject, _), (number, text) in registry.versions.items() if subject not in ("theirs.Request", "desa.shapes")}
    assert schemas("diff", registry.url, folder=str(folder)).returncode == 0


def test_pull_writes_over_nothing(registry, tmp_path):
    registry.fill()
    shutil.copytree(SCHEMAS, tmp_path / "mine")
    before = {path: path.read_bytes() for path in (tmp_path / "mine").rglob("*") if path.is_file()}
    done = schemas("pull", registry.url, str(tmp_path / "mine"))
    assert done.returncode == 64 and "a new folder" in done.stderr, done
    assert before == {path: path.read_bytes() for path in (tmp_path / "mine").rglob("*") if path.is_file()}


def test_pull_of_nothing_is_no_catalog(registry, tmp_path):
    for others in ({}, {("others", 1): (1, '"string"')}):
        registry.versions = others
        done = schemas("pull", registry.url, str(tmp_path / "pulled"))
        assert done.returncode == 65 and "none of our subjects is there" in done.stderr, done
        assert not (tmp_path / "pulled").exists()
        assert "none of our subjects is there yet" in schemas("check", "--against", registry.url).stdout


def test_what_others_keep_there_is_not_looked_at(registry):
    registry.fill()
    honest = registry.serve
    registry.versions.update({(f"others{number}", 1): (100 + number, '"string"') for number in range(1500)})

    def serve(method, path, body):
        assert not path.startswith("/subjects/others")
        return honest(method, path, body)

    registry.serve = serve
    for command in (["check", "--against", registry.url], ["diff", registry.url]):
        assert schemas(*command).returncode == 0


def test_an_address_may_end_in_slashes_and_must_be_one(registry):
    assert schemas("push", registry.url + "//").returncode == 0
    assert schemas("diff", registry.url.replace("http", "HTTP") + "/").returncode == 0
    for command in (["push", "schemas"], ["push", "ftp://a"], ["diff", "ftp://a"], ["check", "--against", "ftp://a"], ["push", ""],
                    ["push", registry.url + "/?a=b"], ["pull", "localhost:8081", "nowhere"]):
        done = schemas(*command)
        assert done.returncode == 64 and "address" in done.stderr and done.stderr.count("\n") == 1, done


def test_json_is_json_whatever_a_subject_is_called(registry, tmp_path):
    folder = tmp_path / "odd"
    shutil.copytree(SCHEMAS, folder)
    in_catalog(lambda facts: facts["schemas"].append({"id": 77, "subject": 'a"\nb', "version": 1, "file": "avro/Odd.avsc"}))(folder)
    (folder / "avro" / "Odd.avsc").write_text('"string"')
    shown = [["show"], ["diff", registry.url], ["push", registry.url], ["diff", SCHEMAS]]
    for command in shown:
        facts = json.loads(schemas(*command, "--json", folder=str(folder)).stdout)
        assert any(fact["subject"] == 'a"\nb' for fact in facts), command


def test_passwords_stand_in_no_address():
    done = schemas("push", "http://admin:rahasia@127.0.0.1:1")
    assert done.returncode == 64 and "netrc" in done.stderr and "rahasia" not in done.stderr


def test_check_finds_what_another_place_has_and_the_catalog_broke(registry, tmp_path):
    schemas("push", registry.url)
    folder = str(tmp_path / "changed")
    shutil.copytree(SCHEMAS, folder)
    path = os.path.join(folder, "avro", "Payment.avsc")
    with open(path, encoding="utf-8") as file:
        payment = json.load(file)
    amount = next(field for field in payment["fields"] if field["name"] == "amount")
    amount["type"]["scale"] = 4
    with open(path, "w", encoding="utf-8") as file:
        json.dump(payment, file)
    done = schemas("check", "--against", registry.url, folder=folder)
    assert done.returncode == 65
    assert re.search(r"amount: our version 1 takes it for bytes decimal\(18,4\) and their version 1 wrote bytes decimal\(18,2\)", done.stdout)
    assert "an id never changes its meaning" in done.stdout
    assert schemas("check", "--against", SCHEMAS, folder=folder).returncode == 65
    differences = json.loads(schemas("diff", registry.url, "--json", folder=folder).stdout)
    assert [(found["is"], found["id"]) for found in differences] == [("differs", 3)]


def test_check_sees_every_pair_of_versions(tmp_path):
    folder = str(tmp_path / "three")
    shutil.copytree(SCHEMAS, folder)
    with open(os.path.join(folder, "avro", "Approval.avsc"), encoding="utf-8") as file:
        approval = json.load(file)
    extra = {"name": "room", "doc": "Room", "doc_id": "Ruang", "pii": "none", "type": ["null", "string"], "default": None}
    other = {**extra, "type": ["null", "long"]}
    with open(os.path.join(folder, "catalog.json"), encoding="utf-8") as file:
        catalog = json.load(file)
    for number, fields in ((2, [extra]), (3, []), (4, [other])):
        name = f"avro/Approval-{number}.avsc"
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump({**approval, "fields": approval["fields"] + fields}, file)
        catalog["schemas"].append({"id": 10 + number, "subject": "desa.approvals-value", "version": number, "file": name})
    with open(os.path.join(folder, "catalog.json"), "w", encoding="utf-8") as file:
        json.dump(catalog, file)
    done = schemas("check", folder=folder)
    assert done.returncode == 65 and done.stdout.count("\n") == 1
    assert "room: " in done.stdout and "version 4" in done.stdout and "version 2" in done.stdout


def test_the_monitor_is_a_registry_to_read_and_not_to_write(world):
    monitor = world.monitor()
    assert schemas("diff", monitor.url, folder=world.schemas).returncode == 0
    assert schemas("check", "--against", monitor.url, folder=world.schemas).returncode == 0
    assert schemas("push", monitor.url, folder=world.schemas).stdout.count("was there") == len(IDS)
    world.change_catalog(lambda catalog: catalog["schemas"][3].update(id=9, version=2))
    done = schemas("push", monitor.url, folder=world.schemas)
    assert done.returncode == 65 and "refuses mode" in done.stderr


@pytest.fixture
def axonops(tmp_path):
    if not os.path.exists(AXONOPS) and FULL:
        subprocess.run([os.path.join(PROJECT, "tests", "tools", "axonops")], check=False)
    if not os.path.exists(AXONOPS):
        pytest.skip("AxonOps Schema Registry is not built: tests/tools/axonops builds it where Go 1.24 and its proxy are")
    conf = tmp_path / "registry.yaml"
    import socket
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    conf.write_text(f"server: {{host: 127.0.0.1, port: {port}}}\nstorage: {{type: memory}}\nlogging: {{level: error}}\n")
    with open(tmp_path / "registry.log", "wb") as log:
        process = subprocess.Popen([AXONOPS, "-config", str(conf)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(url + "/subjects", timeout=5).status == 200
        except OSError:
            return False

    try:
        wait_until(answers, 20, "AxonOps answers", lambda: process.poll() is None)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def test_a_real_registry_keeps_the_ids(axonops, tmp_path):
    done = schemas("push", axonops)
    assert done.returncode == 0 and done.stdout.count("registered") == len(IDS), done.stderr
    assert schemas("push", axonops).stdout.count("was there") == len(IDS)
    assert schemas("diff", axonops).returncode == 0
    assert schemas("pull", axonops, str(tmp_path / "pulled")).returncode == 0
    assert schemas("diff", str(tmp_path / "pulled")).returncode == 0


def verdict_of(url, subject, schema):
    """What the registry says of a new version under FULL_TRANSITIVE."""
    body = json.dumps({"schema": json.dumps(schema)}).encode()
    kind = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    asked = urllib.request.Request(f"{url}/compatibility/subjects/{subject}/versions", body, kind)
    return json.load(urllib.request.urlopen(asked, timeout=10))["is_compatible"]


def test_a_real_registry_lets_through_what_our_check_refuses(axonops, tmp_path):
    """The reason for a check of our own; and that the two agree where Avro's rules speak."""
    def record(kind, *more):
        return {"type": "record", "name": "R", "fields": [{"name": "f", "type": kind}, *more]}

    scale = [{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": number} for number in (4, 2)]
    units = [{"type": "long", "logicalType": name} for name in ("timestamp-micros", "timestamp-millis")]
    new = {"name": "g", "type": "long"}
    cases = {"scale": (record(scale[0]), record(scale[1]), True, False), "unit": (record(units[0]), record(units[1]), True, False),
             "type": (record("long"), record("string"), False, False), "added": (record("long"), record("long", new), False, False),
             "default": (record("long"), record("long", {**new, "default": 0}), True, True), "same": (record("long"), record("long"), True, True)}
    for name, (older, newer, theirs, ours) in cases.items():
        kind = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        level = json.dumps({"compatibility": "FULL_TRANSITIVE"}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{axonops}/config/{name}", level, kind, method="PUT"), timeout=10)
        body = json.dumps({"schema": json.dumps(older)}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{axonops}/subjects/{name}/versions", body, kind), timeout=10)
        for file, schema in (("older", older), ("newer", newer)):
            (tmp_path / file).write_text(json.dumps(schema))
        done = schemas("check", str(tmp_path / "newer"), "--against", str(tmp_path / "older"))
        assert (verdict_of(axonops, name, newer), done.returncode == 0) == (theirs, ours), name


# What a catalog of ours may not say: (what is changed, words of the refusal)

def in_catalog(change):
    def edit(folder):
        path = folder / "catalog.json"
        facts = json.loads(path.read_text())
        change(facts)
        path.write_text(json.dumps(facts))
    return edit


def in_request(change):
    def edit(folder):
        path = folder / "avro" / "Request.avsc"
        record = json.loads(path.read_text())
        change(record["fields"])
        path.write_text(json.dumps(record))
    return edit


def another_field(name, kind="long", **more):
    return in_request(lambda fields: fields.append({"name": name, "type": kind, **more}))


MISTAKES = {
    "a version twice": (in_catalog(lambda facts: facts["schemas"].append({**facts["schemas"][0], "id": 99})), "version 1 stands twice"),
    "a topic twice": (in_catalog(lambda facts: facts["topics"].append(facts["topics"][0])), "desa.requests stands twice"),
    "a channel named as a topic": (in_catalog(lambda facts: facts["channels"].append({"name": "requests", "cleanup": "delete"})), "desa.requests stands twice"),
    "another record's name": (in_catalog(lambda facts: facts["topics"][0].update(record="Banana")), "topic requests has the record Banana"),
    "no name for Kafka": (in_catalog(lambda facts: facts["channels"].append({"name": "a b", "cleanup": "delete"})), "Kafka takes letters"),
    "no seq": (in_request(lambda fields: fields.remove(next(field for field in fields if field["name"] == "seq"))), "seq: is of the common head"),
    "a seq of text": (in_request(lambda fields: next(field for field in fields if field["name"] == "seq").update(type="string")), "seq: is of the common head"),
    "two fields of one column": (another_field("applicant_nik"), "applicant/nik and applicant_nik are both the column applicant_nik"),
    "a column of the place": (another_field("kafka_offset"), "kafka_offset: its column's name is kept"),
    "a name too long for PostgreSQL": (another_field("x" * 64), "63 bytes"),
    "a form that is none": (another_field("t", "string", format="nonesuch"), "t: has a format that is not known"),
    "limits that leave nothing": (another_field("t", "string", minLength=10, maxLength=5), "minLength above maxLength"),
    "an order that is none": (another_field("t", order="sideways"), "t: has an order that is none of"),
    "a minimum that is no number": (another_field("t", minimum="abc"), "a minimum that is none of"),
    "a map that no department reads": (another_field("t", {"type": "map", "values": "long"}, maxItems=3000), "above the 1000 that a map is read with"),
    "a minimum of a real": (another_field("t", "double", minimum="5"), "a minimum that is none of"),
    "required and null": (another_field("t", ["null", "string"], required_of_sender=True, default=None), "may be null"),
    "deeper than a body": (another_field("t", functools.reduce(lambda inner, _: {"type": "array", "items": inner}, range(16), "long")), "nested deeper than the 16"),
    "a default without its form": (another_field("t", "string", pattern="^[a-c]$", default="zzz"), "t: has a default that its own pattern"),
    "a default that is no uuid": (another_field("t", {"type": "string", "logicalType": "uuid"}, default="nope"), "text is no UUID"),
    "a default beyond its digits": (another_field("t", {"type": "bytes", "logicalType": "decimal", "precision": 2}, default="\u0001\u0001"), "too many digits"),
    "a default of an inner field": (another_field("t", {"type": "array", "items": {"type": "record", "name": "Inner", "fields": [
        {"name": "day", "type": {"type": "int", "logicalType": "date"}, "default": 2147483647}]}}, default=[]), "a date is out of range"),
    "a pattern of one dialect": (another_field("t", "string", pattern="^\\d+$"), "t: has a pattern that is not allowed"),
    "a decimal that its fixed cannot hold": (another_field("t", {"type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": 18, "scale": 2}),
                                             "more digits than its bytes can hold"),
}


@pytest.mark.parametrize("name", list(MISTAKES))
def test_a_mistake_in_the_catalog_is_told_where_it_was_made(tmp_path, name):
    change, words = MISTAKES[name]
    folder = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, folder)
    change(folder)
    done = schemas("check", folder=str(folder))
    assert done.returncode in (65, 78) and words in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
