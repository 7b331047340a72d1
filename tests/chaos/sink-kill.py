# SPDX-License-Identifier: MIT
"""kill -9 of the sink at random moments, before, during and after COMMIT."""
import signal

from sinks import prove


def play(stage):
    sink = stage.sink()
    for _ in range(stage.rounds):
        stage.wait_for_more()
        stage.pause(0.05)
        sink.process.stop(signal.SIGKILL)
        sink.start()


prove("sink-kill", 1000, play)
