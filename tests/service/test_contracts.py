# SPDX-License-Identifier: MIT
"""The generated documents: other people's validators, the examples posted, schemathesis at a gateway."""
import copy
import glob
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import BINARIES, FULL, PROJECT, post

jsonschema = pytest.importorskip("jsonschema", reason="tests/run install puts it into .venv")
validator = pytest.importorskip("openapi_spec_validator", reason="tests/run install puts it into .venv")
NOWHERE = "127.0.0.1:1"
NPM = os.path.join(PROJECT, "tests", "npm")
RECORDS = {"Request": "requests", "Approval": "approvals", "Payment": "payments"}


def document(*path):
    with open(os.path.join(PROJECT, *path), encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture
def gateway(lonely):
    lonely.expects("link down|waiting|made void")
    return lonely.gateway(brokers=NOWHERE)


def test_openapi_is_valid_and_a_broken_one_is_not():
    openapi = document("docs", "openapi.json")
    validator.validate(openapi)
    broken = copy.deepcopy(openapi)
    del broken["paths"]["/v1/requests"]["post"]["responses"]["201"]["description"]
    with pytest.raises(Exception):
        validator.validate(broken)


def run_node(script, *arguments, **how):
    if shutil.which("node") is None or not os.path.isdir(os.path.join(NPM, "node_modules")):
        pytest.skip("Node 20 with npm is not here; tests/run install then fetches what tests/npm pins")
    return subprocess.run(["node", os.path.join(NPM, script), *arguments], capture_output=True, text=True, timeout=120, check=False, **how)


def test_asyncapi_is_valid_down_to_its_avro(tmp_path):
    done = run_node("asyncapi.mjs", os.path.join(PROJECT, "docs", "asyncapi.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == ["desa.requests", "desa.approvals", "desa.payments", "desa.status", "desa.commands"]
    with open(os.path.join(PROJECT, "docs", "asyncapi.json"), encoding="utf-8") as file:
        text = file.read()
    (tmp_path / "broken.json").write_text(text.replace('"type": "long"', '"type": "lung"'), encoding="utf-8")
    assert run_node("asyncapi.mjs", str(tmp_path / "broken.json")).returncode == 1


def nasty_record():
    """What Avro allows and our own records do not use."""
    def field(name, kind, **more):
        return {"name": name, "type": kind, **more}

    pair = {"type": "record", "name": "Pair", "fields": [field("left", "string"), field("right", ["null", "long"])]}
    word = {"type": "enum", "name": "Word", "symbols": ["YES", "NO"]}
    return {"type": "record", "name": "Nasty", "namespace": "a.b", "fields": [
        field("pair", pair), field("again", ["null", "Pair"]), field("by_name", {"type": "map", "values": "a.b.Pair"}),
        field("word", word), field("words", {"type": "array", "items": "Word"}),
        field("form", "string", pattern="^(A|B)[0-9]{2,4}(x+|-)?\\.$"), field("raw", "bytes"),
        field("three", {"type": "fixed", "name": "Three", "size": 3}), field("single", "float"),
        field("least", {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}, minimum="1.50"),
        field("part", {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 4}),
        field("either", [{"type": "record", "name": "One", "fields": [field("a", "long")]},
                         {"type": "record", "name": "Two", "fields": [field("b", "string")]}])]}


def framed(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def test_examples_of_a_nasty_record_fit_both_its_schema_and_the_gateway():
    sys.path.insert(0, os.path.join(PROJECT, "docs"))
    import contracts  # noqa: PLC0415
    record = nasty_record()
    schema = contracts.json_schema(contracts.spelt_out(record, {}))
    checker = jsonschema.Draft202012Validator(schema)
    bodies = [*schema["examples"], {**schema["examples"][1], "either": {"b": "x"}, "again": {"left": "y"}}]
    for body in bodies:
        checker.validate(body)
    refused = [{**bodies[0], "again": "Contoh"}, {**bodies[0], "three": "ab"}, {**bodies[0], "raw": "\u0100"}, {**bodies[0], "single": 1e39},
               {**bodies[0], "part": "1.0"}, {**bodies[0], "words": ["MAYBE"]}]
    assert not any(checker.is_valid(body) for body in refused)
    tool = os.path.join(os.path.dirname(BINARIES), "tests", "json_encode")
    sent = b"".join(framed(json.dumps(record).encode(), json.dumps(body).encode()) for body in bodies + refused)
    lines = subprocess.run([tool], input=sent, capture_output=True, timeout=30, check=True).stdout.decode().splitlines()
    assert [line.startswith("!") for line in lines] == [False] * len(bodies) + [True] * len(refused), lines


def test_examples_fit_their_schema_and_are_accepted(gateway):
    for record, path in RECORDS.items():
        schema = document("schemas", "json", record + ".json")
        jsonschema.Draft202012Validator.check_schema(schema)
        assert len(schema["examples"]) == 2
        for example in schema["examples"]:
            jsonschema.Draft202012Validator(schema).validate(example)
            status, answer = post(gateway, "/v1/" + path, example)
            assert status == 201, (record, answer)


def test_every_record_has_its_files():
    files = {os.path.basename(path) for path in glob.glob(os.path.join(PROJECT, "schemas", "json", "*.json"))}
    assert files == {record + ".json" for record in RECORDS}


NEAR = {
    "a phone of 4 digits": {"applicant": {"phone": "1234"}}, "a phone of 16": {"applicant": {"phone": "1" * 16}},
    "a phone with signs": {"applicant": {"phone": "+62 812-345"}}, "a case like a NIK": {"case_id": "9" * 16},
    "a case of 15 digits": {"case_id": "9" * 15}, "a case with a space before": {"case_id": " a"}, "a case with a line": {"case_id": "a\nb"},
    "200 signs of four bytes": {"applicant": {"name": "🥁" * 200}}, "201": {"applicant": {"name": "🥁" * 201}},
    "an empty name": {"applicant": {"name": ""}}, "50 attributes": {"attributes": {f"k{i}": "v" for i in range(50)}},
    "51": {"attributes": {f"k{i}": "v" for i in range(51)}}, "an empty key": {"attributes": {"": "v"}}, "a null": {"applicant": None},
    "a slug with two dashes": {"service": "a--b"}, "a slug": {"service": "a-b-1"}, "a capital": {"service": "A"}}


def test_json_schema_and_gateway_agree_at_the_edges(gateway):
    schema = document("schemas", "json", "Request.json")
    verdicts = set()
    for name, change in NEAR.items():
        body = {**schema["examples"][0], **change}
        fits = jsonschema.Draft202012Validator(schema).is_valid(body)
        status, answer = post(gateway, "/v1/requests", body)
        assert status == (201 if fits else 422), (name, fits, answer)
        verdicts.add(fits)
    assert verdicts == {True, False}


# Methods that no document names: TRACE is no HTTP to us (400), and Allow names what is taken anywhere below a path.
UNDECLARED = "unsupported_method,allow_header_conformance"


def test_schemathesis_finds_no_fault_and_no_undocumented_answer(gateway, tmp_path):
    """The same cases in every run, whatever the machine; ten minutes of chance in tests/full."""
    extent = ["--max-time", "600"] if FULL else ["--max-examples", "60", "--generation-deterministic", "--seed", "1"]
    here = {**os.environ, "SCHEMATHESIS_HOOKS": "contract_hooks", "PYTHONPATH": os.path.join(PROJECT, "tests", "service")}
    program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    if not os.path.exists(program):
        pytest.skip("schemathesis is not here; tests/run install puts it into .venv")
    conf = os.path.join(PROJECT, "tests", "service", "schemathesis.toml")
    done = subprocess.run([program, "--config-file", conf, "run", gateway.url + "/openapi.json", "--url", gateway.url, *extent, "--no-shrink",
                           "--phases", "examples,coverage,fuzzing", "--exclude-checks", UNDECLARED],
                          capture_output=True, text=True, env=here, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "9 selected / 9 total" in done.stdout
