# SPDX-License-Identifier: MIT
"""The monitor's replay: the past as Server-Sent Events, many at once, none in another's way."""
import http.client
import json
import os
import subprocess
import threading
import time
import urllib.parse

import pytest
from conftest import BINARIES, VILLAGES, World
from hub import programs
from hub.base import wait_until
from test_replay import Past, place, rfc


class Stream:
    """One replay as a page reads it."""

    def __init__(self, monitor, **query):
        self.place = urllib.parse.urlsplit(monitor.url)
        self.connection = http.client.HTTPConnection(self.place.hostname, self.place.port, timeout=30)
        self.connection.request("GET", "/replay?" + urllib.parse.urlencode(query))
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def __iter__(self):
        """(event, data, id) until the end."""
        event, data, ident = "message", "", ""
        for line in self.answer:
            line = line.decode().rstrip("\n")
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data = line[6:]
            elif line.startswith("id: "):
                ident = line[4:]
            elif line == "" and data:
                yield event, json.loads(data), ident
                event, data, ident = "message", "", ""

    def all(self):
        found = list(self)
        self.connection.close()
        return found


def events(found):
    return [data for event, data, _ in found if event == "event"]


@pytest.fixture(scope="module")
def hub(servers, tmp_path_factory):
    """A past, and a monitor that shows it."""
    world = World(servers, tmp_path_factory.mktemp("hub"))
    world.make_topics()
    past = Past(world)
    past.monitor = world.monitor()
    past.span = {"from": rfc(past.rows[0][0]), "to": rfc(past.rows[-1][0] + 1)}
    yield past
    world.stop()
    assert world.unannounced() == []


def test_the_page_sees_what_the_command_prints(hub):
    found = Stream(hub.monitor, **hub.span, speed="max").all()
    assert events(found) == hub.replay()
    assert [place(data) for data in events(found)] == hub.rows
    assert found[-1][:2] == ("end", {"events": 300, "reason": "end"})
    positions = [data for event, data, _ in found if event == "position"]
    assert positions[-1]["events"] == 300
    assert positions[-1]["cursor"] == [ident for event, _, ident in found if event == "event"][-1]


def test_who_goes_on_behind_an_event_misses_none_and_sees_none_twice(hub):
    whole = events(Stream(hub.monitor, **hub.span, speed="max").all())
    parts, after = [], ""
    while True:
        found = Stream(hub.monitor, **hub.span, speed="max", limit=37, after=after).all()
        parts += events(found)
        if found[-1][1]["reason"] == "end":
            break
        after = [ident for event, _, ident in found if event == "event"][-1]
    assert parts == whole


def test_filters_are_those_of_the_command(hub):
    found = Stream(hub.monitor, **hub.span, speed="max", village=VILLAGES[2], topic="payments," + hub.topics[0]).all()
    assert events(found) == hub.replay("--village", VILLAGES[2], "--topic", "payments", "--topic", "requests") != []
    found = Stream(hub.monitor, **hub.span, speed="max", case="KASUS-1-2", service="blt-dd").all()
    assert events(found) == hub.replay("--case", "KASUS-1-2", "--service", "blt-dd") != []


def test_a_replay_takes_the_time_that_it_took_and_says_where_it_is(hub):
    spans = [later[0] - earlier[0] for earlier, later in zip(hub.rows, hub.rows[1:])]
    assert max(spans) > 0
    seen = []
    for event, data, _ in Stream(hub.monitor, **hub.span, speed="1"):
        seen.append((event, data))
    assert len([1 for event, _ in seen if event == "event"]) == 300
    times = [data["at"] for event, data in seen if event == "position"]
    assert len(times) > 1 and times == sorted(times)


def test_twenty_watch_at_once_and_the_next_is_told_to_wait(hub):
    slow = [Stream(hub.monitor, **{**hub.span, "to": "+1d"}, speed="0.01") for _ in range(20)]
    assert [stream.status for stream in slow] == [200] * 20
    refused = Stream(hub.monitor, **hub.span)
    assert refused.status == 503 and "detail_id" in json.loads(refused.answer.read())
    assert json.loads(hub.monitor.get("/v1/summary")[1])["broker"] == "up"  # the live view goes on
    for stream in slow:
        stream.connection.close()
    wait_until(lambda: Stream(hub.monitor, **hub.span, speed="max").status == 200, 30, "a place is free again")
    results = {}

    def watch(number):
        results[number] = events(Stream(hub.monitor, **hub.span, speed="max").all())

    wait_until(lambda: all_at_once(watch, results), 60, "all twenty were served")
    assert all(results[number] == results[0] and len(results[0]) == 300 for number in range(20))


