# SPDX-License-Identifier: MIT
"""Other people's clients read our topics with the monitor as their registry (Python's is in test_chain.py)."""
import base64
import json
import os
import shutil
import subprocess
import uuid

import pytest
from conftest import PROJECT, payment_body, post, request_body
from hub.base import wait_until

NPM = os.path.join(PROJECT, "tests", "npm")
TOPICS = ("requests", "approvals", "payments")
APPROVAL = {"case_id": "SKTM-1", "service": "s", "step": "KADES", "decision": "ACCEPTED", "actor": {"role": "KADES"}}


@pytest.fixture
def chain(world):
    """(world, monitor, topic -> receipt) with one event on each topic."""
    gateway = world.gateway()
    monitor = world.monitor()
    bodies = {"requests": request_body(), "approvals": APPROVAL, "payments": payment_body()}
    receipts = {}
    for name in TOPICS:
        status, receipts[world.topic(name)] = post(gateway, "/v1/" + name, bodies[name])
        assert status == 201
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == 3, 30, "three events at the monitor")
    return world, monitor, receipts


def node(script, *arguments, **how):
    if shutil.which("node") is None or not os.path.isdir(os.path.join(NPM, "node_modules")):
        pytest.skip("Node 20 with npm is not here; tests/run install then fetches what tests/npm pins")
    done = subprocess.run(["node", os.path.join(NPM, script), *arguments], capture_output=True, text=True, timeout=90, check=False, **how)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_platformatic_kafka_reads_all_three_topics(chain):
    world, monitor, receipts = chain
    found = node("platformatic.mjs", world.brokers, monitor.url, *receipts)
    assert {topic: record["event_id"] for topic, record in found.items()} == {
        topic: receipt["event_id"] for topic, receipt in receipts.items()}
    assert {record["key"] for record in found.values()} == {"35.09.01.2001"}


def values_of(world, topics):
    from confluent_kafka import Consumer
    consumer = Consumer({"bootstrap.servers": world.brokers, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe(list(topics))
    found = {}

    def poll():
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found[message.topic()] = message.value()
        return len(found) == len(topics)

    wait_until(poll, 30, "a record of each topic")
    consumer.close()
    return found


def test_confluents_javascript_reads_all_three_topics(chain):
    world, monitor, receipts = chain
    lines = "".join(f"{topic} {base64.b64encode(value).decode()}\n" for topic, value in values_of(world, receipts).items())
    found = node("confluent.mjs", monitor.url, input=lines)
    assert {topic: record["event_id"] for topic, record in found.items()} == {
        topic: receipt["event_id"] for topic, receipt in receipts.items()}


def test_the_read_side_answers_404_to_what_it_does_not_know_and_405_to_other_methods(chain):
    world, monitor, _ = chain
    subject = world.topic("requests") + "-value"
    known = ["/subjects", f"/subjects/{subject}/versions", f"/subjects/{subject}/versions/latest", f"/subjects/{subject}/versions/1",
             f"/subjects/{subject}/versions/-1", "/schemas/ids/1", "/schemas/ids/1/versions", "/schemas/ids/1/subjects",
             "/schemas/ids/1/schema", "/schemas/types", "/config", f"/config/{subject}", "/mode", "/apis/registry/v2/ids/contentIds/1",
             "/apis/registry/v3/ids/contentIds/1/references", "/schemas/ids/1?fetchMaxId=false&subject=x"]
    for path in known:
        status, body = monitor.get(path)
        assert status == 200 and json.loads(body) is not None, path
    for path in ("/associations/x", "/subjects/nobody/versions", "/subjects/nobody/versions/1", "/schemas/ids/99", "/schemas/ids/x",
                 "/schemas/ids/1x", "/schemas/ids/-1", "/schemas/ids/1/nothing", f"/subjects/{subject}/versions/99",
                 f"/subjects/{subject}/nothing", "/contexts", "/exporters", "/apis/registry/v2/ids/contentIds/99", "/v1/metadata/id"):
        assert monitor.get(path)[0] == 404, path
    for path in ("/subjects", "/schemas/ids/1", "/config", "/mode"):
        assert monitor.get(path, method="DELETE")[0] == 405, path
    text = json.loads(monitor.get("/schemas/ids/1")[1])
    assert text["schemaType"] == "AVRO"
    spaced = json.dumps({"schema": json.dumps(json.loads(text["schema"]), indent=7)})
    found = json.loads(monitor.get(f"/subjects/{subject}", {"Content-Type": "application/json"}, "POST", spaced.encode())[1])
    assert (found["id"], found["version"]) == (1, 1)
