# SPDX-License-Identifier: MIT
"""What follows from the schemas for other programs: a JSON Schema and examples for each record,
OpenAPI 3.1 for the gateway, AsyncAPI 3.0 for the topics. docs/make-documents writes them."""
import decimal
import json
import os
import re
import re._parser

GATEWAY = "gateway"
GIVEN_OR_MADE = ("event_id", "occurred_at")  # the gateway makes them where the sender does not
HIDDEN = r"\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff" "\U000e0000-\U000e0fff"
PATTERNS = {
    "nik": r"^[0-9]{16}$", "village-code": r"^[0-9]{2}\.[0-9]{2}\.[0-9]{2}\.[123][0-9]{3}$",
    "slug": r"^[a-z0-9]+(-[a-z0-9]+)*$", "sha256": r"^[0-9a-f]{64}$",
    "phone": r"^\+?[0-9](?=([ -]*[0-9]){4,14}[ -]*$)[0-9 -]*$",
    "period": r"^[0-9]{4}(-(0[1-9]|1[0-2]))?$",
    "case-id": rf"^(?! )(?!.*[0-9\uff10-\uff19]{{16}})[^{HIDDEN}]*[^{HIDDEN} ]$"}
TEXT = r"^[^\u0000]*$"
EXAMPLES = {
    "nik": "9909010101900001", "village-code": "35.09.01.2001", "slug": "surat-keterangan", "sha256": "a" * 64,
    "phone": "081234567890", "period": "2026-11", "case-id": "PERKARA-2026-0042", "uuid": "0192f3a4-5678-7abc-8def-0123456789ab"}
LOGICAL_EXAMPLES = {
    "uuid": EXAMPLES["uuid"], "date": "2026-11-21", "time-micros": 29700000000,
    "timestamp-micros": "2026-11-21T08:15:00+07:00", "timestamp-millis": "2026-11-21T08:15:00+07:00"}
INTEGERS = {"int": 31, "long": 63}
MOST_OF_FLOAT = 3.4028234663852886e38


class Trouble(Exception):
    """What is wrong with a schema, in words."""


class Catalog:
    """schemas/catalog.json and the records it names."""

    def __init__(self, folder):
        self.folder = folder
        self.facts = self.read("catalog.json")

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return json.load(file)

    def record(self, entry):
        return spelt_out(self.read(entry["file"]), {})

    @property
    def prefix(self):
        return self.facts["prefix"]["live"]

    def newest(self):
        """(topic's short name, catalog entry, record) of each topic's newest schema."""
        for topic in self.facts["topics"]:
            subject = f"{self.prefix}{topic['name']}-value"
            versions = [entry for entry in self.facts["schemas"] if entry["subject"] == subject]
            entry = max(versions, key=lambda version: version["version"])
            yield topic["name"], entry, self.record(entry)

    def channels(self):
        """(channel's short name, catalog entry, record) of each channel; None and None where its values are JSON."""
        for place in self.facts.get("channels", []):
            subject = f"{self.prefix}{place['name']}-value"
            entry = next((entry for entry in self.facts["schemas"] if entry["subject"] == subject), None)
            yield place["name"], entry, entry and self.record(entry)

    def everywhere(self):
        """(catalog entry, record) of what any topic may carry besides its own record: a void."""
        named = {f"{self.prefix}{place['name']}-value" for place in [*self.facts["topics"], *self.facts.get("channels", [])]}
        for entry in self.facts["schemas"]:
            if entry["subject"] not in named:
                yield entry, self.record(entry)


# Types

