# SPDX-License-Identifier: MIT
"""One record out of Kafka, by its place: masked, or open to an auditor whose reason is kept."""
import json
import os
import signal
import socket
import struct

import psycopg2
from confluent_kafka import Producer, TopicPartition
from conftest import VILLAGES, payment_body, post, request_body
from hub.base import wait_until
from test_monitor_access import AUDITOR, WATCHER, bearer, tokens_file
from watching import stream


def await_events(monitor, count, headers=None):
    """A gateway may have to try a topic again that was made a moment ago, which it does after a minute."""
    wait_until(lambda: json.loads(monitor.get("/v1/summary", headers)[1])["newest"] == count, 90, f"{count} events are seen")


def place(event):
    return f"/v1/records/{event['topic']}/{event['partition']}/{event['offset']}"


def test_a_record_is_shown_as_the_stream_showed_it(world):
    gateway = world.gateway()
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    monitor = world.monitor()
    await_events(monitor, 2)
    for event in [data for _, name, data in stream(monitor, 0.5) if name == "event"]:
        status, text = monitor.get(place(event))
        assert status == 200, text
        assert json.loads(text) == {"topic": event["topic"], "partition": event["partition"], "offset": event["offset"],
                                    "at": event["appended_at"], "event": event}
        assert "Siti" not in text and "Budi" not in text


def test_a_record_that_is_not_there_is_a_404_that_says_why(world):
    topic = world.topic("requests")
    producer = Producer({"bootstrap.servers": world.brokers, "transactional.id": world.tag})
    producer.init_transactions()
    for number in range(2):  # each ends in a mark of the broker's, at an offset of its own
        producer.begin_transaction()
        producer.produce(topic, value=b"Siti Rahayu", key=VILLAGES[0], partition=0)
        producer.commit_transaction()
    monitor = world.monitor()
    await_events(monitor, 2)

    def ask(place):
        status, text = monitor.get("/v1/records/" + place)
        return status, json.loads(text).get("type", "").rpartition(":")[2] or json.loads(text)["event"]

    status, event = ask(f"{topic}/0/2")
    assert (status, event["undecodable"], event["offset"]) == (200, True, 2) and "Siti" not in json.dumps(event)
    assert [ask(f"{topic}/0/{offset}") for offset in (1, 3, 4, 10 ** 17)] == [(404, "gap"), (404, "gap"), (404, "not-yet"), (404, "not-yet")]
    assert ask(f"{topic}/1/0") == (404, "not-yet")
    for removed in world.admin.delete_records([TopicPartition(topic, 0, 1)]).values():
        removed.result()
    assert ask(f"{topic}/0/0") == (404, "gone")
    for path in ("", topic, f"{topic}/0", f"{topic}/0/", f"{topic}/0/x", f"{topic}/0/-1", f"{topic}/12/0", f"{topic}/0/0/0", "x/0/0",
                 world.topic("status") + "/0/0", f"{topic}/0/1%00", f"{topic}/{'9' * 30}/0"):
        assert ask(path) == (404, "not-found"), path


def test_a_broker_that_stands_still_holds_up_nobody(world):
    world.expects("reading again|waiting")
    monitor = world.monitor()
    broker = world.servers.kafka.process.pid()
    os.kill(broker, signal.SIGSTOP)
    try:
        status, text = monitor.get(f"/v1/records/{world.topic('requests')}/0/0", seconds=25)
        assert status == 503 and "Kafka tidak menjawab" in json.loads(text)["detail_id"]
        assert monitor.get("/v1/summary", seconds=5)[0] == 200
    finally:
        os.kill(broker, signal.SIGCONT)
    wait_until(lambda: monitor.get(f"/v1/records/{world.topic('requests')}/0/0")[0] == 404, 30, "it answers again")


def audit(world):
    return world.sql("satu_data", "SELECT who, what, reason, village_code, case_id FROM kentongan.audit ORDER BY at")


def monitor_for_auditors(world, **settings):
    path = tokens_file(world, ("ruang-pantau", WATCHER, "watch"), ("inspektorat", AUDITOR, "watch,audit"))
    return world.monitor(tokens=path, satu_data=world.conninfo("satu_data", f"monitor_satu_data_{world.tag}"), **settings)


