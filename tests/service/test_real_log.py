# SPDX-License-Identifier: MIT
"""A real log through the whole chain, and the answer that anybody must get from it."""
import json
import os
import subprocess

import pytest
from conftest import BINARIES, PROJECT, SHARED, VILLAGES
from hub import programs

LOG = os.path.join(SHARED, "data", "logs", "domestic_declarations.events.csv.gz")
EVENTS, CASES, PAID = 56437, 10500, 10044
BATCH = 1000


def test_ten_thousand_cases_are_paid_and_none_twice(world):
    if not os.path.exists(LOG):
        pytest.skip("../shared/data/logs is not here")
    done = subprocess.run([os.path.join(PROJECT, "tests", "tools", "log_events"), LOG, *VILLAGES],
                          capture_output=True, text=True, check=True)
    gateways = {village: world.gateway(village) for village in VILLAGES}
    world.sink("satu_data")
    waiting = {village: [] for village in VILLAGES}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        waiting[event.pop("village_code")].append(event)
    for village, events in waiting.items():
        for start in range(0, len(events), BATCH):
            programs.post_batch(gateways[village], events[start:start + BATCH])
    world.wait_rows("satu_data", "SELECT coalesce(sum(applied), 0) FROM kentongan.stream_position", EVENTS, 120)
    assert world.accounts("satu_data") == (EVENTS, 0, 0, 0)
    assert world.sql("satu_data", "SELECT count(DISTINCT (village_code, case_id)) FROM satu_data.case_timeline") == [(CASES,)]
    assert world.sql("satu_data", """
        SELECT count(*), max(times) FROM (
            SELECT count(*) AS times FROM satu_data.payments WHERE action = 'PAID' GROUP BY village_code, case_id) paid
        """) == [(PAID, 1)]
    replay = [os.path.join(BINARIES, "kentongan"), "replay", "--brokers", world.brokers, "--schemas", world.schemas, "--rate", "0",
              "--from", "2026-01-01T00:00", "--to", "+5000d"]
    lines = [json.loads(line) for line in subprocess.run(replay, cwd=PROJECT, capture_output=True, check=True).stdout.splitlines()]
    assert len(lines) == EVENTS == len({line["event_id"] for line in lines})
    assert len({(line["village_code"], line["case_id"]) for line in lines if line.get("action") == "PAID"}) == PAID
    places = [(line["appended_at"], line["topic"].split(".")[1] != "requests", line["topic"].endswith("payments"), line["partition"],
               line["offset"]) for line in lines]
    assert places == sorted(places)
    rehearse(world, replay)


def rehearse(world, replay):
    """All of it once more into another database: the same rows, without the sink."""
    scratch = f"scratch_{world.tag}"
    world.servers.postgres.add_database(scratch)
    database = world.servers.postgres.conninfo(scratch, scratch)
    folder = world.department("satu_data")
    done = subprocess.run([*replay, "--out", "department=" + folder, "--database", database, "--json"], cwd=PROJECT,
                          capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"applied": EVENTS, "repeats": 0, "waiting": 0, "dead": {}}
    done = subprocess.run([replay[0], "department", "diff", folder, "--schemas", world.schemas, "--live", world.conninfo("satu_data"),
                           "--scratch", database, "--json"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert sum(row["same"] for row in json.loads(done.stdout)) == EVENTS
