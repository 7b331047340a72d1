# SPDX-License-Identifier: MIT
"""SIGSTOP beyond what the group waits for: another sink takes over, and the sleeper is fenced when it wakes."""
import signal

from hub.base import wait_until
from sinks import prove


def owners(stage):
    return {row[0] for row in stage.world.sql("satu_data", "SELECT DISTINCT owner FROM kentongan.log_position")}


def play(stage):
    sinks = [stage.sink(number, **{"kafka.max.poll.interval.ms": 6000}) for number in range(2)]
    for round_number in range(stage.rounds):
        sleeper, other = sinks[round_number % 2], sinks[1 - round_number % 2]
        stage.wait_for_more(120)
        sleeper.process.send(signal.SIGSTOP)
        wait_until(lambda name=other.name: owners(stage) == {name}, 60, "the other has all partitions")
        stage.wait_for_more(120)
        sleeper.process.send(signal.SIGCONT)
        wait_until(lambda name=sleeper.name: name in owners(stage), 120, "the sleeper is back")


prove("sink-pause", 50, play)
