# SPDX-License-Identifier: MIT
"""Other people's hostile texts as bodies and as values: what is taken arrives byte for byte, the rest is refused in words."""
import json
import os
import tarfile

import pytest
from conftest import SHARED, post, request_body

NOWHERE = "127.0.0.1:1"
# What JSON allows and we refuse on purpose: docs/decisions/0032.
OURS = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json", "y_object_escaped_null_in_key.json",
        "y_string_null_escape.json"}
# What JSON leaves open, decided: numbers beyond a double or a long, lone surrogates, other encodings and a BOM are no JSON here.
OPEN_TAKEN = {"i_number_double_huge_neg_exp.json", "i_number_real_underflow.json"}


def corpus(name):
    path = os.path.join(SHARED, "data", "corpora", name, name + ".tar.gz")
    if not os.path.exists(path):
        pytest.skip(f"../shared/data/corpora/{name} is not here")
    with tarfile.open(path) as archive:
        return {os.path.basename(member.name): archive.extractfile(member).read() for member in archive if member.isfile()}


@pytest.fixture
def gateway(lonely):
    lonely.expects("link down|waiting")
    return lonely.gateway(brokers=NOWHERE)


def test_json_is_what_the_parsing_suite_says(gateway):
    bodies = {name: data for name, data in corpus("json-parsing").items() if name[:2] in ("y_", "n_", "i_")}
    assert len(bodies) > 300
    found = {name: post(gateway, "/v1/requests", data)[0] for name, data in bodies.items()}
    assert set(found.values()) == {400, 422}
    assert {name for name, status in found.items() if name.startswith("y_") and status == 400} == OURS & set(found)
    assert {name for name, status in found.items() if name.startswith("n_") and status != 400} == set()
    assert {name for name, status in found.items() if name.startswith("i_") and status == 422} == OPEN_TAKEN
    status = json.loads(gateway.get("/v1/status")[1])
    assert sum(topic["last_seq"] for topic in status["topics"]) == 0


def send(gateway, number, text):
    """A text as a name and as an attribute; the status."""
    body = request_body(case_id=f"N-{number}", applicant={"name": text}, attributes={"teks": text})
    return post(gateway, "/v1/requests", json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"))[0]


def arrived(world, count):
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", count)
    rows = world.sql("satu_data", "SELECT case_id, applicant_name, attributes ->> 'teks' FROM satu_data.requests")
    return {case: (name, text) for case, name, text in rows}


def test_naughty_strings_arrive_as_they_were_sent(world):
    texts = json.loads(corpus("naughty-strings")["blns.json"])
    assert len(texts) > 400
    gateway = world.gateway()
    world.sink("satu_data")
    fits = {f"N-{number}": text for number, text in enumerate(texts) if 1 <= len(text) <= 200 and "\0" not in text}
    assert len(fits) > 400
    for number, text in enumerate(texts):
        assert send(gateway, number, text) == (201 if f"N-{number}" in fits else 422), ascii(text)
    assert arrived(world, len(fits)) == {case: (text, text) for case, text in fits.items()}
    assert world.dead_letters("satu_data") == []


def utf8_cases():
    for line in corpus("utf8")["utf8tests.txt"].decode("ascii").splitlines():
        parts = line.split(":")
        if line.startswith("#") or len(parts) < 3:
            continue
        kind = parts[1].strip()
        data = parts[2].encode() if kind == "valid" else bytes.fromhex(parts[2])
        yield parts[0], kind.startswith("valid"), data


def test_utf8_is_taken_or_refused_as_its_suite_says(world):
    gateway = world.gateway()
    world.sink("satu_data")
    wanted = {}
    for name, valid, data in utf8_cases():
        raw = json.dumps(request_body(case_id=f"U-{name}", applicant={"name": "@@"}, attributes={"teks": "@@"})).encode()
        status, _ = post(gateway, "/v1/requests", raw.replace(b"@@", data))
        if valid and b"\0" not in data and 1 <= len(data.decode()) <= 200 and not any(byte < 0x20 for byte in data):
            assert status == 201, name
            wanted[f"U-{name}"] = (data.decode(), data.decode())
        else:
            assert status in (400, 422), name
            assert valid or status == 400, name
    assert len(wanted) > 20
    assert arrived(world, len(wanted)) == wanted
