# SPDX-License-Identifier: MIT
"""A real log through the whole chain, and the answer that anybody must get from it."""
import json
import os
import subprocess

import pytest
from conftest import PROJECT, SHARED, VILLAGES
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
