# SPDX-License-Identifier: MIT
"""Metrics as Prometheus itself reads them; rules and dashboard ask for nothing that no program gives."""
import json
import os
import re
import subprocess

import pytest
from conftest import PROJECT, VILLAGES, payment_body, post
from hub.base import wait_until

PROMTOOL = os.path.join(PROJECT, ".venv", "bin", "promtool")
MONITORING = os.path.join(PROJECT, "deploy", "monitoring")

pytestmark = pytest.mark.skipif(not os.path.exists(PROMTOOL), reason="promtool: tests/run install fetches it")


def promtool(*arguments, text=None):
    return subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True, check=False)


def names(text):
    """Names of series in a text of metrics."""
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}


@pytest.fixture
def texts(world):
    """Program -> what its /metrics says after an event has passed."""
    gateway = world.gateway()
    sink = world.sink("dpmd")
    monitor = world.monitor(["dpmd"])
    post(gateway, "/v1/payments", payment_body())
    wait_until(lambda: json.loads(monitor.get("/v1/departments")[1])["departments"][0]["applied"] == 1, 30, "it is applied and reported")
    wait_until(lambda: json.loads(monitor.get("/v1/villages/" + VILLAGES[0])[1])["reported_at"], 30, "a heartbeat")
    return {program.name: program.get("/metrics")[1] for program in (gateway, sink, monitor)}


def test_every_programs_metrics_are_read_and_rules_and_dashboard_ask_for_nothing_else(texts):
    given = set()
    for name, text in texts.items():
        found = promtool("check", "metrics", text=text)
        assert (found.returncode, found.stdout + found.stderr) == (0, ""), name
        assert not re.search(r"NIK|35\.09|Budi|BLT-1", text), name
        given |= names(text)
    with open(os.path.join(MONITORING, "grafana.json"), encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    with open(os.path.join(MONITORING, "alerts.yml"), encoding="utf-8") as file:
        rules = file.read()
    asked = set(re.findall(r"kentongan_[a-z_]+", " ".join(target["expr"] for panel in panels for target in panel["targets"])))
    asked |= set(re.findall(r"kentongan_[a-z_]+", rules))
    assert len(asked) > 15 and asked <= given, asked - given
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_alert_rules_do_what_their_tests_say():
    found = promtool("test", "rules", os.path.join(MONITORING, "alerts_test.yml"))
    assert found.returncode == 0, found.stdout + found.stderr
    found = promtool("check", "config", "--syntax-only", os.path.join(MONITORING, "prometheus.yml"))
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_rule_is_tested_both_ways_or_at_least_seen_to_fire():
    with open(os.path.join(MONITORING, "alerts.yml"), encoding="utf-8") as file:
        rules = set(re.findall(r"alert: (\w+)", file.read()))
    with open(os.path.join(MONITORING, "alerts_test.yml"), encoding="utf-8") as file:
        fired = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts", file.read()))
    assert rules == fired
