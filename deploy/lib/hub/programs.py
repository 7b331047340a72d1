# SPDX-License-Identifier: MIT
"""Our own programs: their settings, their addresses, and what they say of themselves."""
import http.client
import json
import os
import urllib.parse

from hub.base import PROJECT, Trouble, read, run, wait_until, write
from hub.process import Process


class Program:
    """One of ours: a conf file, an address file, a log."""

    def __init__(self, folder, name, binary, settings):
        self.name = name
        self.process = Process(folder, name)
        self.binary = binary
        self.conf = os.path.join(folder, "conf", name + ".conf")
        self.address_file = os.path.join(folder, "run", name + ".address")
        self.settings = settings

    @property
    def program(self):
        return os.path.basename(self.binary)

    @property
    def url(self):
        return (read(self.address_file, "") or "").strip()

    def prepare(self):
        """Write the settings; a port that the kernel chose once is kept."""
        os.makedirs(os.path.dirname(self.conf), exist_ok=True)
        os.makedirs(os.path.dirname(self.address_file), exist_ok=True)
        listen = "127.0.0.1:0"
        if self.url:
            listen = urllib.parse.urlsplit(self.url).netloc
        settings = {"listen": listen, "address_file": self.address_file, **self.settings}
        write(self.conf, "".join(f"{key} = {value}\n" for key, value in settings.items()))

    def start(self):
        if self.process.is_running():
            return
        self.prepare()
        self.process.start([self.binary, "--conf", self.conf])

    def wait(self, seconds=20):
        """Until it listens; a wrong setting is told in its own words."""
        try:
            wait_until(lambda: self.url and self.get("/healthz")[0] == 200, seconds, self.name,
                       self.process.is_running)
        except Trouble as trouble:
            raise Trouble(f"{trouble}; {self.process.last_words()}") from None

    def get(self, path, headers=None, method="GET", body=None, seconds=30):
        """(status, body); (0, reason) when nobody answers."""
        place = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=seconds)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as reason:
            return 0, str(reason)
        finally:
            connection.close()

    def metrics(self):
        """Name with labels -> number."""
        found = {}
        for line in self.get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                found[name] = float(value)
        return found

    def stop(self):
        self.process.stop()


def gateway(folder, binaries, village, brokers, schemas, **settings):
    name = "gateway-" + village
    spool = os.path.join(folder, "spool", village + ".db")
    os.makedirs(os.path.dirname(spool), mode=0o700, exist_ok=True)
    return Program(folder, name, os.path.join(binaries, "kentongan-gateway"), {
        "village": village, "brokers": brokers, "spool": spool, "schemas": schemas, **settings})


def sink(folder, binaries, department, database, brokers, schemas, **settings):
    name = "sink-" + os.path.basename(department)
    return Program(folder, name, os.path.join(binaries, "kentongan-sink"), {
        "department": department, "database": database, "brokers": brokers, "schemas": schemas,
        **settings})


def monitor(folder, binaries, brokers, schemas, departments, **settings):
    return Program(folder, "monitor", os.path.join(binaries, "kentongan-monitor"), {
        "brokers": brokers, "schemas": schemas, "departments": ", ".join(departments),
        "villages": os.path.join(PROJECT, "data", "villages.csv"), **settings})


def kentongan(binaries, *arguments):
    return run([os.path.join(binaries, "kentongan"), *arguments], cwd=PROJECT)


def post_batch(program, lines):
    """Post NDJSON lines; their receipts."""
    body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    status, text = program.get("/v1/batch", {"Content-Type": "application/x-ndjson"}, "POST", body)
    if status != 201:
        raise Trouble(f"{program.name} refused a batch: {status} {text[:500]}")
    return json.loads(text)["receipts"]
