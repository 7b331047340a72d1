# SPDX-License-Identifier: MIT
"""What a gateway answers to bad input, and that nothing of it is stored."""
import json
import os
import re
import socket
import subprocess
import tarfile
import threading
import time

import confluent_kafka
import pytest
from conftest import SHARED, payment_body, post, request_body, speak
from hub.base import wait_until

NOWHERE = "127.0.0.1:1"
SHA = "a" * 64


@pytest.fixture
def gateway(lonely):
    lonely.expects("link down|waiting")
    return lonely.gateway(brokers=NOWHERE, request_deadline_ms=1500)


def stored(gateway):
    status = json.loads(gateway.get("/v1/status")[1])
    return sum(topic["last_seq"] for topic in status["topics"])


def deep(levels):
    return '{"case_id":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


BAD_JSON = {
    "not JSON": "{", "no body": "", "not UTF-8": b'{"case_id":"\xff"}', "NUL": b'{"case_id":"a\x00"}',
    "escaped NUL": '{"case_id":"a\\u0000"}', "half a surrogate": '{"case_id":"\\ud800"}',
    "duplicate keys": '{"case_id":"a","case_id":"b"}', "depth 17": deep(17), "two bodies": "{}{}",
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_what_is_not_json_is_400(gateway, name):
    status, answer = post(gateway, "/v1/requests", BAD_JSON[name])
    assert status == 400 and answer["type"] == "urn:kentongan:problem:json"
    assert answer["detail"] and answer["detail_id"]
    assert stored(gateway) == 0


BAD_FIELDS = {
    "unknown field": (request_body(rahasia="x"), ["/rahasia"]),
    "wrong type": (request_body(case_id=5), ["/case_id"]),
    "bad NIK": (request_body(applicant={"nik": "35090101019000"}), ["/applicant/nik"]),
    "bad date": (request_body(occurred_at="2026-02-30T08:00:00+07:00"), ["/occurred_at"]),
    "time without offset": (request_body(occurred_at="2026-11-21T08:00:00"), ["/occurred_at"]),
    "missing field": (request_body(service=None), ["/service"]),
    "the gateway's own": (request_body(seq=7, village_code="35.09.01.2001"), ["/seq", "/village_code"]),
    "unknown action": (request_body(action="UNKNOWN"), ["/action"]),
    "a case like a NIK": (request_body(case_id="9909010101900001"), ["/case_id"]),
    "51 attributes": (request_body(attributes={f"k{i}": "v" for i in range(51)}), ["/attributes"]),
    "document without hash": (request_body(documents=[{"kind": "kk"}]), ["/documents/0/sha256"]),
    "several at once": (request_body(case_id=None, action="X", applicant={"nik": "1", "umur": 3},
                                     documents=[{"kind": "KK", "sha256": SHA}]),
                        ["/case_id", "/action", "/applicant/nik", "/applicant/umur", "/documents/0/kind"]),
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_what_does_not_fit_is_422_with_each_field_named(gateway, name):
    body, pointers = BAD_FIELDS[name]
    status, answer = post(gateway, "/v1/requests", body)
    assert status == 422 and answer["type"] == "urn:kentongan:problem:field"
    assert sorted(error["pointer"] for error in answer["errors"]) == sorted(pointers)
    for error in answer["errors"]:
        assert error["expected"] and error["detail"] and error["detail_id"]
    assert stored(gateway) == 0


@pytest.mark.parametrize("amount", ["1.005", 150000, 150000.0, "-1", "", "1e3", "10000000000000000.00"])
def test_amounts_are_text_of_digits_and_exact(gateway, amount):
    status, answer = post(gateway, "/v1/payments", payment_body(amount=amount))
    assert status == 422 and [error["pointer"] for error in answer["errors"]] == ["/amount"]


def test_no_answer_and_no_log_repeats_a_value(lonely, gateway):
    secret = "RAHASIA99"
    for body in (request_body(case_id=secret + "\n", service=secret, action=secret, applicant={"nik": secret, "name": secret}),
                 request_body(applicant={secret: secret})):
        status, answer = post(gateway, "/v1/requests", body)
        assert status == 422
        text = json.dumps([{key: value for key, value in error.items() if key != "pointer"} for error in answer["errors"]])
        assert secret not in text
    assert secret not in lonely.logs()


def test_a_body_of_300_kib_is_413(gateway):
    status, answer = post(gateway, "/v1/requests", request_body(attributes={"a": "x" * 300 * 1024}))
    assert status == 413 and answer["type"] == "urn:kentongan:problem:too-large"
    assert stored(gateway) == 0


def test_media_type_origin_and_method_are_checked(gateway):
    assert post(gateway, "/v1/requests", request_body(), Content_Type="text/plain")[0] == 415
    assert post(gateway, "/v1/requests", request_body(), Origin="http://jahat.example")[0] == 403
    own = gateway.url.split("//")[1]
    assert post(gateway, "/v1/requests", request_body(), Origin="http://" + own, Host=own)[0] == 201
    assert post(gateway, "/v1/requests", request_body(), Origin="http://jahat.example", Host="jahat.example")[0] == 403
    for path in ("/", "/v1/status", "/v1/events?state=pending"):  # of a page whose name was made to point here
        assert gateway.get(path, {"Host": "jahat.example"})[0] == 403
    assert post(gateway, "/v1/requests", request_body(), Host="jahat.example")[0] == 403
    assert gateway.get("/v1/requests")[0] == 405
    assert gateway.get("/v1/nothing")[0] == 404


def test_a_repeated_key_gets_the_first_receipt_and_another_body_422(gateway):
    first = post(gateway, "/v1/requests", request_body(), Idempotency_Key="k-1")
    again = post(gateway, "/v1/requests", request_body(), Idempotency_Key="k-1")
    other = post(gateway, "/v1/requests", request_body(case_id="lain"), Idempotency_Key="k-1")
    assert (first[0], again[0], other[0]) == (201, 200, 422)
    assert first[1] == again[1] and other[1]["type"] == "urn:kentongan:problem:key-reused"
    line = json.dumps({"record": "Request", "idempotency_key": "k-1", **request_body()})
    status, batch = post(gateway, "/v1/batch", line + "\n", Content_Type="application/x-ndjson")
    assert status == 201 and batch["receipts"][0]["event_id"] == first[1]["event_id"]
    assert stored(gateway) == 1


def test_an_own_event_id_behaves_like_a_key(gateway):
    body = request_body(event_id="0192F3A4-5678-7abc-8def-0123456789ab")
    first = post(gateway, "/v1/requests", body)
    again = post(gateway, "/v1/requests", body)
    assert (first[0], again[0]) == (201, 200)
    assert again[1]["event_id"] == "0192f3a4-5678-7abc-8def-0123456789ab"
    assert post(gateway, "/v1/requests", {**body, "case_id": "lain"})[0] == 422
    assert post(gateway, "/v1/requests", {**body, "case_id": "baru", "event_id": "0192f3a4-5678-7abc-8def-0123456789ac"},
                Idempotency_Key="k-9")[0] == 201
    assert post(gateway, "/v1/requests", {**body, "case_id": "lain lagi", "event_id": "0192f3a4-5678-7abc-8def-0123456789ad"},
                Idempotency_Key="k-9")[0] == 422


def test_a_key_names_one_event_with_and_without_an_own_id(gateway):
    own = {"event_id": "0192f3a4-5678-7abc-8def-0123456789ae"}
    assert post(gateway, "/v1/requests", request_body(), Idempotency_Key="k-2")[0] == 201
    assert post(gateway, "/v1/requests", request_body(**own), Idempotency_Key="k-2")[0] == 422
    assert post(gateway, "/v1/requests", request_body(**own), Idempotency_Key="k-3")[0] == 201
    assert post(gateway, "/v1/requests", request_body(), Idempotency_Key="k-3")[0] == 422
    lines = [{"record": "Request", "idempotency_key": "k-4", **request_body()},
             {"record": "Request", "idempotency_key": "k-4", **request_body(event_id="0192f3a4-5678-7abc-8def-0123456789af")}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert post(gateway, "/v1/batch", text, Content_Type="application/x-ndjson")[0] == 422
    assert stored(gateway) == 2


def test_a_batch_with_one_key_for_all_is_told_where_keys_stand(gateway):
    line = json.dumps({"record": "Request", **request_body()}) + "\n"
    status, problem = post(gateway, "/v1/batch", line, Content_Type="application/x-ndjson", Idempotency_Key="k")
    assert status == 422 and problem["errors"][0]["pointer"] == "/idempotency_key" and stored(gateway) == 0


def test_a_batch_with_a_line_that_is_no_json_is_a_400(gateway):
    lines = json.dumps({"record": "Request", **request_body(service="Bukan Slug")}) + "\n{x\n"
    status, problem = post(gateway, "/v1/batch", lines, Content_Type="application/x-ndjson")
    assert status == 400 and stored(gateway) == 0
    assert [(error["line"], error["pointer"]) for error in problem["errors"]] == [(1, "/service"), (2, "")]


@pytest.mark.parametrize("headers, status", [
    ("Content-Type: text/plain\r\n", 400), ("Host: other\r\n", 400),
    ("Idempotency-Key: a\r\nIdempotency-Key: b\r\n", 400), ("Content-Encoding: gzip\r\n", 415)])
def test_headers_that_two_readers_could_read_differently_are_refused(gateway, headers, status):
    body = json.dumps(request_body())
    answer = speak(gateway.url, (f"POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                 f"{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}").encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()) and b"application/problem+json" in answer
    assert stored(gateway) == 0


def test_a_flood_of_connections_passes(lonely):
    lonely.expects("link down")
    gateway = lonely.gateway(brokers=NOWHERE, max_connections=16, request_deadline_ms=1000)
    place = gateway.url.split("//")[1].split(":")
    flood = [socket.create_connection((place[0], int(place[1])), timeout=5) for _ in range(60)]
    wait_until(lambda: all(is_closed(connection) for connection in flood), 30, "the silent are cut off")
    for connection in flood:
        connection.close()
    wait_until(lambda: gateway.get("/healthz", seconds=2)[0] == 200, 30, "it answers again")


def is_closed(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_only_a_trace_is_taken_for_one(world):
    gateway = world.gateway()
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for trace in (good, "Siti Aminah 9909010101900001 aaaaaaaaaaaaaaaaaaaaaaaaaa", "00-" + "0" * 32 + good[35:]):
        assert post(gateway, "/v1/requests", request_body(), traceparent=trace)[0] == 201
    consumer = confluent_kafka.Consumer({"bootstrap.servers": world.brokers, "group.id": world.tag, "auto.offset.reset": "earliest"})
    consumer.subscribe([world.topic("requests")])
    found = []
    while len(found) < 3:
        message = consumer.poll(20)
        assert message is not None and not message.error()
        found.append(dict(message.headers())["traceparent"].decode())
    consumer.close()
    assert found[0] == good
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace) and trace != good for trace in found[1:])


def test_a_target_in_absolute_form_is_found(gateway):
    answer = speak(gateway.url, b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_two_posts_with_one_key_at_once_are_one_event(gateway):
    answers = []

    def send():
        answers.append(post(gateway, "/v1/requests", request_body(), Idempotency_Key="sama"))

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200] * 15 + [201]
    assert len({answer["event_id"] for _, answer in answers}) == 1
    assert stored(gateway) == 1


def test_a_batch_is_all_or_nothing_and_names_the_line(gateway):
    good = json.dumps({"record": "Request", **request_body()})
    bad = json.dumps({"record": "Payment", **payment_body(amount="x")})
    unknown = json.dumps({"record": "Rahasia", **request_body()})
    status, answer = post(gateway, "/v1/batch", "\n".join([good, bad, unknown]) + "\n", Content_Type="application/x-ndjson")
    assert status == 422
    assert [(error["line"], error["pointer"]) for error in answer["errors"]] == [(2, "/amount"), (3, "/record")]
    assert stored(gateway) == 0
    assert post(gateway, "/v1/batch", (good + "\n") * 1001, Content_Type="application/x-ndjson")[0] == 422
    assert post(gateway, "/v1/batch", "\n\n", Content_Type="application/x-ndjson")[0] == 422
    assert stored(gateway) == 0
    assert post(gateway, "/v1/batch", (good + "\n") * 1000, Content_Type="application/x-ndjson")[0] == 201
    assert stored(gateway) == 1000


def head(extra, method="POST", path="/v1/requests"):
    return (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}\r\n").encode()


BODY = json.dumps(request_body()).encode()
BAD_HTTP = {
    "both lengths": head(f"Content-Length: {len(BODY)}\r\nTransfer-Encoding: chunked\r\n") + BODY,
    "length twice": head(f"Content-Length: {len(BODY)}\r\nContent-Length: {len(BODY)}\r\n") + BODY,
    "length with a sign": head(f"Content-Length: +{len(BODY)}\r\n") + BODY,
    "length in hex": head(f"Content-Length: {len(BODY):#x}\r\n") + BODY,
    "negative length": head("Content-Length: -1\r\n") + BODY,
    "length beyond counting": head("Content-Length: 99999999999999999999\r\n") + BODY,
    "chunked": head("Transfer-Encoding: chunked\r\n") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    "no length": head("") + BODY,
    "NUL in a header": head(f"X-A: a\0b\r\nContent-Length: {len(BODY)}\r\n") + BODY,
    "unknown method": head(f"Content-Length: {len(BODY)}\r\n", method="BREW") + BODY,
    "10,000 headers": head("".join(f"X-{i}: y\r\n" for i in range(10000)) + f"Content-Length: {len(BODY)}\r\n") + BODY,
    "a header of 64 KiB": head("X-A: " + "a" * 65536 + f"\r\nContent-Length: {len(BODY)}\r\n") + BODY,
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "HTTP/0.9": b"POST /v1/requests\r\n" + BODY,
}


@pytest.mark.parametrize("name", BAD_HTTP)
def test_bad_framing_is_answered_4xx_or_closed(gateway, name):
    answer = speak(gateway.url, BAD_HTTP[name], 4)
    assert answer == b"" or re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:100]
    assert stored(gateway) == 0


def test_slow_bytes_end_at_the_deadline(gateway):
    host, port = gateway.url.split("//")[1].split(":")
    request = head(f"Content-Length: {len(BODY)}\r\n") + BODY
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        began = time.monotonic()
        answer = b""
        for byte in request:
            slow.sendall(bytes([byte]))
            answer = first_words(slow)
            if answer:
                break
        assert answer.startswith(b"HTTP/1.1 408 ") and time.monotonic() - began < 8
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    assert stored(gateway) == 1


def first_words(connection):
    """What the other side says within a tenth of a second."""
    connection.settimeout(0.1)
    try:
        return connection.recv(4096)
    except socket.timeout:
        return b""


@pytest.mark.parametrize("part", ["POST /v1/req", "the head", "half the body"])
def test_a_request_that_stops_is_answered_408(gateway, part):
    whole = head(f"Content-Length: {len(BODY)}\r\n")
    request = {"the head": whole, "half the body": whole + BODY[:len(BODY) // 2]}.get(part, part.encode())
    answer, body = speak(gateway.url, request, 10).split(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ") and b"\r\nConnection: close\r\n" in answer
    assert f"\r\nContent-Length: {len(body)}".encode() in answer
    problem = json.loads(body)
    assert problem["status"] == 408 and problem["type"] == "urn:kentongan:problem:too-slow" and problem["detail_id"]
    assert stored(gateway) == 0


def test_who_asks_nothing_is_told_nothing(gateway):
    assert speak(gateway.url, b"", 10) == b""
    answer = speak(gateway.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 10)
    assert answer.count(b"HTTP/1.1 ") == 1 and answer.startswith(b"HTTP/1.1 200 ")


def llhttp_requests():
    path = os.path.join(SHARED, "data", "corpora", "http1-llhttp", "http1-llhttp.tar.gz")
    if not os.path.exists(path):
        return None
    found = []
    with tarfile.open(path) as archive:
        for member in archive:
            if "/request/" not in member.name or not member.name.endswith(".md"):
                continue
            text = archive.extractfile(member).read().decode("utf-8", "surrogateescape")
            found += re.findall(r"```http\n(.*?)```", text, re.S)
    return found


def as_bytes(block):
    """llhttp's notation: a line break stands for CRLF, escapes stand for themselves."""
    text = block.replace("\\\n", "").replace("\n", "\r\n")
    for name, byte in (("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"), ("\\f", "\f"), ("\\0", "\0")):
        text = text.replace(name, byte)
    return text.encode("utf-8", "surrogateescape")


def test_llhttps_requests_store_nothing_and_block_nobody(gateway):
    blocks = llhttp_requests()
    if blocks is None:
        pytest.skip("../shared/data/corpora/http1-llhttp is not here")
    assert len(blocks) > 100
    for block in blocks:
        data = as_bytes(block)
        speak(gateway.url, data, 0.02)
        first, _, rest = data.partition(b"\r\n")
        words = first.split(b" ")
        if len(words) >= 2:
            words[:2] = [b"POST", b"/v1/requests"]
        answer = speak(gateway.url, b" ".join(words) + b"\r\n" + rest, 0.02)
        assert answer == b"" or re.match(rb"HTTP/1\.[01] (4\d\d|505) ", answer), (block, answer[:200])
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    assert stored(gateway) == 1


def test_json_corpus_is_told_apart(gateway):
    """y_ is never 400, n_ always is, but for what interfaces.md refuses: duplicate members and NUL."""
    decided = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json",
               "y_object_escaped_null_in_key.json", "y_string_null_escape.json"}
    path = os.path.join(SHARED, "data", "corpora", "json-parsing", "json-parsing.tar.gz")
    if not os.path.exists(path):
        pytest.skip("../shared/data/corpora/json-parsing is not here")
    seen = 0
    with tarfile.open(path) as archive:
        for member in archive:
            name = os.path.basename(member.name)
            if not re.match(r"[yn]_.*\.json$", name):
                continue
            status, _ = post(gateway, "/v1/requests", archive.extractfile(member).read())
            wanted = {"y": {400} if name in decided else {422}, "n": {400, 413}}[name[0]]
            assert status in wanted, (name, status)
            seen += 1
    assert seen > 200
    assert stored(gateway) == 0


def test_pages_and_contract_are_served(gateway):
    status, page = gateway.get("/")
    assert status == 200 and "<form" in page and 'lang="id"' in page
    assert json.loads(gateway.get("/openapi.json")[1])["openapi"].startswith("3.1")
    assert gateway.get("/healthz") == (200, "alive\n")
    assert gateway.get("/readyz")[0] == 200
    assert "kentongan_gateway_accepted_events_total" in gateway.get("/metrics")[1]


def run_with(lonely, text, program="kentongan-gateway", *arguments):
    from conftest import BINARIES
    path = os.path.join(lonely.folder, "wrong.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return subprocess.run([os.path.join(BINARIES, program), "--conf", path, *arguments], capture_output=True, text=True,
                          timeout=20, check=False)


def good_conf(lonely):
    return (f"village = 35.09.01.2001\nbrokers = {NOWHERE}\nspool = {lonely.folder}/wrong.db\n"
            f"schemas = {lonely.schemas}\n")


@pytest.mark.parametrize("change, words", [
    ("brokrs = x\n", "unknown setting brokrs; did you mean brokers?"),
    ("drain_ms = soon\n", "drain_ms takes a whole number"),
    ("mode = latihann\n", "mode takes one of live|latihan"),
    ("village = Jember\n", "village: expected a code such as 35.09.01.2001"),
    ("listen = 127.0.0.1\n", "expected ADDRESS:PORT"),
    ("listen = 127.0.0.1:99999\n", "expected ADDRESS:PORT"),
    ("drain_ms = 1\ndrain_ms = 2\n", "drain_ms stands here again; first at"),
    ("schemas = /nowhere\n", "/nowhere/catalog.json"),
    ("what is this\n", "expected a line `key = value`"),
    ("kafka.no.such = 1\n", "kafka.no.such"),
    ("kafka.acks = 1\n", "kafka.acks: it must stay all, or events are lost"),
])
def test_a_wrong_setting_is_one_sentence_and_status_78(lonely, change, words):
    kept = [line for line in good_conf(lonely).splitlines() if line.split(" =")[0] != change.split(" =")[0]]
    done = run_with(lonely, "\n".join([*kept, change]))
    assert done.returncode == 78 and words in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_missing_setting_says_which(lonely):
    done = run_with(lonely, "brokers = x\n")
    assert done.returncode == 78 and "the setting village is missing" in done.stderr


def test_a_taken_port_and_a_taken_spool_are_told_apart(lonely, gateway):
    done = run_with(lonely, good_conf(lonely) + "listen = " + gateway.url.split("//")[1] + "\n")
    assert done.returncode == 75 and "Address already in use" in done.stderr
    done = run_with(lonely, good_conf(lonely).replace("wrong.db", "spool/35.09.01.2001.db"))
    assert done.returncode == 75 and "another process holds the spool" in done.stderr


def test_check_prints_every_setting_and_its_source(lonely):
    done = run_with(lonely, good_conf(lonely), "kentongan-gateway", "--check")
    assert done.returncode == 0
    assert re.search(r"^village = 35.09.01.2001  # .*wrong.conf:1$", done.stdout, re.M)
    assert re.search(r"^drain_ms = 5000  # default$", done.stdout, re.M)


def test_training_goes_to_other_topics(lonely):
    lonely.expects("link down")
    gateway = lonely.gateway(brokers=NOWHERE, mode="latihan")
    assert post(gateway, "/v1/requests", request_body())[1]["topic"] == "latihan.requests"


def test_a_stop_answers_what_is_in_hand(gateway):
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    gateway.stop()
    wait_until(lambda: not gateway.process.is_running(), 5, "the gateway ends")
    gateway.start()
    gateway.wait()
    assert stored(gateway) == 1
