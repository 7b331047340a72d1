# SPDX-License-Identifier: MIT
"""kill -9 of a gateway at random moments under load, the broker up, stopped for a while, or killed: each acknowledged event
once among Kafka's distinct (incarnation, seq), in order, no number missing, none invented."""
import signal
import time

import gateways


def disturb(kafka, chance):
    kind = chance.random()
    if kind < 0.04:
        kafka.process.send(signal.SIGSTOP)
        time.sleep(chance.uniform(0.5, 3))
        kafka.process.send(signal.SIGCONT)
    elif kind < 0.06:
        kafka.stop(signal.SIGKILL)
        kafka.start()


def prove(folder, rounds, chance):
    scene = gateways.Scene(folder)
    try:
        scene.begin()
        for _ in range(rounds):
            time.sleep(chance.uniform(0.02, 0.5))
            scene.gateway.process.stop(signal.SIGKILL)
            scene.gateway.start()
            scene.gateway.wait()
            disturb(scene.kafka, chance)
        receipts, records, wrong = scene.end()
    finally:
        scene.close()
    return f"{receipts} answered, {records} records on the topic", wrong


if __name__ == "__main__":
    gateways.main("gateway-kill", __doc__, 1000, prove)
