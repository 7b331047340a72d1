# SPDX-License-Identifier: MIT
"""The database is put back to an older physical copy, as when a replica that was behind takes over."""
import shutil
import subprocess

from sinks import prove


def play(stage):
    stage.sink()
    postgres = stage.servers.postgres
    copy = postgres.data + ".copy"
    for _ in range(stage.rounds):
        stage.wait_for_more()
        postgres.stop()
        subprocess.run(["cp", "-a", postgres.data, copy], check=True)
        postgres.start()
        postgres.wait()
        for _ in range(3):
            stage.wait_for_more()
        postgres.stop()
        shutil.rmtree(postgres.data)
        shutil.move(copy, postgres.data)
        postgres.start()
        postgres.wait()


prove("sink-restore", 10, play)
