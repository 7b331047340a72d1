# SPDX-License-Identifier: MIT
"""Sinks of one department join and leave while records flow."""
from sinks import prove


def play(stage):
    stage.sink(0)
    others = {}
    for _ in range(stage.rounds):
        stage.wait_for_more(120)
        number = stage.random.randint(1, 3)
        if number in others:
            others.pop(number).stop()
        else:
            others[number] = stage.sink(number)
    for other in others.values():
        other.stop()


prove("sink-join", 20, play)