def test_a_slow_watcher_slows_nobody_else_and_misses_nothing(world):
    world.expects("monitor - waiting: ")
    count = 20000  # more than any buffer on the way holds
    topic = world.topic("requests")
    begin = time.time()
    subprocess.run([os.path.join(os.path.dirname(BINARIES), "tests", "backlog"), world.brokers, topic, str(count), "5"],
                   check=True, capture_output=True)
    span = {"from": rfc(int(begin * 1000)), "to": "+1d", "topic": topic}
    monitor = world.start(programs.monitor(world.folder, BINARIES, world.brokers, world.schemas, [], replay_rate=0))
    slow = Stream(monitor, **span, speed="max")
    quick = Stream(monitor, **span, speed="max").all()
    assert quick[-1][:2] == ("end", {"events": count, "reason": "end"})
    assert monitor.get("/v1/summary")[0] == 200
    found = slow.all()
    assert events(found) == events(quick)
    left = Stream(monitor, **span, speed="1")  # whoever still watches does not keep the monitor from ending
    monitor.stop()
    left.connection.close()


def all_at_once(watch, results):
    """Places become free one by one, so an early try may be refused."""
    results.clear()
    threads = [threading.Thread(target=watch, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return all(results.get(number) for number in range(20))


def minutes(hub, **query):
    status, text = hub.monitor.get("/v1/minutes?" + urllib.parse.urlencode(query))
    return status, json.loads(text)


def test_the_bar_of_time_counts_what_the_broker_has(hub):
    first = hub.rows[0][0] // 60000 * 60000
    wanted = {topic: {} for topic in hub.topics}
    for time, topic, *_ in hub.rows:
        minute = (time - first) // 60000
        wanted[topic][minute] = wanted[topic].get(minute, 0) + 1
    for _ in range(2):  # the second is answered from what is known
        status, found = minutes(hub, **{"from": rfc(first), "to": "+1h"})
        assert status == 200 and found["step_s"] == 60
        assert {topic: {i: n for i, n in enumerate(counts) if n} for topic, counts in found["counts"].items()} == wanted
        assert all(len(counts) == 60 for counts in found["counts"].values())
    status, found = minutes(hub, **{"from": rfc(first - 86400000), "to": rfc(first + 3600000), "topic": "payments"})
    assert found["step_s"] == 300 and list(found["counts"]) == [hub.topics[2]]
    assert sum(found["counts"][hub.topics[2]]) == sum(wanted[hub.topics[2]].values())
    status, found = minutes(hub, **{"from": rfc(first), "to": "+3d"})
    assert status == 400 and "48" in found["detail"]


@pytest.mark.parametrize("query, words", (
    ({"from": "kemarin", "to": "+2h"}, "from: expected"),
    ({"from": "2026-11-21T08:00", "to": "+2x"}, "expected a span"),
    ({"from": "2026-11-21T08:00", "to": "+2h", "speed": "0"}, "speed: expected"),
    ({"from": "2026-11-21T08:00", "to": "+2h", "topic": "x"}, "topic: expected"),
    ({"from": "2026-11-21T08:00", "to": "+2h", "after": "x"}, "after: expected"),
    ({"from": "2026-11-21T08:00", "to": "+2h", "after": "9223372036854775807-0-0-0"}, "after: expected"),
    ({"from": "2026-11-21T08:00", "to": "+2h", "after": "-5-0-7-18"}, "after: expected"),
    ({"from": "2026-11-21T08:00", "to": "+2h", "after": "1795222800000000-9-7-18"}, "after: expected"),
    ({"from": "2026-11-21T08:00", "to": "+2h", "limit": "-1"}, "limit: expected"),
    ({"from": "2026-11-21T08:00", "to": "+2h", "district": "Atlantis"}, "district: expected")))
def test_what_cannot_be_understood_is_said_in_two_languages(hub, query, words):
    refused = Stream(hub.monitor, **query)
    problem = json.loads(refused.answer.read())
    assert refused.status == 400 and words in problem["detail"] and problem["detail_id"].endswith(".")


@pytest.mark.parametrize("query", ("district=%00", "village=%00", "case=%00", "service=%00", "topic=%00", "case=%FF", "case=" + "a" * 404,
                                   "topic=payments&topic=requests", "from=2026-11-21T09:00", "to=%2B2h", "topic=" + "payments," * 99))
def test_what_would_be_dropped_in_silence_is_refused(hub, query):
    status, text = hub.monitor.get("/replay?from=2026-11-21T08:00&to=%2B1h&" + query)
    assert status == 400 and json.loads(text)["detail_id"].endswith("."), text