def spelt_out(kind, known, space=""):
    """A type with each name in it replaced by what it names: a type is defined once and named after that."""
    if isinstance(kind, list):
        return [spelt_out(branch, known, space) for branch in kind]
    if isinstance(kind, str):
        return known.get(kind) or known.get(f"{space}.{kind}") or kind
    kind = dict(kind)
    if kind["type"] in ("record", "enum", "fixed"):
        full = kind["name"] if "." in kind["name"] else f"{kind.get('namespace', space)}.{kind['name']}"
        known[full] = kind
        kind["fields"] = [{**field, "type": spelt_out(field["type"], known, full.rpartition(".")[0])} for field in kind.get("fields", [])]
    for inner in ("items", "values"):
        if inner in kind:
            kind[inner] = spelt_out(kind[inner], known, space)
    return known.get(kind["type"]) or known.get(f"{space}.{kind['type']}") or kind


def without_null(kind):
    if isinstance(kind, list):
        others = [branch for branch in kind if branch != "null"]
        return (others[0] if len(others) == 1 else others), "null" in kind
    return kind, False


def name_of(kind):
    if isinstance(kind, list):
        return "union"
    return kind if isinstance(kind, str) else kind["type"]


def logical_of(kind):
    return kind.get("logicalType") if isinstance(kind, dict) else None


def in_words(record):
    return " ".join(f"{record[key]}." for key in ("doc", "doc_id") if record.get(key))


def given_fields(record):
    return [field for field in record["fields"] if field.get("set_by") != GATEWAY]


def is_required(field):
    if field["name"] in GIVEN_OR_MADE:
        return False
    if field.get("required_of_sender"):
        return True
    return "default" not in field and not without_null(field["type"])[1]


# JSON Schema of what a sender gives

def text_schema(field):
    if field.get("format") == "uuid":
        return {"type": "string", "format": "uuid"}
    return {"type": "string", "minLength": field.get("minLength", 1), "maxLength": field.get("maxLength", 200),
            "pattern": field.get("pattern") or PATTERNS.get(field.get("format"), TEXT)}


def decimal_schema(field, kind):
    """The gateway takes zeros in front, and -0 for 0."""
    scale, whole = kind.get("scale", 0), kind["precision"] - kind.get("scale", 0)
    digits = rf"0*[0-9]{{1,{whole}}}" if whole else "0+"
    fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    zeros = rf"(\.0{{1,{scale}}})?" if scale else ""
    if field.get("minimum") == "0":
        return {"type": "string", "pattern": f"^({digits}{fraction}|-0+{zeros})$"}
    return {"type": "string", "pattern": f"^-?{digits}{fraction}$"}


def binary_schema(kind):
    """A character for each byte; byte 0 has no form in JSON text here."""
    size = {"minLength": kind["size"], "maxLength": kind["size"]} if isinstance(kind, dict) and "size" in kind else {}
    return {"type": "string", **size, "pattern": r"^[\u0001-\u00ff]*$"}


def integer_schema(field, name):
    low = -2 ** INTEGERS[name]
    return {"type": "integer", "minimum": max(low, int(field.get("minimum", low))), "maximum": -low - 1}


def symbol_schema(field, kind):
    refused = kind.get("default") if field.get("required_of_sender") else None
    return {"type": "string", "enum": [symbol for symbol in kind["symbols"] if symbol != refused]}


def logical_schema(field, kind):
    logical = logical_of(kind)
    if logical == "decimal":
        return decimal_schema(field, kind)
    if logical == "time-micros":
        return {"type": "integer", "minimum": 0, "exclusiveMaximum": 86400000000}
    forms = {"uuid": "uuid", "date": "date", "timestamp-micros": "date-time", "timestamp-millis": "date-time"}
    return {"type": "string", "format": forms[logical]} if logical in forms else None


