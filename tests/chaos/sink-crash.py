# SPDX-License-Identifier: MIT
"""The database crashes (as pg_ctl stop -m immediate) and recovers."""
import signal

from sinks import prove


def play(stage):
    stage.sink()
    for _ in range(stage.rounds):
        stage.wait_for_more()
        stage.pause(0.1)
        stage.servers.postgres.stop(signal.SIGQUIT)
        stage.servers.postgres.start()
        stage.servers.postgres.wait()


prove("sink-crash", 100, play)
