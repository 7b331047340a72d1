# SPDX-License-Identifier: MIT
"""The monitor's read side of a registry as a contract, and schemathesis against it: no fault, no answer that the contract does not name."""
import json
import os
import subprocess
import sys

import pytest
from conftest import FULL

REFUSAL = {"type": "object", "required": ["error_code", "message"],
           "properties": {"error_code": {"enum": [40401, 40402, 40403]}, "message": {"type": "string"}}}
VERSION = {"type": "object", "required": ["subject", "version", "id", "schemaType", "schema"], "additionalProperties": False,
           "properties": {"subject": {"type": "string"}, "version": {"type": "integer"}, "id": {"type": "integer"},
                          "schemaType": {"const": "AVRO"}, "schema": {"type": "string", "contentMediaType": "application/json"}}}
SCHEMA = {"type": "object", "required": ["schema", "schemaType"], "properties": {"schema": {"type": "string"}, "schemaType": {"const": "AVRO"}}}
RECORD = {"type": "object", "required": ["type", "name", "fields"]}
NAMES, NUMBERS = {"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "integer"}}
PLACES = {"type": "array", "items": {"type": "object", "required": ["subject", "version"]}}
MEDIA = "application/vnd.schemaregistry.v1+json"


def parameter(name, schema, example):
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


ID = parameter("id", {"type": "integer", "minimum": 1, "maximum": 2147483647}, 1)
SUBJECT = parameter("subject", {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9._-]+$"}, "SUBJECT")
NUMBER = parameter("version", {"type": "string", "pattern": "^([1-9][0-9]{0,4}|latest)$"}, "latest")


def answer(schema, media=MEDIA):
    return {"description": "here it is", "content": {media: {"schema": schema}}}


def get(schema, *parameters, media=MEDIA, refused=True):
    absent = {"404": {"description": "not here", "content": {MEDIA: {"schema": REFUSAL}}}} if refused else {}
    return {"get": {"parameters": list(parameters), "responses": {"200": answer(schema, media), **absent}}}


def look_up():
    body = {"type": "object", "required": ["schema"], "properties": {"schema": {"type": "string"}}}
    return {"post": {"parameters": [SUBJECT], "requestBody": {"required": True, "content": {"application/json": {"schema": body}, MEDIA: {"schema": body}}},
                     "responses": {"200": answer(VERSION), "404": {"description": "not here", "content": {MEDIA: {"schema": REFUSAL}}},
                                   "413": {"description": "too long"}, "415": {"description": "no JSON by its type"}}}}


PATHS = {
    "/schemas/ids/{id}": get(SCHEMA, ID), "/schemas/ids/{id}/schema": get(RECORD, ID), "/schemas/ids/{id}/versions": get(PLACES, ID),
    "/schemas/ids/{id}/subjects": get(NAMES, ID), "/schemas/types": get(NAMES, refused=False), "/subjects": get(NAMES, refused=False),
    "/subjects/{subject}/versions": get(NUMBERS, SUBJECT), "/subjects/{subject}/versions/{version}": get(VERSION, SUBJECT, NUMBER),
    "/subjects/{subject}/versions/{version}/schema": get(RECORD, SUBJECT, NUMBER), "/subjects/{subject}": look_up(),
    "/config": get({"type": "object", "required": ["compatibilityLevel"]}, refused=False),
    "/config/{subject}": get({"type": "object", "required": ["compatibilityLevel"]}, SUBJECT, refused=False),
    "/mode": get({"type": "object", "required": ["mode"]}, refused=False),
    "/apis/registry/v2/ids/contentIds/{id}": get(RECORD, ID, media="application/json"),
    "/apis/registry/v2/ids/contentIds/{id}/references": get({"type": "array", "maxItems": 0}, ID, media="application/json"),
    "/apis/registry/v3/ids/contentIds/{id}": get(RECORD, ID, media="application/json"),
    "/apis/registry/v3/ids/contentIds/{id}/references": get({"type": "array", "maxItems": 0}, ID, media="application/json")}


@pytest.fixture
def contract(world):
    text = json.dumps({"openapi": "3.1.0", "info": {"title": "Schemas of Kentongan", "version": "1"}, "paths": PATHS})
    path = os.path.join(world.folder, "registry.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("SUBJECT", world.topic("requests") + "-value"))
    return world.monitor(), path


def test_schemathesis_finds_the_registry_as_its_contract_says(contract, tmp_path):
    monitor, path = contract
    program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    if not os.path.exists(program):
        pytest.skip("schemathesis is not here; tests/run install puts it into .venv")
    extent = ["--max-time", "120"] if FULL else ["--max-examples", "15", "--generation-deterministic", "--seed", "1"]
    done = subprocess.run([program, "run", path, "--url", monitor.url, *extent, "--no-shrink", "--phases", "examples,coverage,fuzzing",
                           "--exclude-checks", "unsupported_method,allow_header_conformance,positive_data_acceptance,negative_data_rejection"],
                          capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("path", ["/schemas", "/schemas/ids", "/schemas/ids/", "/subjects/", "/contexts", "/compatibility/subjects/x/versions/1",
                                  "/apis/registry/v2", "/apis/ccompat/v7/subjects", "/v1/metadata/id"])
def test_a_path_of_no_use_is_not_found(contract, path):
    assert contract[0].get(path)[0] == 404
