# SPDX-License-Identifier: MIT
"""Replay: what happened, again, exactly; compared with what kcat reads between the same times."""
import functools
import json
import os
import re
import signal
import subprocess
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from conftest import BINARIES, FULL, PROJECT, VILLAGES, World, payment_body, request_body
from hub.base import wait_until
from hub.hub import Hub
from hub.programs import post_batch

DOTS = "•••"


def kentongan(*arguments, **how):
    return subprocess.run([os.path.join(BINARIES, "kentongan"), *arguments], cwd=PROJECT, capture_output=True, text=True,
                          timeout=120, check=False, **how)


def rfc(time_ms):
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")


class Past:
    """Events of three villages on the topics, and what the broker says of them."""

    def __init__(self, world):
        self.world = world
        self.topics = [world.topic(name) for name in ("requests", "approvals", "payments")]
        for village in VILLAGES[:3]:
            gateway = world.gateway(village)
            for part in range(4):
                post_batch(gateway, [self.line(village, part, i) for i in range(25)])
        wait_until(lambda: len(self.kcat()) == 300, 60, "300 events on the topics")

    def line(self, village, part, i):
        case = f"KASUS-{part}-{i % 5}"
        if i % 3 == 0:
            return {"record": "Payment", **payment_body(case_id=case)}
        if i % 3 == 1:
            return {"record": "Approval", "case_id": case, "service": "surat-keterangan-usaha", "step": "KADES",
                    "decision": "ACCEPTED", "actor": {"role": "KADES", "name": "Pak Lurah"}}
        return {"record": "Request", **request_body(case_id=case)}

    @functools.cached_property
    def rows(self):
        return self.kcat()

    def kcat(self, first=None, end=None):
        """(time, topic, partition, offset, event_id), in the order of a replay."""
        found = []
        for topic in self.topics:
            begin = ["-o", f"s@{first}" if first else "beginning"] + (["-o", f"e@{end}"] if end else [])
            text = subprocess.run(
                ["kcat", "-C", "-e", "-q", "-b", self.world.brokers, "-t", topic, *begin, "-f", "%T %p %o %h\\n"],
                capture_output=True, text=True, check=True, timeout=60).stdout
            for line in text.splitlines():
                time, partition, offset, headers = line.split(" ", 3)
                event = dict(pair.split("=", 1) for pair in headers.split(","))["ce_id"]
                found.append((int(time), topic, int(partition), int(offset), event))
        return sorted(found, key=lambda row: (row[0], self.topics.index(row[1]), *row[2:4]))

    def replay(self, *options, code=0, first=None, end=None):
        rows = self.rows
        done = kentongan("replay", "--brokers", self.world.brokers, "--schemas", self.world.schemas,
                         "--from", first or rfc(rows[0][0]), "--to", end or rfc(rows[-1][0] + 1), *options)
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()] if code == 0 else done.stderr


def place(line):
    time = datetime.fromisoformat(line["appended_at"].replace("Z", "+00:00")).timestamp()
    return round(time * 1000), line["topic"], line["partition"], line["offset"], line["event_id"]


@pytest.fixture(scope="module")
def past(servers, tmp_path_factory):
    """One past for all that only look at it."""
    world = World(servers, tmp_path_factory.mktemp("past"))
    world.make_topics()
    yield Past(world)
    world.stop()
    assert world.unannounced() == []


