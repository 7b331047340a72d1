# SPDX-License-Identifier: MIT
"""A case's whole life on the monitor, out of satu_data."""
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

from conftest import VILLAGES, payment_body, post, request_body
from hub.base import wait_until
from watching import stream

CASE = "/v1/cases/" + VILLAGES[0] + "/"


def approval(case_id):
    return {"case_id": case_id, "service": "surat-keterangan-kurang-mampu", "step": "KADES", "decision": "ACCEPTED",
            "actor": {"role": "KADES"}, "note": "Catatan tentang Siti"}


def monitor_with_satu_data(world):
    return world.monitor(["satu_data"], satu_data=world.conninfo("satu_data", f"monitor_satu_data_{world.tag}"))


def live_a_case(world, case_id="PERKARA/7 a"):
    gateway = world.gateway()
    world.sink("satu_data")
    assert post(gateway, "/v1/requests", request_body(case_id=case_id))[0] == 201
    assert post(gateway, "/v1/approvals", approval(case_id))[0] == 201
    assert post(gateway, "/v1/payments", payment_body(case_id=case_id))[0] == 201
    assert post(gateway, "/v1/requests", request_body(case_id="OTHER"))[0] == 201
    for table, count in (("requests", 2), ("approvals", 1), ("payments", 1)):
        world.wait_rows("satu_data", f"SELECT count(*) FROM satu_data.{table}", count)


def test_a_case_is_shown_in_its_order_across_topics_masked(world):
    live_a_case(world)
    monitor = monitor_with_satu_data(world)
    status, text = monitor.get(CASE + "PERKARA%2F7%20a")
    assert status == 200, text
    found = json.loads(text)
    assert (found["village_code"], found["case_id"]) == (VILLAGES[0], "PERKARA/7 a")
    assert [event["record"] for event in found["events"]] == ["Request", "Approval", "Payment"]
    request, decision, payment = found["events"]
    assert request["topic"] == world.topic("requests") and request["seq"] == 1
    assert request["applicant_nik"] == "•••" and request["applicant_phone"] is None and request["documents"] == []
    assert decision["note"] == "•••" and decision["step"] == "KADES"
    assert payment["amount"] == "300000.00" and payment["payer_name"] == "•••"
    assert payment["recorded_at"].endswith("Z") and payment["appended_at"].endswith("Z")
    assert "Siti" not in text and "9909010101900001" not in text and "Budi" not in text


def test_what_the_stream_shows_of_an_event_is_what_its_case_shows(world):
    live_a_case(world, "SAMA")
    monitor = monitor_with_satu_data(world)
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == 4, 90, "all are seen")
    live = {event["event_id"]: event for _, name, event in stream(monitor, 0.5) if name == "event"}
    events = json.loads(monitor.get(CASE + "SAMA")[1])["events"]
    assert len(events) == 3
    for event in events:
        shown = live[event["event_id"]]
        assert {**shown, "offset": None} == event


def test_a_nik_in_a_field_that_should_hold_none_is_hidden_everywhere(world):
    gateway = world.gateway()
    world.sink("satu_data")
    nik = "3509010101900001"
    assert post(gateway, "/v1/payments", payment_body(case_id="NIK", reference=f"tagihan {nik}"))[0] == 201
    assert post(gateway, "/v1/approvals", {**approval("NIK"), "letter_number": f"470/{nik}/2026"})[0] == 201
    for table in ("approvals", "payments"):
        world.wait_rows("satu_data", f"SELECT count(*) FROM satu_data.{table}", 1)
    monitor = monitor_with_satu_data(world)
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == 2, 90, "both are seen")
    shown = [event for _, name, event in stream(monitor, 0.5) if name == "event"]
    case = monitor.get(CASE + "NIK")[1]
    past = monitor.get("/replay?from=2026-01-01T00:00&to=%2B5000d&speed=max")[1]
    assert nik not in json.dumps(shown) + case + past
    for text in (json.dumps(shown, ensure_ascii=False), case, past):
        assert "470/•••/2026" in text and "tagihan •••" in text


def test_an_unknown_case_or_village_is_a_404_in_words(world):
    live_a_case(world)
    monitor = monitor_with_satu_data(world)
    for path in (CASE + "NOBODY", "/v1/cases/99.99.99.2999/X", CASE, "/v1/cases/x", CASE + "a'b%5C", CASE + "%FF"):
        status, text = monitor.get(path)
        assert (status, json.loads(text)["status"]) == (404, 404), path
        assert json.loads(text)["detail_id"]


def test_a_database_that_is_away_is_said_at_once_and_forgotten_when_it_is_back(world):
    world.expects("database|waiting|halted|satu_data")
    live_a_case(world, "ADA")
    monitor = monitor_with_satu_data(world)
    assert monitor.get(CASE + "ADA")[0] == 200
    role = f"monitor_satu_data_{world.tag}"
    world.servers.postgres.sql(f"ALTER ROLE \"{role}\" NOLOGIN")
    world.servers.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")

    def refused():
        status, text = monitor.get(CASE + "ADA")
        return status == 503 and json.loads(text)["detail_id"]

    wait_until(refused, 20, "it says so")
    assert monitor.get("/v1/summary")[0] == 200
    assert json.loads(monitor.get("/v1/villages/" + VILLAGES[0])[1])["village_code"] == VILLAGES[0]
    world.servers.postgres.sql(f"ALTER ROLE \"{role}\" LOGIN")
    wait_until(lambda: monitor.get(CASE + "ADA")[0] == 200, 30, "it is back")


def test_a_database_that_stands_still_holds_up_nobody(world):
    """Its backend is stopped, as on a machine that hangs: it does not even end what takes too long."""
    world.expects("satu_data: the database gave no answer")
    live_a_case(world, "DIAM")
    monitor = monitor_with_satu_data(world)
    assert monitor.get(CASE + "DIAM")[0] == 200
    role = f"monitor_satu_data_{world.tag}"

    def backends():
        return [int(pid) for (pid,) in world.servers.postgres.sql(f"SELECT pid FROM pg_stat_activity WHERE usename = '{role}'")]

    (frozen,) = backends()
    os.kill(frozen, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as asking:
            case = asking.submit(monitor.get, CASE + "DIAM", seconds=25)
            village = asking.submit(monitor.get, "/v1/villages/" + VILLAGES[0], seconds=25)
        assert case.result()[0] == 503 and json.loads(case.result()[1])["detail_id"]
        assert village.result()[0] == 200
        wait_until(lambda: monitor.get(CASE + "DIAM")[0] == 200, 30, "it asks over another connection")
    finally:
        os.kill(frozen, signal.SIGCONT)
    wait_until(lambda: frozen not in backends(), 20, "the one that stood still ends")


def test_without_satu_data_a_case_is_a_503_that_says_which_setting(lonely):
    monitor = lonely.monitor()
    status, text = monitor.get(CASE + "X")
    assert status == 503 and "satu_data" in json.loads(text)["detail"]


def test_a_villages_streams_say_what_satu_data_has(world):
    live_a_case(world)
    monitor = monitor_with_satu_data(world)

    def applied():
        village = json.loads(monitor.get("/v1/villages/" + VILLAGES[0])[1])
        return {stream["topic"].split(".")[1]: stream["departments"]["satu_data"] for stream in village["streams"]
                if "satu_data" in stream["departments"]}

    wait_until(lambda: len(applied()) == 3, 20, "its heartbeat is heard")
    assert applied()["requests"] == {"applied": 2, "dead": 0, "parked": 0, "missing": 0}