def value_schema(field, kind):
    kind, nullable = without_null(kind)
    name = name_of(kind)
    schema = logical_schema(field, kind)
    if schema is not None:
        pass
    elif name == "union":
        schema = {"anyOf": [value_schema(field, branch) for branch in kind]}
    elif name == "string":
        schema = text_schema(field)
    elif name in INTEGERS:
        schema = integer_schema(field, name)
    elif name == "float":
        schema = {"type": "number", "minimum": -MOST_OF_FLOAT, "maximum": MOST_OF_FLOAT}
    elif name == "double":
        schema = {"type": "number"}
    elif name in ("boolean", "null"):
        schema = {"type": name}
    elif name == "enum":
        schema = symbol_schema(field, kind)
    elif name == "map":
        keys = {key: text_schema({**field, "format": None, "pattern": None})[key] for key in ("minLength", "maxLength", "pattern")}
        schema = {"type": "object", "additionalProperties": value_schema(field, kind["values"]),
                  "maxProperties": field.get("maxItems", 1000), "propertyNames": keys}
    elif name == "array":
        schema = {"type": "array", "items": value_schema(field, kind["items"]), "maxItems": field.get("maxItems", 1000)}
    elif name == "record":
        schema = record_schema(kind)
    else:
        schema = binary_schema(kind)
    return {"anyOf": [schema, {"type": "null"}]} if nullable else schema


def description(field):
    """With the bound that a pattern of digits cannot say."""
    is_decimal = logical_of(without_null(field["type"])[0]) == "decimal"
    bound = f"; at least {field['minimum']}" if is_decimal and field.get("minimum", "0") != "0" else ""
    return field.get("doc", "") + bound


def record_schema(record):
    fields = given_fields(record)
    properties = {field["name"]: {**value_schema(field, field["type"]), "description": description(field)} for field in fields}
    return {"type": "object", "additionalProperties": False, "required": [field["name"] for field in fields if is_required(field)],
            "properties": properties}


def json_schema(record):
    """A document of its own, with the examples that a test posts."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:kentongan:record:{record['name']}",
            "title": record["name"], "description": in_words(record), **record_schema(record),
            "examples": examples(record)}


# Examples: the least that is accepted, and everything

def shortest(tokens):
    """A text that a parsed regular expression takes, the least of everything; what has no such form is left out."""
    made = ""
    for name, what in tokens:
        name = str(name)
        if name == "LITERAL":
            made += chr(what)
        elif name == "RANGE":
            made += chr(what[0])
        elif name == "IN":
            made += shortest(what[:1])
        elif name == "MAX_REPEAT":
            made += shortest(what[2]) * what[0]
        elif name == "SUBPATTERN":
            made += shortest(what[3])
        elif name == "BRANCH":
            made += shortest(what[1][0])
        elif name == "ANY":
            made += "x"
    return made


def pattern_example(field):
    """The field's own example or default, or one that is made from its pattern."""
    text = field.get("example") or field.get("default") or shortest(re._parser.parse(field["pattern"]))
    if re.search(field["pattern"], text) and field.get("minLength", 1) <= len(text) <= field.get("maxLength", 200):
        return text
    raise Trouble(f"field {field['name']}: its pattern needs an \"example\" beside it")


def decimal_example(field, kind):
    scale = kind.get("scale", 0)
    least = decimal.Decimal(field.get("minimum", "0"))
    one = decimal.Decimal(1 if kind["precision"] > scale else 0)
    return f"{max(one, least):.{scale}f}"


def value_example(field, kind, whole):
    kind, _ = without_null(kind)
    name = name_of(kind)
    if name == "string" and "pattern" in field:
        return pattern_example(field)
    if logical_of(kind) == "decimal":
        return decimal_example(field, kind)
    if logical_of(kind) in LOGICAL_EXAMPLES:
        return LOGICAL_EXAMPLES[logical_of(kind)]
    if name == "union":
        return value_example(field, kind[0], whole)
    if name == "string":
        text = EXAMPLES.get(field.get("format"), "Contoh")
        return text[:field.get("maxLength", 200)].ljust(field.get("minLength", 1), "x")
    if name == "enum":
        return symbol_schema(field, kind)["enum"][0]
    if name == "map":
        return {"contoh": value_example(field, kind["values"], whole)}
    if name == "array":
        return [value_example(field, kind["items"], whole)]
    if name == "record":
        return record_example(kind, whole)
    if name == "bytes":
        return "Contoh"
    if name == "fixed":
        return "x" * kind["size"]
    return {"boolean": True, "float": 1.5, "double": 1.5, "null": None}.get(name, max(1, int(field.get("minimum", 1))))