def test_a_span_equals_what_kcat_reads_between_the_same_times(past):
    rows = past.rows
    times = sorted({row[0] for row in rows})
    assert len(times) > 3, "the events came at different times"
    first, end = times[len(times) // 4], times[len(times) * 3 // 4]
    wanted = past.kcat(first, end)
    assert 0 < len(wanted) < len(rows)
    lines = past.replay(first=rfc(first), end=rfc(end))
    assert [place(line) for line in lines] == wanted
    assert [place(line) for line in past.replay()] == rows


def test_a_time_within_a_millisecond_begins_with_the_next(past):
    first = past.rows[0][0]
    after = rfc(first)[:-6] + "001+00:00"
    assert [place(line) for line in past.replay(first=after)] == [row for row in past.rows if row[0] > first]


def test_filters_take_out_what_was_not_asked_for(past):
    everything = past.replay()
    for options, wanted in (
            (["--village", VILLAGES[1]], lambda line: line["village_code"] == VILLAGES[1]),
            (["--district", "Jombang"], lambda line: line["village_code"].startswith("35.09.01.")),
            (["--district", VILLAGES[1][:8]], lambda line: line["village_code"].startswith(VILLAGES[1][:8])),
            (["--case", "KASUS-2-1"], lambda line: line["case_id"] == "KASUS-2-1"),
            (["--service", "blt-dd"], lambda line: line["service"] == "blt-dd"),
            (["--topic", "payments", "--topic", past.topics[0]], lambda line: line["record"] in ("Payment", "Request"))):
        chosen = [line for line in everything if wanted(line)]
        assert 0 < len(chosen) < len(everything)
        assert past.replay(*options) == chosen, options
    assert past.replay("--village", VILLAGES[0], "--district", "35.09.12") == [], "filters narrow one another"


def test_personal_data_is_masked_unless_a_reason_is_kept(past):
    assert {line["applicant_nik"] for line in past.replay() if line["record"] == "Request"} == {DOTS}
    assert "--audit" in past.replay("--reason", "laporan warga", code=64)
    past.world.department("satu_data")
    kept = ["--audit", past.world.conninfo("satu_data")]
    for reason in ("    ", "x", "dua\nbaris sekaligus"):
        assert "--reason" in past.replay("--reason", reason, *kept, code=64)
    lines = past.replay("--reason", "laporan warga", "--village", VILLAGES[0], "--topic", "requests", "--district", "35.09.01", *kept)
    assert {line["applicant_nik"] for line in lines if line["record"] == "Request"} == {"9909010101900001"}
    (what, *rest), = past.world.sql("satu_data", "SELECT what, reason, village_code, case_id FROM kentongan.audit")
    assert rest == ["laporan warga", VILLAGES[0], None]
    assert re.fullmatch(rf"replay from [0-9T:.-]+Z to [0-9T:.-]+Z {past.world.topic('requests')} district 35.09.01", what), what


def test_a_reason_that_cannot_be_kept_shows_nothing(past):
    assert "audit" in past.replay("--reason", "ingin tahu", "--audit", "host=127.0.0.1 port=1 dbname=x", code=69)


def test_who_replays_is_kept_where_satu_data_is_known_also_masked(past, tmp_path):
    past.world.department("satu_data")
    past.world.department("dinsos")
    options = tmp_path / "kentongan.conf"
    options.write_text(f"audit = {past.world.conninfo('satu_data')}\n")
    before = past.world.sql("satu_data", "SELECT count(*) FROM kentongan.audit")[0][0]
    command = ["replay", "--brokers", past.world.brokers, "--schemas", past.world.schemas, "--from", rfc(past.rows[0][0]), "--to", "+1d"]
    done = kentongan(*command, env={**os.environ, "KENTONGAN_CONF": str(options)})
    assert done.returncode == 0 and len(done.stdout.splitlines()) == len(past.rows) and done.stderr == ""
    rows = past.world.sql("satu_data", "SELECT what, reason FROM kentongan.audit ORDER BY at")
    assert len(rows) == before + 1 and rows[-1][0].startswith("replay from ") and rows[-1][1] == ""
    assert "is not satu_data" in past.replay("--audit", past.world.conninfo("dinsos"), code=64)
    assert "is not satu_data" in past.replay("--reason", "laporan warga", "--audit", past.world.conninfo("dinsos"), code=64)
    assert past.world.sql("dinsos", "SELECT count(*) FROM kentongan.audit") == [(0,)]
    done = kentongan(*command, "--audit", "host=127.0.0.1 port=1 dbname=x")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == len(past.rows) and "is not kept" in done.stderr


def test_the_options_of_a_hub_on_this_machine_are_all_that_a_replay_needs(past, tmp_path):
    world = past.world
    world.department("satu_data")
    (tmp_path / "conf").mkdir()
    hub = SimpleNamespace(folder=str(tmp_path), kafka=world, monitor=lambda: SimpleNamespace(url="http://127.0.0.1:8080"),
                          postgres=SimpleNamespace(conninfo=lambda name, role: world.conninfo(name)))
    named = {**os.environ, "KENTONGAN_CONF": Hub.write_options(hub)}
    span = ["replay", "--from", rfc(past.rows[0][0]), "--to", "+1d", "--village", VILLAGES[0]]
    shown = kentongan(*span, "--reason", "laporan warga", "--schemas", world.schemas, env=named)
    assert shown.returncode == 0 and "9909010101900001" in shown.stdout, shown.stderr
    assert world.sql("satu_data", "SELECT reason FROM kentongan.audit ORDER BY at DESC LIMIT 1") == [("laporan warga",)]
    assert kentongan(*span, "--out", "page", env=named).stdout.startswith("http://127.0.0.1:8080/?from=")


def test_a_limit_takes_so_many_and_no_more(past):
    assert past.replay("--limit", "7") == past.replay()[:7]
    done = kentongan("replay", "--brokers", past.world.brokers, "--schemas", past.world.schemas, "--dry-run", "--json", "--limit", "7",
                     "--from", rfc(past.rows[0][0]), "--to", "+1d", "--speed", "0.01")
    assert sum(row["records"] for row in json.loads(done.stdout)) == 7


def test_a_long_wait_for_the_first_event_is_told(past):
    first = min(row[0] for row in past.rows)
    span = ["replay", "--brokers", past.world.brokers, "--schemas", past.world.schemas, "--from", rfc(first - 3600000), "--to", rfc(first + 1), "--speed", "1"]
    waiting = subprocess.Popen([os.path.join(BINARIES, "kentongan"), *span], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        told = waiting.stderr.readline()
    finally:
        waiting.kill()
        waiting.communicate()
    assert rfc(first)[:19] in told and "3599 s" in told and "--max-gap" in told
    short = kentongan(*span, "--max-gap", "1ms")
    assert short.returncode == 0 and short.stderr == "" and short.stdout


@pytest.mark.parametrize("options", (["--dry-run"], [], ["--out", "page", "--monitor", "http://127.0.0.1:1"]))
def test_what_could_not_be_written_is_no_success(past, options):
    command = [os.path.join(BINARIES, "kentongan"), "replay", "--brokers", past.world.brokers, "--schemas", past.world.schemas,
               "--from", rfc(past.rows[0][0]), "--to", "+1d", *options]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(command, cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 75 and "standard output" in done.stderr


def test_a_dry_run_counts(past):
    done = kentongan("replay", "--brokers", past.world.brokers, "--schemas", past.world.schemas, "--dry-run", "--json",
                     "--from", rfc(past.rows[0][0]), "--to", "+1d")
    counted = {row["topic"]: row for row in json.loads(done.stdout)}
    assert {topic: counted[topic]["records"] for topic in past.topics} == {
        topic: len([row for row in past.rows if row[1] == topic]) for topic in past.topics}
    assert all(row["bytes"] > 0 for row in counted.values())


def test_what_has_left_the_log_is_told(world):
    from confluent_kafka import TopicPartition
    past = Past(world)
    rows = past.rows
    gone = next(row for row in rows if row[3] == 3)
    for removed in past.world.admin.delete_records([TopicPartition(gone[1], gone[2], 2)]).values():
        removed.result()
    done = kentongan("replay", "--brokers", past.world.brokers, "--schemas", past.world.schemas,
                     "--from", rfc(rows[0][0]), "--to", "+1d")
    assert done.returncode == 0 and f"{gone[1]} partition {gone[2]} begins at offset 2" in done.stderr
    assert len(done.stdout.splitlines()) == len(rows) - 2
    done = kentongan("replay", "--brokers", past.world.brokers, "--schemas", past.world.schemas,
                     "--from", rfc(rows[-1][0] + 1), "--to", "+1d")
    assert done.returncode == 0 and done.stderr == "" and done.stdout == ""


def test_what_came_in_one_millisecond_has_an_order_and_strange_records_are_shown(world):
    from confluent_kafka import Producer
    topic = world.topic("payments")
    producer = Producer({"bootstrap.servers": world.brokers, "linger.ms": 0, "batch.num.messages": 1})
    for number in range(3000):
        producer.produce(topic, value=b"none of ours", key=VILLAGES[0], partition=number % 12)
        producer.poll(0)
    assert producer.flush(60) == 0
    done = kentongan("replay", "--brokers", world.brokers, "--schemas", world.schemas, "--from", "2026-01-01T00:00", "--to", "+5000d")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    places = [(line["appended_at"], line["partition"], line["offset"]) for line in lines]
    assert len(lines) == 3000 and places == sorted(places)
    assert len({time for time, *_ in places}) < len({place[:2] for place in places}), "some came to several partitions at once"
    assert all(line["undecodable"] and line["record"] == "Payment" for line in lines)


def test_a_broker_that_is_away_is_told(lonely):
    done = kentongan("replay", "--brokers", "127.0.0.1:1", "--from", "2026-11-21T08:00", "--to", "+2h")
    assert done.returncode == 69 and done.stdout == "" and "desa.requests" in done.stderr


@pytest.mark.skipif(not FULL, reason="waits half a minute; KENTONGAN_FULL=1")
def test_a_broker_that_goes_away_meanwhile_is_told(world):
    count = 100000  # more than is fetched ahead
    begin = rfc(int(time.time() * 1000))
    subprocess.run([os.path.join(os.path.dirname(BINARIES), "tests", "backlog"), world.brokers, world.topic("requests"), str(count),
                    "5"], check=True, capture_output=True)
    replay = subprocess.Popen(
        [os.path.join(BINARIES, "kentongan"), "replay", "--brokers", world.brokers, "--schemas", world.schemas, "--from", begin,
         "--to", "+1d", "--rate", "2M"], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    replay.stdout.readline()
    broker = world.servers.kafka.process.pid()
    os.kill(broker, signal.SIGSTOP)
    try:
        lines, words = replay.communicate(timeout=120)
    finally:
        os.kill(broker, signal.SIGCONT)
    assert replay.returncode == 69 and "gives nothing more" in words and len(lines.splitlines()) < count


@pytest.mark.parametrize("options, words", (
    (["--from", "yesterday", "--to", "+2h"], "from: expected a time"),
    (["--from", "1969-12-31T08:00", "--to", "+2h"], "from: expected a time from 1970 on"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--case", ""], "an option without its value"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--topic", ""], "an option without its value"),
    (["--from", "2026-11-21T08:00", "--to", "2026-11-21T07:00"], "a time behind the first"),
    (["--from", "2026-11-21T08:00", "--to", "+2 hours"], "to: expected a span"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--speed", "fast"], "speed: expected"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--topic", "desa.nothing"], "topic: expected one of the catalog"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--village", "Padomasan"], "village: expected a code"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--district", "Atlantis"], "district: expected"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--max-gap", "soon"], "max-gap: expected a span"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--out", "paper"], "--out takes"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--out", "paper", "--dry-run"], "--out takes"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--preview"], "--preview: replay does not take it"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--personal"], "--personal: replay does not take it"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--database", "dbname=x"], "--database: only with --out department=DIR"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--monitor", "http://x"], "--monitor: only with --out page"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--out", "department=dinsos", "--database", "x", "--limit", "3"], "--limit: a rehearsal"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--out", "page", "--monitor", "ftp://x"], "--monitor takes http"),
    (["--from", "2026-11-21T08:00", "--to", "+2h", "--out", "page", "--monitor", "x", "--max-gap", "5s"], "--max-gap: the page of a replay")))
def test_what_cannot_be_understood_is_said(lonely, options, words):
    done = kentongan("replay", "--brokers", "127.0.0.1:1", *options)
    assert done.returncode == 64 and words in done.stderr and done.stdout == ""


def test_the_page_of_a_replay_is_an_address(lonely):
    done = kentongan("replay", "--out", "page", "--monitor", "http://127.0.0.1:8080/", "--from", "2026-11-21T08:00",
                     "--to", "+2h", "--speed", "60", "--case", "A/1", "--topic", "desa.payments")
    assert done.stdout == ("http://127.0.0.1:8080/?from=2026-11-21T01:00:00.000000Z&to=2026-11-21T03:00:00.000000Z&speed=60"
                           "&case=A%2F1&topic=desa.payments\n")
    done = kentongan("replay", "--out", "page", "--monitor", "http://127.0.0.1:8080", "--from", "2026-11-21T08:00", "--to", "+2h",
                     "--topic", "payments", "--topic", "requests")
    assert done.stdout.endswith("&topic=desa.requests%2Cdesa.payments\n")
