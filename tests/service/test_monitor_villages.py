# SPDX-License-Identifier: MIT
"""What the monitor knows of villages, by their own heartbeats, and what it says is wrong."""
import json

from conftest import VILLAGES, payment_body, post, request_body
from hub.base import wait_until


def ask(monitor, path):
    status, text = monitor.get(path)
    assert status == 200, text
    return json.loads(text)


def village(monitor, code=VILLAGES[0]):
    return ask(monitor, "/v1/villages/" + code)


def alarms(monitor):
    return {alarm["id"]: alarm for alarm in ask(monitor, "/v1/summary")["alarms"]}


def is_live(monitor):
    return not ask(monitor, "/v1/summary")["reading"]


def test_a_village_is_unknown_then_quiet_then_sending(world):
    monitor = world.monitor()
    assert village(monitor)["state"] == "unknown"
    assert village(monitor)["status"] is None and village(monitor)["streams"] == []
    gateway = world.gateway()
    wait_until(lambda: village(monitor)["state"] == "quiet", 20, "its heartbeat is heard")
    found = village(monitor)
    assert found["pending"] == 0 and found["oldest_pending_at"] is None and found["reported_at"]
    assert (found["kind"], found["district"]) == ("desa", "Jombang")
    assert (found["latitude"], found["longitude"]) == (-8.227401, 113.335241)
    post(gateway, "/v1/requests", request_body())
    wait_until(lambda: village(monitor)["state"] == "sending", 20, "its event is seen")
    assert ask(monitor, "/v1/summary")["states"]["sending"] == 1


def test_a_heartbeat_is_shown_as_the_village_said_it(world):
    gateway = world.gateway()
    monitor = world.monitor()
    wait_until(lambda: village(monitor)["status"], 20, "a heartbeat")
    said, shown = json.loads(gateway.get("/v1/status")[1]), village(monitor)["status"]
    assert shown["incarnation"] == said["incarnation"] and shown["accepting"] is True
    assert shown["link"]["state"] in ("up", "down") and shown["disk"]["free_bytes"] > 0
    assert {topic["topic"] for topic in shown["topics"]} == {world.topic(name) for name in ("requests", "approvals", "payments")}
    assert {stream["topic"]: stream["incarnation"] for stream in village(monitor)["streams"]}[world.topic("payments")] == said["incarnation"]


def test_heartbeats_from_before_the_start_are_known(world):
    gateway = world.gateway()
    monitor = world.monitor()
    wait_until(lambda: village(monitor)["state"] == "quiet", 20, "its heartbeat is heard")
    gateway.stop()
    monitor.stop()
    monitor.start()
    monitor.wait()
    wait_until(lambda: monitor.get("/readyz")[0] == 200, 20, "it can do its work")
    assert is_live(monitor)
    assert village(monitor)["reported_at"] is not None


def test_the_picture_of_the_last_hour_and_of_the_departments(world):
    gateway = world.gateway()
    world.sink("dpmd")
    monitor = world.monitor(["dpmd"])
    for number in range(20):
        post(gateway, "/v1/payments", payment_body(case_id=f"A-{number}"))

    def department():
        found = ask(monitor, "/v1/departments")["departments"][0]
        return found if found["applied"] == 20 and found["lag"] == 0 else None

    found = wait_until(department, 30, "all is applied and reported")
    assert found["state"] == "running" and found["reason"] is None and found["lag_seconds"] == 0
    assert found["dead"] == 0 and found["parked"] == 0 and found["title"] and found["last_row_at"]
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    wait_until(lambda: ask(monitor, "/v1/summary")["newest"] == 20, 20, "all are seen")
    summary = ask(monitor, "/v1/summary")
    assert 0 < summary["latency"]["p50_ms"] <= summary["latency"]["p99_ms"]
    assert summary["latency"]["applied_p99_ms"] == found["p99_ms"]
    minutes = summary["minutes"]
    assert all(len(minutes[name]) == 60 for name in ("delivered_p50_ms", "delivered_p99_ms", "applied_p99_ms", "waiting"))
    assert [point for point in minutes["delivered_p99_ms"] if point is not None]
    assert "changed" not in summary


def test_a_halted_department_is_an_alarm_with_its_reason_and_the_next_step(world):
    world.expects("halted|waiting|database")
    gateway = world.gateway()
    world.sink("dinsos")
    monitor = world.monitor(["dinsos"])
    name = f"dinsos_{world.tag}"
    wait_until(lambda: ask(monitor, "/v1/departments")["departments"][0]["state"] == "running", 30, "it runs")
    assert f"halted:department:{name}" not in alarms(monitor)
    tables = world.sql("dinsos", "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                                 "WHERE schemaname = 'dinsos'")
    assert tables
    for (table,) in tables:
        world.sql("dinsos", f"ALTER TABLE {table} RENAME TO {table.split('.')[1]}_away")
    post(gateway, "/v1/payments", payment_body())
    found = wait_until(lambda: alarms(monitor).get(f"halted:department:{name}"), 30, "the alarm")
    assert found["severity"] == "bad" and found["subject"] == f"department:{name}" and found["since"]
    assert "berhenti" in found["text_id"] and "halted" in found["text_en"] and found["next_id"] and found["next_en"]
    department = ask(monitor, "/v1/departments")["departments"][0]
    assert department["state"] == "halted" and "SQLSTATE 42" in department["reason"]
    assert wait_until(lambda: ask(monitor, "/v1/departments")["departments"][0]["lag"], 20, "the lag") == 1
    assert ask(monitor, "/v1/departments")["departments"][0]["lag_seconds"] is not None
    for (table,) in tables:
        schema, plain = table.split(".")
        world.sql("dinsos", f"ALTER TABLE {schema}.{plain}_away RENAME TO {plain}")
    wait_until(lambda: f"halted:department:{name}" not in alarms(monitor), 30, "it is mended")
