# SPDX-License-Identifier: MIT
"""Other people's clients read our topics with the monitor as their registry (Python's is in test_chain.py)."""
import base64
import glob
import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
import uuid
import zipfile

import pytest
from conftest import FULL, PROJECT, payment_body, post, request_body
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
                 "/schemas/ids/1x", "/schemas/ids/-1", "/schemas/ids/+1", "/schemas/ids/01", "/schemas/ids/1/nothing", f"/subjects/{subject}/versions/99",
                 f"/subjects/{subject}/nothing", "/contexts", "/exporters", "/apis/registry/v2/ids/contentIds/99", "/v1/metadata/id"):
        assert monitor.get(path)[0] == 404, path
    for path in ("/subjects", "/schemas/ids/1", "/config", "/mode"):
        assert monitor.get(path, method="DELETE")[0] == 405, path
    text = json.loads(monitor.get("/schemas/ids/1")[1])
    assert text["schemaType"] == "AVRO"
    spaced = json.dumps({"schema": json.dumps(json.loads(text["schema"]), indent=7)})
    found = json.loads(monitor.get(f"/subjects/{subject}", {"Content-Type": "application/json"}, "POST", spaced.encode())[1])
    assert (found["id"], found["version"]) == (1, 1)


long_only = pytest.mark.skipif(not FULL, reason="tests/full fetches and starts it")
CONNECT = os.path.join(PROJECT, "build", "connect")
KASKADE = os.path.join(PROJECT, "build", "kaskade")


def maven_settings(path):
    """Some artefacts name repositories that are gone: everything comes from central, whose address Maven itself knows."""
    home = re.search(r"Maven home: (.*)", subprocess.run(["mvn", "--version"], capture_output=True, text=True, check=True).stdout)[1]
    with zipfile.ZipFile(glob.glob(os.path.join(home, "lib", "maven-model-builder*.jar"))[0]) as jar:
        central = re.search(r"<url>(.*?)</url>", jar.read("org/apache/maven/model/pom-4.0.0.xml").decode())[1]
    path.write_text("<settings><mirrors><mirror><id>central-only</id><mirrorOf>*,!central</mirrorOf>"
                    f"<url>{central}</url></mirror></mirrors></settings>")
    return str(path)


def connect_jars(tmp_path):
    if not glob.glob(os.path.join(CONNECT, "connect-runtime-*.jar")):
        pom = os.path.join(PROJECT, "tests", "connect", "pom.xml")
        subprocess.run(["mvn", "-q", "-B", "-s", maven_settings(tmp_path / "settings.xml"), "-f", pom,
                        "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={CONNECT}"], check=True)
    return os.path.join(CONNECT, "*")


def properties(path, **settings):
    path.write_text("".join(f"{key.replace('__', '.')}={value}\n" for key, value in settings.items()))
    return str(path)


@long_only
def test_kafka_connect_reads_all_three_topics_with_apicurios_converter(chain, tmp_path):
    world, monitor, receipts = chain
    jars = connect_jars(tmp_path)
    worker = properties(
        tmp_path / "worker.properties", bootstrap__servers=world.brokers, listeners="http://127.0.0.1:0", offset__storage__file__filename=tmp_path / "offsets",
        key__converter="org.apache.kafka.connect.storage.StringConverter", value__converter="io.apicurio.registry.utils.converter.AvroConverter",
        value__converter__apicurio__registry__url=monitor.url + "/apis/registry/v2", consumer__auto__offset__reset="earliest",
        **{"value__converter__apicurio__registry__as-confluent": "true", "value__converter__apicurio__registry__use-id": "contentId"})
    sink = properties(tmp_path / "sink.properties", name="sink", connector__class="org.apache.kafka.connect.file.FileStreamSinkConnector",
                      tasks__max="1", topics=",".join(receipts), file=tmp_path / "out")
    with open(tmp_path / "connect.log", "wb") as log:
        process = subprocess.Popen(["java", "-Xmx256m", "-Dorg.apache.logging.log4j.level=WARN", "-cp", jars, "org.apache.kafka.connect.cli.ConnectStandalone", worker, sink],
                                   stdout=log, stderr=log)
    ids = [receipt["event_id"] for receipt in receipts.values()]
    try:
        wait_until(lambda: (tmp_path / "out").exists() and all(event in (tmp_path / "out").read_text() for event in ids), 120,
                   "three records out of Connect", lambda: process.poll() is None)
    finally:
        process.terminate()
        process.wait(30)


def read_screen(arguments, wanted, seconds):
    """What a program of the terminal has shown once wanted is on its screen, or after so many seconds."""
    child, master = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="200", LINES="50")
        os.execv(arguments[0], arguments)
    shown, until = b"", time.monotonic() + seconds
    try:
        while wanted not in shown and time.monotonic() < until:
            if select.select([master], [], [], 1)[0]:
                shown += os.read(master, 65536)
    finally:
        os.kill(child, 15)
        os.waitpid(child, 0)
        os.close(master)
    return shown


@long_only
def test_kaskade_shows_a_record_of_each_topic(chain):
    world, monitor, receipts = chain
    if not os.path.exists(os.path.join(KASKADE, "bin", "kaskade")):
        subprocess.run(["/usr/bin/python3", "-m", "venv", KASKADE], check=True)
        subprocess.run([os.path.join(KASKADE, "bin", "pip"), "install", "-q", "kaskade==5.1.0"], check=True)
    for topic, receipt in receipts.items():
        event_id = receipt["event_id"].encode()
        shown = read_screen([os.path.join(KASKADE, "bin", "kaskade"), "consumer", "-b", world.brokers, "-t", topic, "--earliest", "-k", "string",
                             "-v", "registry", "--registry", "url=" + monitor.url], event_id, 60)
        assert event_id in shown, topic
