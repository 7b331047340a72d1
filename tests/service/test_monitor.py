# SPDX-License-Identifier: MIT
"""The monitor: its page in a real Chromium, its stream, its registry."""
import importlib.machinery
import importlib.util
import json
import os
import urllib.request

import pytest
from conftest import PROJECT, payment_body, post, request_body
from hub.base import wait_until
from watching import stream

selenium = pytest.importorskip("selenium", reason="python3-selenium of tests/packages.txt")


def load_picture():
    path = os.path.join(PROJECT, "docs", "picture")
    loader = importlib.machinery.SourceFileLoader("picture", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("picture", loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def browse():
    opened = []

    def open_page(url, **how):
        driver = load_picture().browser(**how)
        opened.append(driver)
        driver.get(url)
        return driver

    yield open_page
    for driver in opened:
        driver.quit()


def text_of(driver, selector):
    return driver.execute_script("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent).join('\\n')", selector)


def test_an_event_appears_on_the_page_without_a_reload(world, browse):
    gateway = world.gateway()
    world.sink("dinsos")
    monitor = world.monitor(["dinsos"])
    driver = browse(monitor.url + "/")
    wait_until(lambda: "Semua mengalir." in text_of(driver, "#sentence"), 20, "all flows")
    post(gateway, "/v1/requests", request_body(case_id="PERKARA-7"))
    wait_until(lambda: "PERKARA-7" in text_of(driver, "#events"), 10, "the event on the page")
    assert "Padomasan" in text_of(driver, "#events")
    assert "Siti" not in driver.page_source and "9909010101900001" not in driver.page_source
    wait_until(lambda: "berjalan" in text_of(driver, "#departments"), 20, "the department's state")
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_dead_letter_is_told_with_its_department_and_the_next_step(world, browse):
    world.expects("dead letter class=data")
    gateway = world.gateway()
    world.sink("dinsos")
    driver = browse(world.monitor(["dinsos"]).url + "/")
    assert post(gateway, "/v1/payments", payment_body(amount="9000000.00"))[0] == 201  # more than BLT-DD ever is
    department = f"dinsos_{world.tag}".replace("_", " ")
    wait_until(lambda: f"1 catatan perlu diperbaiki di {department}. Jalankan kentongan dead-letters" in text_of(driver, "#sentence"),
               30, "the sentence names the department")


def test_the_page_fits_a_wall_and_a_phone_in_light_and_dark(world, browse):
    monitor = world.monitor(["dispendukcapil", "dinsos"])
    for width, height in ((1280, 720), (390, 844)):
        for dark in (False, True):
            driver = browse(monitor.url + "/", width=width, height=height, dark=dark)
            wait_until(lambda driver=driver: "Semua" in text_of(driver, "#sentence"), 20, "a picture")
            wide, tall = driver.execute_script(
                "return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            wait_until(lambda driver=driver: "dispendukcapil" in text_of(driver, "#departments"), 20, "the departments")
            assert driver.execute_script("return [...document.querySelectorAll('section')].every(s => s.scrollWidth <= s.clientWidth)")
            assert wide <= width
            assert width < 600 or tall <= height
            ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(16, 20, 24)" if dark else "rgb(244, 244, 241)")


def test_a_broken_stream_greys_the_page_and_it_comes_back(world, browse):
    monitor = world.monitor()
    driver = browse(monitor.url + "/")
    wait_until(lambda: "Semua" in text_of(driver, "#sentence"), 20, "a picture")
    monitor.stop()
    wait_until(lambda: "Gambar ini dari" in text_of(driver, "#stale"), 20, "the page says that it is old")
    assert "stale" in driver.execute_script("return document.body.className")
    monitor.start()
    monitor.wait()
    wait_until(lambda: "stale" not in driver.execute_script("return document.body.className"), 20, "it is live again")


def test_the_language_is_switched_and_remembered(world, browse):
    monitor = world.monitor()
    driver = browse(monitor.url + "/")
    wait_until(lambda: "Semua" in text_of(driver, "#sentence"), 20, "a picture")
    driver.execute_script("document.getElementById('language').click()")
    wait_until(lambda: "Everything flows." in text_of(driver, "#sentence"), 5, "English")
    driver.refresh()
    wait_until(lambda: "Everything flows." in text_of(driver, "#sentence"), 20, "English still")


def test_a_watcher_resumes_without_a_hole(world):
    gateway = world.gateway()
    monitor = world.monitor()
    for number in range(5):
        post(gateway, "/v1/payments", payment_body(case_id=f"A-{number}"))
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == 5, 20, "five events")
    first = [block for block in stream(monitor, 0.5) if block[1] == "event"]
    assert [block[2]["case_id"] for block in first] == [f"A-{number}" for number in range(5)]
    again = stream(monitor, 0.5, first[2][0])
    assert [block[2]["case_id"] for block in again if block[1] == "event"] == ["A-3", "A-4"]
    assert "reset" not in [block[1] for block in again]
    other_life = stream(monitor, 0.5, "deadbeef-3")
    assert "reset" in [block[1] for block in other_life]
    assert first[0][2]["payer_nik"] == "•••" and first[0][2]["payer_name"] == "•••"


def test_villages_departments_and_metrics_are_told(world):
    gateway = world.gateway()
    world.sink("dpmd")
    monitor = world.monitor(["dpmd"])
    post(gateway, "/v1/payments", payment_body())
    wait_until(lambda: json.loads(monitor.get("/v1/villages/35.09.01.2001")[1])["events"] == 1, 20, "the village is heard")
    assert len(json.loads(monitor.get("/v1/villages")[1])["villages"]) == 248
    assert monitor.get("/v1/villages/99.99.99.2999")[0] == 404

    def department():
        found = json.loads(monitor.get("/v1/departments")[1])["departments"][0]
        return found if found["state"] == "running" and found["applied"] == 1 else None

    assert wait_until(department, 30, "the department's report")["lag"] == 0
    topic = world.topic("payments")
    assert monitor.metrics()[f'kentongan_monitor_events_total{{topic="{topic}"}}'] == 1


def test_a_strange_record_is_a_line_without_content(world):
    confluent_kafka = pytest.importorskip("confluent_kafka", reason="tests/run installs it into .venv")
    producer = confluent_kafka.Producer({"bootstrap.servers": world.brokers})
    producer.produce(world.topic("requests"), value=b"Siti Rahayu", key="35.09.01.2001", partition=0)
    producer.flush(10)
    monitor = world.monitor()
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["undecodable"] == 1, 20, "it is counted")
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


def test_the_counter_page_sends_a_request_and_shows_the_receipt(world, browse):
    gateway = world.gateway()
    driver = browse(gateway.url + "/")
    driver.execute_script("""
        const put = (id, text) => { document.getElementById(id).value = text; };
        put('case_id', 'SKTM-2026-0042'); put('applicant-nik', '35'); put('applicant-name', 'Siti');
        document.getElementById('form').requestSubmit();""")
    wait_until(lambda: "16 angka" in text_of(driver, "#fault-applicant-nik"), 10, "the mistake is shown at its field")
    driver.execute_script("document.getElementById('applicant-nik').value = '9909 0101 0190 0001'; document.getElementById('form').requestSubmit();")
    wait_until(lambda: "35.09.01.2001-1" in text_of(driver, "#number"), 10, "the receipt")


def test_the_counter_page_shows_each_mistake_at_its_field(world, browse):
    driver = browse(world.gateway("35.09.19.1001").url + "/")
    wait_until(lambda: text_of(driver, "#village") == "Kelurahan 35.09.19.1001", 10, "the place, by its code")
    driver.execute_script("""
        document.getElementById('purpose').value = 'x'.repeat(300);
        document.getElementById('form').requestSubmit();""")
    wait_until(lambda: text_of(driver, "#fault-case_id") == "Bagian ini harus diisi.", 10, "what is missing")
    assert "200" in text_of(driver, "#fault-purpose") and text_of(driver, "#fault-other") == ""
