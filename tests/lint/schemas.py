#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every field says what it is, in both languages, whom it concerns, and what form its text has."""
import csv
import glob
import json
import os
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PII = {"none", "name", "nik", "address", "phone", "free-text"}
FORMATS = {"nik", "village-code", "uuid", "slug", "sha256", "phone", "case-id", "period"}


def inner(kind):
    """Records and texts within a field's type."""
    if isinstance(kind, list):
        return [found for branch in kind for found in inner(branch)]
    if isinstance(kind, dict) and kind["type"] in ("array", "map"):
        return inner(kind.get("items") or kind["values"])
    return [kind]


def faults(record, where):
    for field in record["fields"]:
        place = f"{where}.{field['name']}"
        for key in ("doc", "doc_id"):
            if not field.get(key):
                yield f"{place}: no {key}"
        if field.get("pii") not in PII:
            yield f"{place}: pii must be one of {', '.join(sorted(PII))}"
        if "format" in field and field["format"] not in FORMATS:
            yield f"{place}: no format is named {field['format']}"
        for kind in inner(field["type"]):
            if kind == "string" and not {"format", "pattern", "maxLength"} & set(field):
                yield f"{place}: text needs a format, a pattern or a maxLength"
            if isinstance(kind, dict) and kind["type"] == "record":
                yield from faults(kind, place)
            if isinstance(kind, dict) and kind["type"] == "enum" and kind.get("default") not in kind["symbols"]:
                yield f"{place}: an enum needs a default symbol"


def villages():
    with open(os.path.join(PROJECT, "data", "villages.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    codes = [row["village_code"] for row in rows]
    if len(rows) != 248 or len(set(codes)) != 248 or codes != sorted(codes):
        yield "data/villages.csv: 248 villages in the order of their codes"
    if sum(row["kind"] == "kelurahan" for row in rows) != 22:
        yield "data/villages.csv: 22 kelurahan"


def main():
    found = list(villages())
    for path in sorted(glob.glob(os.path.join(PROJECT, "schemas", "avro", "*.avsc"))):
        with open(path, encoding="utf-8") as file:
            found += faults(json.load(file), os.path.basename(path))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
