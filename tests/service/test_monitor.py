# SPDX-License-Identifier: MIT
"""The monitor's stream, its numbers, its registry; and the counter's page. Its own page: test_monitor_page.py."""
import json
import urllib.error
import urllib.request

import pytest
from browser import browse, text_of  # noqa: F401
from conftest import payment_body, post, request_body
from hub.base import wait_until
from watching import stream


def test_a_watcher_resumes_without_a_hole(world):
    gateway = world.gateway()
    monitor = world.monitor()
    for number in range(5):
        post(gateway, "/v1/payments", payment_body(case_id=f"A-{number}"))
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == 5, 90, "five events")
    first = [block for block in stream(monitor, 0.5) if block[1] == "event"]
    assert [block[2]["case_id"] for block in first] == [f"A-{number}" for number in range(5)]
    again = stream(monitor, 0.5, first[2][0])
    assert [block[2]["case_id"] for block in again if block[1] == "event"] == ["A-3", "A-4"]
    assert "reset" not in [block[1] for block in again]
    other_life = stream(monitor, 0.5, "deadbeef-3")
    assert "reset" in [block[1] for block in other_life]
    assert first[0][2]["payer_nik"] == "•••" and first[0][2]["payer_name"] == "•••"


def test_what_comes_while_it_starts_is_seen(world):
    """First records of partitions, around the moment at which it asks where each of them begins and ends."""
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": world.brokers, "linger.ms": 0})
    monitor = world.monitor(wait=False)
    for part in range(12):
        for name in ("requests", "approvals", "payments"):
            producer.produce(world.topic(name), value=b"none of ours", key="35.09.01.2001", partition=part)
            producer.flush(20)
    monitor.wait()
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == 36, 30, "all that came are seen")


def test_villages_departments_and_metrics_are_told(world):
    gateway = world.gateway()
    world.sink("dpmd")
    monitor = world.monitor(["dpmd"])
    post(gateway, "/v1/payments", payment_body())
    wait_until(lambda: json.loads(monitor.get("/v1/villages/35.09.01.2001")[1])["events"] == 1, 90, "the village is heard")
    assert len(json.loads(monitor.get("/v1/villages")[1])["villages"]) == 248
    assert monitor.get("/v1/villages/99.99.99.2999")[0] == 404

    def department():
        found = json.loads(monitor.get("/v1/departments")[1])["departments"][0]
        return found if found["state"] == "running" and found["applied"] == 1 else None

    assert wait_until(department, 90, "the department's report")["lag"] == 0
    topic = world.topic("payments")
    counter = f'kentongan_monitor_events_total{{topic="{topic}"}}'
    assert monitor.metrics()[counter] == 1
    monitor.stop()
    monitor.start()
    monitor.wait()
    wait_until(lambda: json.loads(monitor.get("/v1/villages/35.09.01.2001")[1])["events"] == 1, 60, "it is read back")
    assert monitor.metrics()[counter] == 0, "what is read back would be a rate that never was"


def test_a_strange_record_is_a_line_without_content(world):
    confluent_kafka = pytest.importorskip("confluent_kafka", reason="tests/run installs it into .venv")
    producer = confluent_kafka.Producer({"bootstrap.servers": world.brokers})
    producer.produce(world.topic("requests"), value=b"Siti Rahayu", key="35.09.01.2001", partition=0)
    producer.flush(10)
    monitor = world.monitor()
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["undecodable"] == 1, 90, "it is counted")
    events = [block[2] for block in stream(monitor, 0.5) if block[1] == "event"]
    assert events[0]["undecodable"] is True and "Siti" not in json.dumps(events)