def record_example(record, whole):
    return {field["name"]: value_example(field, field["type"], whole) for field in given_fields(record) if whole or is_required(field)}


def examples(record):
    least, whole = record_example(record, False), record_example(record, True)
    whole.pop("event_id", None)  # an id is used once
    return [least, whole]


# OpenAPI

PROBLEM_WORDS = {
    400: "not JSON, or not HTTP", 401: "no token that is known here", 403: "a page of another origin, or a token without that right", 404: "not here", 405: "other method", 408: "too slow",
    411: "no Content-Length", 413: "too long", 415: "other media type",
    422: "does not fit the schema, or the key was used with another body", 429: "this token asks too often", 431: "header too long", 500: "internal fault",
    503: "try again", 507: "no room on the disk"}
EVERYWHERE = (400, 401, 403, 404, 405, 408, 429, 431, 500, 503)


KEY_OF_SENDER = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[\x20-\x7e]*$"}
KEY_IN_BODY = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f]*$"}  # 200 bytes at most


def answer(text, schema=None, media="application/json"):
    content = {"content": {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}} if schema else {}
    return {"description": text, **content}


def problems(*statuses):
    return {str(status): answer(PROBLEM_WORDS[status], "Problem", "application/problem+json")
            for status in sorted({*EVERYWHERE, *statuses})}


def post_operation(summary, content, created, *parameters):
    return {"post": {
        "summary": summary, "parameters": list(parameters), "requestBody": {"required": True, "content": content},
        "responses": {"201": answer("on disk", created), "200": answer("a repeat: the first receipt", created),
                      **problems(411, 413, 415, 422, 507)}}}


KEY_HEADER = {"name": "Idempotency-Key", "in": "header", "schema": KEY_OF_SENDER,
              "description": "the sender's own name for this post; a repeat gets the first receipt"}


def get_operation(summary, schema, *statuses, parameters=()):
    return {"get": {"summary": summary, "parameters": list(parameters),
                    "responses": {"200": answer("here it is", schema), **problems(*statuses)}}}


def void_operation(event_id):
    order = {"type": "object", "required": ["reason"], "additionalProperties": False,
             "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": 2000}}}
    return {"post": {"summary": "Take a pending event out of its stream, by a person's order; needs the scope `repair`",
                     "parameters": [event_id],
                     "requestBody": {"required": True, "content": {"application/json": {"schema": order}}},
                     "responses": {"201": answer("a void has its number", "Receipt"), **problems(411, 413, 415, 422)}}}


def resend_order():
    number = {"type": "integer", "minimum": 1}
    time = {"type": "string", "format": "date-time"}
    return {"type": "object", "required": ["topic"],
            "oneOf": [{"required": ["from_seq", "to_seq"]}, {"required": ["from", "to"]}],
            "properties": {"topic": {"type": "string"}, "from_seq": number, "to_seq": number, "from": time, "to": time,
                           "incarnation": {"type": "string", "format": "uuid"}}}


