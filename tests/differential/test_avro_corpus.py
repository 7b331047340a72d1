# SPDX-License-Identifier: MIT
"""Avro's own test files through our parser of schemas and our plan; python3-avro knows the values."""
import io
import json
import os
import re
import subprocess
import tarfile
import zlib

import avro.datafile
import avro.io
import avro.schema
import cramjam
import pytest
from test_plan import DECODE, PROJECT, flatten, frames

ARCHIVE = os.path.join(PROJECT, "..", "shared", "data", "corpora", "avro", "avro.tar.gz")
TOP = "avro/"
# A name that is used within itself is refused on purpose: lib/event/schema.c.
RECURSIVE = {"recursive_record", "namespace_recursive", "namespace_fullname", "namespace_simple", "namespace_null_record", "interop.avsc"}
CODECS = {b"null": lambda data: data, b"deflate": lambda data: zlib.decompress(data, -15),
          b"snappy": lambda data: bytes(cramjam.snappy.decompress_raw(data[:-4])),  # four bytes of checksum behind
          b"zstandard": lambda data: bytes(cramjam.zstd.decompress(data))}


@pytest.fixture(scope="module")
def corpus():
    if not os.path.exists(ARCHIVE):
        pytest.skip("../shared/data/corpora/avro is not here")
    with tarfile.open(ARCHIVE) as archive:
        return {member.name[len(TOP):]: archive.extractfile(member).read() for member in archive if member.isfile()}


def decode(parts):
    done = subprocess.run([DECODE], input=frames(parts), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def verdicts(schemas):
    """None where the schema parses (whatever an empty value then is), else why not."""
    answers = decode([part for schema in schemas for part in (schema, schema, b"")])
    return [None if isinstance(answer, dict) or re.search("is no record| at byte ", answer) else answer for answer in answers]


def below(corpus, folder):
    return {os.path.basename(name): data for name, data in corpus.items() if name.startswith(folder)}


def test_schemas_that_must_pass_and_fail(corpus):
    passing = below(corpus, "lang/c/tests/schema_tests/pass/")
    failing = below(corpus, "lang/c/tests/schema_tests/fail/")
    assert len(passing) > 20 and len(failing) > 10
    refused = {name for name, verdict in zip(passing, verdicts(passing.values())) if verdict is not None}
    assert refused == RECURSIVE & set(passing)
    accepted = {name for name, verdict in zip(failing, verdicts(failing.values())) if verdict is None}
    assert accepted == set()


def test_schemas_of_other_languages_parse_or_are_refused_in_words(corpus):
    others = {name: data for name, data in corpus.items() if name.endswith((".avsc", "schema.json"))}
    assert len(others) > 10
    for name, verdict in zip(others, verdicts(others.values())):
        assert verdict is None or "not defined before it" in verdict, (name, verdict)


def test_inputs_of_the_canonical_form_parse(corpus):
    text = corpus["share/test/data/schema-tests.txt"].decode()
    inputs = re.findall(r"<<INPUT\n(.*?)\nINPUT", text, re.S) + re.findall(r"<<INPUT (.+)", text)
    assert len(inputs) > 20
    for schema, verdict in zip(inputs, verdicts([schema.encode() for schema in inputs])):
        assert verdict is None or re.search("not defined before it|is no |needs 1 to 1000|not JSON", verdict), (schema, verdict)


# share/test/data/test.avro12 is a container of Avro 1.2, which python3-avro cannot open either.

def blocks(data):
    """(schema's text, records' bytes of each block, how many) of an object container file; None where the codec is not here."""
    decoder = avro.io.BinaryDecoder(io.BytesIO(data))
    header = avro.io.DatumReader(avro.datafile.META_SCHEMA, avro.datafile.META_SCHEMA).read(decoder)
    unpack = CODECS.get(header["meta"].get("avro.codec", b"null"))
    if unpack is None:
        return None
    found = []
    while decoder.reader.tell() + 16 < len(data):
        count, size = decoder.read_long(), decoder.read_long()
        found.append((count, unpack(decoder.read(size))))
        decoder.read(16)
    return header["meta"]["avro.schema"], found


FILES = ["share/test/data/weather.avro", "share/test/data/weather-deflate.avro", "share/test/data/weather-sorted.avro",
         "share/test/data/weather-snappy.avro", "share/test/data/weather-zstd.avro",
         "lang/c/tests/avro-1279-codec.avro", "lang/c/tests/avro-1279-no-codec.avro",
         "share/test/data/schemas/simple/data.avro", "share/test/data/schemas/withUnion/data.avro",
         "share/test/data/syncInMeta.avro"]


@pytest.mark.parametrize("name", FILES)
def test_container_files_read_as_python_reads_them(corpus, name):
    text, found = blocks(corpus[name])
    schema = avro.schema.parse(text.decode())
    record = json.loads(text)
    if record["type"] != "record":
        pytest.skip("the file holds no records; a plan reads records only")
    for count, data in found:
        reader, decoder = avro.io.DatumReader(schema), avro.io.BinaryDecoder(io.BytesIO(data))
        values, parts = [], []
        for _ in range(count):
            start = decoder.reader.tell()
            values.append(reader.read(decoder))
            parts.append(data[start:decoder.reader.tell()])
        got = decode([part for value in parts for part in (text, text, value)])
        assert len(got) == count
        for columns, value in zip(got, values):
            if isinstance(columns, str):
                assert "no finite" in columns or "defined" in columns, columns
            else:
                assert json.loads(json.dumps(columns)) == plain(flatten(record, value)), name


def plain(value):
    """A value as our JSON has it: bytes as hexadecimal digits."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value.hex() if isinstance(value, bytes) else value


@pytest.mark.parametrize("name, fits", [("avro-1237-good", True), ("avro-1237-bad-union-discriminant", False), ("avro-1238-good", True)])
def test_broken_container_files_are_refused(corpus, name, fits):
    text, found = blocks(corpus[f"lang/c/tests/{name}.avro"])
    fields = [{"name": name, "type": json.loads(text)} for name in ("first", "second")]  # the block holds two values
    inner = json.dumps({"type": "record", "name": "Whole", "fields": fields}).encode()
    answer = decode([inner, inner, found[0][1]])[0]
    assert isinstance(answer, dict) == fits, answer


def test_a_message_of_single_object_encoding_reads(corpus):
    schema = corpus["share/test/data/messageV1/test_schema.avsc"]
    message = corpus["share/test/data/messageV1/test_message.bin"]
    assert message[:2] == b"\xc3\x01"
    columns = decode([schema, schema, message[10:]])[0]
    value = avro.io.DatumReader(avro.schema.parse(schema.decode())).read(avro.io.BinaryDecoder(io.BytesIO(message[10:])))
    assert columns == flatten(json.loads(schema), value)


def test_what_was_cut_off_is_refused(corpus):
    schema = corpus["share/test/data/messageV1/test_schema.avsc"]
    body = corpus["share/test/data/messageV1/test_message.bin"][10:]
    for answer in decode([part for size in range(len(body)) for part in (schema, schema, body[:size])]):
        assert isinstance(answer, str) and "at byte" in answer