def test_the_registrys_read_side_answers_as_clients_expect(world):
    monitor = world.monitor()
    subject = world.topic("requests") + "-value"

    def ask(path):
        status, text = monitor.get(path)
        return status, json.loads(text)

    status, schema = ask("/schemas/ids/1")
    assert status == 200 and schema["schemaType"] == "AVRO" and json.loads(schema["schema"])["name"] == "Request"
    assert ask("/schemas/ids/1/versions") == (200, [{"subject": subject, "version": 1}])
    assert ask("/schemas/ids/1/subjects") == (200, [subject])
    assert ask("/schemas/types") == (200, ["AVRO"])
    assert subject in ask("/subjects")[1]
    assert ask(f"/subjects/{subject}/versions") == (200, [1])
    for version in ("latest", "1"):
        assert ask(f"/subjects/{subject}/versions/{version}")[1]["id"] == 1
    assert ask(f"/subjects/{subject}/versions/9")[1]["error_code"] == 40402
    assert ask("/subjects/nobody/versions/latest")[1]["error_code"] == 40401
    assert ask("/schemas/ids/99")[1]["error_code"] == 40403
    assert ask("/config")[1] == {"compatibilityLevel": "FULL_TRANSITIVE"}
    assert ask("/mode")[1] == {"mode": "READONLY"}
    assert ask("/apis/registry/v2/ids/contentIds/1")[1]["name"] == "Request"
    assert ask("/apis/registry/v3/ids/contentIds/1/references") == (200, [])
    assert monitor.get("/associations/x")[0] == 404
    assert monitor.get("/schemas/ids/1", method="DELETE")[0] == 405
    look_up = urllib.request.Request(f"{monitor.url}/subjects/{subject}", json.dumps({"schema": schema["schema"]}).encode(),
                                     {"Content-Type": "application/vnd.schemaregistry.v1+json"})
    assert json.load(urllib.request.urlopen(look_up, timeout=10))["id"] == 1


def test_the_registry_takes_nothing_and_says_which_method_a_path_has(world):
    monitor = world.monitor()
    subject = world.topic("requests") + "-value"

    def refusal(method, path, body=None):
        kind = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(monitor.url + path, body, kind, method=method), timeout=10)
        return refused.value.code, json.load(refused.value)["error_code"], refused.value.headers["Allow"]

    schema = json.dumps({"schema": '"string"'}).encode()
    for path in (f"/subjects/{subject}/versions", f"/subjects/{subject}/versions/1", f"/subjects/{subject}/versions?normalize=false"):
        assert refusal("POST", path, schema) == (405, 405, "GET"), path
    assert refusal("GET", f"/subjects/{subject}") == (405, 405, "POST")
    assert refusal("POST", f"/subjects/{subject}", schema) == (404, 40403, None)
    for path in ("/subjects/nobody/versions", "/subjects/nobody", f"/subjects/{subject}/nothing"):
        assert refusal("POST", path, schema) == (404, 40401, None), path
    assert refusal("GET", "/subjects/nobody") == (404, 40401, None)


def test_the_counter_page_sends_a_request_and_shows_the_receipt(world, browse):  # noqa: F811
    gateway = world.gateway()
    driver = browse(gateway.url + "/")
    driver.execute_script("""
        const put = (id, text) => { document.getElementById(id).value = text; };
        put('case_id', 'SKTM-2026-0042'); put('applicant-nik', '35'); put('applicant-name', 'Siti');
        document.getElementById('form').requestSubmit();""")
    wait_until(lambda: "16 angka" in text_of(driver, "#fault-applicant-nik"), 10, "the mistake is shown at its field")
    driver.execute_script("document.getElementById('applicant-nik').value = '9909 0101 0190 0001'; document.getElementById('form').requestSubmit();")
    wait_until(lambda: "35.09.01.2001-1" in text_of(driver, "#number"), 10, "the receipt")


def test_the_counter_page_shows_each_mistake_at_its_field(world, browse):  # noqa: F811
    driver = browse(world.gateway("35.09.19.1001").url + "/")
    wait_until(lambda: text_of(driver, "#village") == "Kelurahan Mangli, Kecamatan Kaliwates · 35.09.19.1001", 10, "the place, by its name")
    driver.execute_script("""
        document.getElementById('purpose').value = 'x'.repeat(300);
        document.getElementById('form').requestSubmit();""")
    wait_until(lambda: text_of(driver, "#fault-case_id") == "Bagian ini harus diisi.", 10, "what is missing")
    assert "200" in text_of(driver, "#fault-purpose") and text_of(driver, "#fault-other") == ""