def resend_operation():
    ordered = {"description": "ordered", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {"post": {"summary": "Send delivered events once more, by number or by the time at which they were recorded (`to` is the first not "
                                "to be sent), as far as they are kept; needs the scope `repair`",
                     "requestBody": {"required": True, "content": {"application/json": {"schema": resend_order()}}},
                     "responses": {"202": ordered, **problems(411, 413, 415, 422)}}}


def thing(properties, *optional):
    return {"type": "object", "required": [name for name in properties if name not in optional], "properties": properties}


def answers():
    text, number, yes_or_no = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
    uuid, moment = {"type": "string", "format": "uuid"}, {"type": "string", "format": "date-time"}
    moment_or_null = {"type": ["string", "null"], "format": "date-time"}
    error = thing({"pointer": text, "expected": text, "detail": text, "detail_id": text, "line": number}, "line")
    numbers = {"topic": text, "last_seq": number, "delivered_seq": number, "oldest_pending_at": moment_or_null}
    stream = thing(numbers)
    ranges = {"type": "array", "items": thing({"from_seq": number, "to_seq": number})}
    earlier = thing({"incarnation": uuid, **numbers, "missing_count": number, "missing": ranges})
    link = thing({"state": {"enum": ["up", "down", "blocked"]}, "since": moment_or_null, "reason": text})
    disk = thing({"free_bytes": number, "spool_bytes": number, "state": text})
    aside = thing({"file": text, "reason": text, "carried": number, "missing": number, "done": yes_or_no})
    receipts = {"type": "array", "items": {"$ref": "#/components/schemas/Receipt"}}
    return {
        "Receipt": thing({"event_id": uuid, "village_code": text, "incarnation": uuid, "topic": text, "seq": number, "recorded_at": moment,
                          "state": {"enum": ["ACCEPTED", "DELIVERED", "VOID"]}, "reason": text}, "reason"),
        "Receipts": thing({"receipts": receipts}), "Events": thing({"events": receipts}),
        "Problem": thing({"type": text, "title": text, "status": number, "detail": text, "detail_id": text,
                          "errors": {"type": "array", "maxItems": 20, "items": error}}, "errors"),
        "Status": thing({"village_code": text, "incarnation": uuid, "accepting": yes_or_no, "pending": number,
                         "oldest_pending_at": moment_or_null, "topics": {"type": "array", "items": stream},
                         "earlier": {"type": "array", "items": earlier}, "link": link, "disk": disk,
                         "clock": text, "mode": {"enum": ["live", "latihan"]}, "version": text, "recorded_at": moment, "set_aside": aside}, "set_aside")}


def line_schema(record):
    """A line of a batch: the record, its name, and its key."""
    schema = record_schema(record)
    return {**schema, "required": ["record", *schema["required"]],
            "properties": {"record": {"const": record["name"]}, "idempotency_key": KEY_IN_BODY, **schema["properties"]}}


def line_example(record):
    return {"record": record["name"], "idempotency_key": f"catatan-{record['name']}", **examples(record)[0]}


NUMBERS = ("Numbers are kept as they stand: a whole number is written without a point or an exponent (1, not 1.0 or 1e0), "
           "an amount is a text of digits.")


def openapi(catalog):
    paths, schemas, lines, examples_of_lines = {}, answers(), [], {}
    for name, _, record in catalog.newest():
        schemas[record["name"]] = record_schema(record)
        body = {"schema": {"$ref": f"#/components/schemas/{record['name']}"},
                "examples": {word: {"value": value} for word, value in zip(("least", "whole"), examples(record))}}
        paths[f"/v1/{name}"] = post_operation(record.get("doc", ""), {"application/json": body}, "Receipt", KEY_HEADER)
        schemas[record["name"] + "Line"] = line_schema(record)
        lines.append({"$ref": f"#/components/schemas/{record['name']}Line"})
        examples_of_lines[record["name"]] = {"value": line_example(record)}
    line = {"oneOf": lines, "description": "one line; a body is at most 1,000 of them"}
    batch = {"application/x-ndjson": {"schema": line, "examples": examples_of_lines}}
    paths["/v1/batch"] = post_operation("Many events, a JSON object a line with its `record`; all or nothing", batch, "Receipts")
    event_id = {"name": "event_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    query = [{"name": "state", "in": "query", "schema": {"enum": ["pending"]}},
             {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 500}}]
    paths["/v1/events/{event_id}"] = get_operation("Where an event is now", "Receipt", parameters=[event_id])
    paths["/v1/events"] = get_operation("The newest events", "Events", 422, parameters=query)
    paths["/v1/events/{event_id}/void"] = void_operation(event_id)
    paths["/v1/resend"] = resend_operation()
    paths["/v1/status"] = get_operation("How the gateway is", "Status")
    return {"openapi": "3.1.0", "info": {"title": "Kentongan gateway", "version": "1", "license": {"name": "MIT", "identifier": "MIT"},
                                          "description": NUMBERS},
            "servers": [{"url": "/"}], "paths": paths, "components": {"schemas": schemas}}


