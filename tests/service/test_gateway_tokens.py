# SPDX-License-Identifier: MIT
"""Who may come in: the counter's own machine, and systems with a token for what it says."""
import hashlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import urllib.parse

import pytest
from conftest import payment_body, post, request_body, speak
from hub.base import wait_until, write

OPENSID, AUDITOR = "rahasia-opensid", "rahasia-auditor"


def tokens_file(world, *lines):
    path = os.path.join(world.folder, "tokens")
    write(path, "# nama sha256 hak\n" + "".join(
        f"{name} {hashlib.sha256(secret.encode()).hexdigest()} {scopes}\n" for name, secret, scopes in lines), 0o600)
    return path


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def batch(gateway, secret, *lines):
    return post(gateway, "/v1/batch", "".join(json.dumps(line) + "\n" for line in lines),
                Content_Type="application/x-ndjson", **bearer(secret))


def test_a_token_may_do_what_its_line_says(lonely):
    lonely.expects("link down")
    path = tokens_file(lonely, ("opensid", OPENSID, "requests"), ("auditor", AUDITOR, "read"))
    gateway = lonely.gateway(tokens=path, brokers="127.0.0.1:1")
    assert post(gateway, "/v1/payments", payment_body())[0] == 201, "the counter needs none"
    assert post(gateway, "/v1/requests", request_body(), **bearer(OPENSID))[0] == 201
    status, problem = post(gateway, "/v1/payments", payment_body(), **bearer(OPENSID))
    assert status == 403 and problem["type"] == "urn:kentongan:problem:forbidden"
    status, problem = post(gateway, "/v1/payments", payment_body(), **bearer("tebakan"))
    assert status == 401 and "tebakan" not in json.dumps(problem)
    assert batch(gateway, OPENSID, {"record": "Request", **request_body()})[0] == 201
    status, problem = batch(gateway, OPENSID, {"record": "Payment", **payment_body()})
    assert status == 422 and problem["errors"][0]["pointer"] == "/record"
    assert gateway.get("/v1/status", bearer(OPENSID))[0] == 403
    assert gateway.get("/v1/status", bearer(AUDITOR))[0] == 200
    assert gateway.get("/healthz", bearer("tebakan"))[0] == 200
    assert "rahasia" not in lonely.logs() and "tebakan" not in lonely.logs()


def test_tokens_are_read_again_on_a_signal(lonely):
    lonely.expects("link down|the tokens stay as they were")
    path = tokens_file(lonely, ("auditor", AUDITOR, "read"))
    gateway = lonely.gateway(tokens=path, brokers="127.0.0.1:1")
    assert gateway.get("/v1/status", bearer(OPENSID))[0] == 401
    write(path, "opensid nonsense read\n", 0o600)
    gateway.process.send(signal.SIGHUP)
    wait_until(lambda: "stay as they were" in lonely.logs(), 20, "the fault is told")
    assert gateway.get("/v1/status", bearer(AUDITOR))[0] == 200, "a broken file changes nothing"
    tokens_file(lonely, ("opensid", OPENSID, "read"))
    gateway.process.send(signal.SIGHUP)
    wait_until(lambda: gateway.get("/v1/status", bearer(OPENSID))[0] == 200, 20, "the new token")
    assert gateway.get("/v1/status", bearer(AUDITOR))[0] == 401, "the old one is gone"


def test_a_token_that_asks_too_often_waits(lonely):
    lonely.expects("link down")
    path = tokens_file(lonely, ("auditor", AUDITOR, "read"))
    gateway = lonely.gateway(tokens=path, brokers="127.0.0.1:1", requests_per_second=1)
    answers = [gateway.get("/v1/status", bearer(AUDITOR))[0] for _ in range(20)]
    assert answers[:2] == [200, 200] and 429 in answers
    assert gateway.get("/v1/status")[0] == 200, "the counter is not held up"


def test_tokens_that_others_may_read_are_refused(lonely):
    lonely.expects("others may read")
    path = tokens_file(lonely, ("auditor", AUDITOR, "read"))
    os.chmod(path, 0o644)
    gateway = lonely.gateway(wait=False, tokens=path, brokers="127.0.0.1:1")
    assert gateway.process.child.wait(20) == 78
    os.chmod(path, 0o640)
    gateway.start()
    gateway.wait()


@pytest.mark.parametrize("first, second", [(("auditor", AUDITOR, "read"), ("auditor", "lain", "payments")),
                                           (("auditor", AUDITOR, "read"), ("sistem", AUDITOR, "payments"))])
def test_one_name_and_one_token_are_one_persons(lonely, first, second):
    lonely.expects("stands here twice")
    gateway = lonely.gateway(wait=False, tokens=tokens_file(lonely, first, second), brokers="127.0.0.1:1")
    assert gateway.process.child.wait(20) == 78 and "line 3: that name or token stands here twice" in lonely.logs()


def test_without_tokens_it_listens_on_this_machine_only(lonely):
    lonely.expects("listen: without tokens")
    gateway = lonely.gateway(wait=False, listen="0.0.0.0:0", brokers="127.0.0.1:1")
    assert gateway.process.child.wait(20) == 78
    assert "set tokens to a file" in lonely.logs()


def test_the_listener_speaks_tls(lonely):
    lonely.expects("link down|tls_certificate, tls_key")
    certificate, key = (os.path.join(lonely.folder, name) for name in ("tls.crt", "tls.key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=desa", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    gateway = lonely.gateway(wait=False, tls_certificate=certificate, tls_key=key, brokers="127.0.0.1:1", request_deadline_ms=2000)
    wait_until(lambda: gateway.url.startswith("https://"), 20, "it listens", gateway.process.is_running)
    place = urllib.parse.urlsplit(gateway.url)
    client = http.client.HTTPSConnection(place.hostname, place.port, timeout=20,
                                         context=ssl.create_default_context(cafile=certificate))
    client.request("POST", "/v1/payments", json.dumps(payment_body()), {"Content-Type": "application/json"})
    assert client.getresponse().status == 201
    assert speak(gateway.url, b"\x16\x03\x01", 10) == b"", "a handshake that stops is told nothing in the clear"
    client.close()
    gateway.stop()
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key], check=True, capture_output=True)
    gateway.start()
    assert gateway.process.child.wait(20) == 78 and "tls_certificate, tls_key: no certificate and its own key" in lonely.logs()
