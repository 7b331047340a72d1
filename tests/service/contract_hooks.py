# SPDX-License-Identifier: MIT
"""What schemathesis cannot know of our contract (loaded through SCHEMATHESIS_HOOKS)."""
import json
import uuid

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def line(context, value):
    """Bytes as they are, anything else as one line of JSON."""
    return value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n"


@schemathesis.hook
def before_call(context, case, kwargs):
    """An id or a key is used for one event only; a second use is refused on purpose."""
    if isinstance(case.body, dict):
        if is_uuid(case.body.get("event_id")):
            case.body["event_id"] = str(uuid.uuid4())
        if fits(case.body.get("idempotency_key")):
            case.body["idempotency_key"] = uuid.uuid4().hex
    if case.headers and "Idempotency-Key" in case.headers:
        key = case.headers["Idempotency-Key"]
        if fits(key):
            case.headers["Idempotency-Key"] = uuid.uuid4().hex if key.isascii() else ""  # which bytes it becomes is nobody's word


def is_uuid(text):
    try:
        return isinstance(text, str) and str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def fits(key):
    return isinstance(key, str) and 1 <= len(key) <= 200 and all(sign >= " " and sign != "\x7f" for sign in key)