# AsyncAPI

HEADERS = {
    "ce_specversion": {"const": "1.0"}, "ce_id": {"type": "string", "format": "uuid"},
    "ce_source": {"type": "string", "pattern": r"^/desa/[0-9.]{13}$"}, "ce_type": {"type": "string"},
    "ce_time": {"type": "string", "format": "date-time", "description": "occurred_at"},
    "ce_subject": {"type": "string", "description": "case_id"},
    "ce_sequence": {"type": "string", "pattern": "^[0-9]{20}$", "description": "seq"},
    "ce_recordedtime": {"type": "string", "format": "date-time", "description": "recorded_at"},
    "content-type": {"const": "application/avro"}, "traceparent": {"type": "string"}}
KEY = {"type": "string", "description": "village code", "pattern": PATTERNS["village-code"]}


def message(catalog, entry):
    """With the record as it stands in its file: names are defined once in Avro."""
    record = catalog.read(entry["file"])
    full = f"{record['namespace']}.{record['name']}" if "namespace" in record else record["name"]
    headers = {"type": "object", "properties": {**HEADERS, "ce_type": {"const": f"{full}.v{entry['version']}"}}}
    return {"name": full, "title": record["name"], "summary": record.get("doc", ""), "contentType": "application/avro", "headers": headers,
            "payload": {"schemaFormat": "application/vnd.apache.avro;version=1.9.0", "schema": record},
            "bindings": {"kafka": {"key": KEY, "schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent", "bindingVersion": "0.5.0"}},
            "x-schema-id": entry["id"]}


def order_message():
    order = {"type": "object", "required": ["resend"], "properties": {"resend": resend_order()}}
    return {"name": "Order", "title": "Order", "summary": "An order to one village", "contentType": "application/json", "payload": order,
            "bindings": {"kafka": {"key": KEY, "bindingVersion": "0.5.0"}}}


def channel(catalog, name, messages, description):
    return {"address": catalog.prefix + name, "description": description, "messages": {made["title"]: made for made in messages},
            "bindings": {"kafka": {"partitions": catalog.facts["modulus"], "bindingVersion": "0.5.0"}}}


def operation(action, name, channel_made):
    place = f"#/channels/{name}"
    return {"action": action, "channel": {"$ref": place}, "messages": [{"$ref": f"{place}/messages/{message}"} for message in channel_made["messages"]]}


def asyncapi(catalog):
    channels, operations = {}, {}
    void = [message(catalog, entry) for entry, _ in catalog.everywhere()]
    for name, entry, record in catalog.newest():
        made = channel(catalog, name, [message(catalog, entry), *void], f"{in_words(record)} Key and partition by village; a void in its place where a number was given up.")
        channels[name] = made
        operations["publish" + record["name"]] = operation("send", name, made)
        operations["apply" + record["name"]] = operation("receive", name, made)
    for name, entry, record in catalog.channels():
        made = message(catalog, entry) if entry else order_message()
        words = f"{in_words(record)} The newest of each key is kept." if entry else "Orders to villages, which only the hub writes."
        channels[name] = channel(catalog, name, [made], words)
        operations["tell" + made["title"]] = operation("send", name, channels[name])
    return {"asyncapi": "3.0.0", "info": {"title": "Kentongan topics", "version": "1", "license": {"name": "MIT"},
                                          "description": "Values are Confluent framing: 00, schema id in 4 bytes big-endian, Avro binary."},
            "defaultContentType": "application/avro", "channels": channels, "operations": operations}
