# SPDX-License-Identifier: MIT
"""A proxy in front of PostgreSQL passes COMMIT on and swallows the answer, sometimes before it was given."""
import random
import socket
import threading
import urllib.parse

from hub.base import read, wait_until, write
from sinks import prove


class Proxy(threading.Thread):
    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port, self.random = port, random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.wanted = threading.Event()
        self.swallowed = 0

    def run(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()
                continue
            pair = (client, server)
            threading.Thread(target=self.answers, args=pair, daemon=True).start()
            threading.Thread(target=self.questions, args=pair, daemon=True).start()

    def questions(self, client, server):
        try:
            while data := client.recv(65536):
                swallow = b"COMMIT;" in data and self.wanted.is_set()
                if swallow and self.random.random() < 0.5:
                    client.shutdown(socket.SHUT_RDWR)  # before the answer: nothing more goes back
                server.sendall(data)
                if swallow:
                    self.wanted.clear()
                    self.swallowed += 1
                    client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        finally:
            server.close()

    def answers(self, client, server):
        try:
            while data := server.recv(65536):
                client.sendall(data)
        except OSError:
            pass
        finally:
            client.close()


def play(stage):
    postgres = stage.servers.postgres
    proxy = Proxy(postgres.port, stage.seed)
    proxy.start()
    port = proxy.listener.getsockname()[1]
    passfile = stage.world.folder + "/pgpass"
    write(passfile, read(postgres.passfile).replace(f":{postgres.port}:", ":*:"), 0o600)
    role = f"sink_satu_data_{stage.world.tag}"
    stage.sink(database=f"postgresql://{role}@127.0.0.1:{port}/satu_data_{stage.world.tag}?passfile="
                        + urllib.parse.quote(passfile, safe=""))
    for number in range(stage.rounds):
        stage.wait_for_more()
        proxy.wanted.set()
        wait_until(lambda number=number: proxy.swallowed > number, 60, "an answer was swallowed")


prove("sink-commit", 200, play)