def test_an_auditor_sees_a_record_open_and_that_is_kept_first(world):
    assert post(world.gateway(), "/v1/requests", request_body(case_id="BUKA"))[0] == 201
    world.department("satu_data")
    monitor = monitor_for_auditors(world)
    topic = world.topic("requests")
    await_events(monitor, 1, bearer(WATCHER))
    (found,) = [part for part in range(12) if monitor.get(f"/v1/records/{topic}/{part}/0", bearer(AUDITOR))[0] == 200]
    path = f"/v1/records/{topic}/{found}/0"
    assert "Siti" not in monitor.get(path, bearer(AUDITOR))[1]
    assert monitor.get(path)[0] == 401
    assert monitor.get(path, bearer(WATCHER, X_Kentongan_Reason="ingin tahu saja"))[0] == 403
    assert monitor.get(path, bearer(AUDITOR, X_Kentongan_Reason="x"))[0] == 400
    assert audit(world) == []
    status, text = monitor.get(path, bearer(AUDITOR, X_Kentongan_Reason="aduan 12/2026"))
    assert status == 200 and json.loads(text)["event"]["applicant_name"] == "Siti Rahayu"
    assert audit(world) == [("inspektorat", f"record {topic} {found} 0", "aduan 12/2026", VILLAGES[0], "BUKA")]
    world.sql("satu_data", "ALTER TABLE kentongan.audit RENAME TO elsewhere")
    world.expects("satu_data: ")
    status, text = monitor.get(path, bearer(AUDITOR, X_Kentongan_Reason="aduan 12/2026"))
    assert status == 503 and "Siti" not in text
    assert "Siti" not in world.logs()


def test_an_auditors_replay_is_open_and_kept_before_its_first_event(world):
    assert post(world.gateway(), "/v1/requests", request_body(case_id="BUKA"))[0] == 201
    world.department("satu_data")
    monitor = monitor_for_auditors(world)
    await_events(monitor, 1, bearer(WATCHER))
    past = "/replay?from=2026-01-01T00:00&to=%2B5000d&speed=max&topic=requests"
    assert monitor.get(past, bearer(WATCHER, X_Kentongan_Reason="ingin tahu saja"))[0] == 403
    assert monitor.get(past, bearer(AUDITOR, X_Kentongan_Reason="x"))[0] == 400
    assert audit(world) == []
    status, text = monitor.get(past, bearer(AUDITOR, X_Kentongan_Reason="aduan 12/2026"))
    assert status == 200 and '"applicant_name":"Siti Rahayu"' in text
    ((who, what, reason, village, case),) = audit(world)
    assert (who, reason, village, case) == ("inspektorat", "aduan 12/2026", None, None)
    assert what.startswith("replay from 2025-12-31T17:00:00") and what.endswith(" " + world.topic("requests"))
    world.expects("satu_data: |could not be kept")
    world.sql("satu_data", "ALTER TABLE kentongan.audit RENAME TO elsewhere")
    status, text = monitor.get(past, bearer(AUDITOR, X_Kentongan_Reason="aduan 12/2026"))
    assert status == 503 and "Siti" not in text
    assert "Siti" not in world.logs()


def test_an_auditor_who_goes_before_his_replay_begins_stops_nobody(world):
    """What he asked for waits until it is kept; he hangs up meanwhile."""
    assert post(world.gateway(), "/v1/requests", request_body(case_id="BUKA"))[0] == 201
    world.department("satu_data")
    monitor = monitor_for_auditors(world)
    await_events(monitor, 1, bearer(WATCHER))
    holder = psycopg2.connect(world.conninfo("satu_data"))
    holder.cursor().execute("LOCK TABLE kentongan.audit")
    connection = socket.create_connection(monitor.url.split("//")[1].split(":"), timeout=30)
    connection.sendall(b"GET /replay?from=2026-01-01T00:00&to=%2B5000d&speed=max&topic=requests HTTP/1.1\r\nHost: localhost\r\n"
                       b"Authorization: Bearer " + AUDITOR.encode() + b"\r\nX-Kentongan-Reason: aduan 12/2026\r\n\r\n")
    wait_until(lambda: world.sql("satu_data", "SELECT pid FROM pg_locks WHERE NOT granted"), 30, "it waits to be kept")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    assert monitor.get("/healthz")[0] == 200
    holder.close()
    wait_until(lambda: audit(world), 30, "it is kept")
    status, text = monitor.get("/replay?from=2026-01-01T00:00&to=%2B5000d&speed=max&topic=requests",
                               bearer(AUDITOR, X_Kentongan_Reason="aduan 13/2026"))
    assert status == 200 and '"applicant_name":"Siti Rahayu"' in text and len(audit(world)) == 2


def test_without_satu_data_nothing_is_open(world):
    assert post(world.gateway(), "/v1/requests", request_body())[0] == 201
    monitor = world.monitor(tokens=tokens_file(world, ("inspektorat", AUDITOR, "audit")))
    for path in ("/replay?from=2026-01-01T00:00&to=%2B5000d&speed=max", f"/v1/records/{world.topic('requests')}/0/0"):
        status, text = monitor.get(path, bearer(AUDITOR, X_Kentongan_Reason="aduan 12/2026"))
        assert (status == 404 or (status == 503 and "satu_data" in text)) and "Siti" not in text
