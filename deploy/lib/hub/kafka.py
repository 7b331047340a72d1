# SPDX-License-Identifier: MIT
"""Apache Kafka, one node, in KRaft mode."""
import base64
import hashlib
import os
import signal
import uuid

from hub.base import PROJECT, Trouble, answers, free_port, read, run, wait_until, write
from hub.jars import fetch_kafka
from hub.process import Process

JARS = os.path.join(PROJECT, "build", "kafka")
ARCHIVE = os.path.join(JARS, "kafka.jsa")


def java(*arguments):
    return ["java", *arguments]


class Kafka:
    def __init__(self, folder):
        self.folder = os.path.join(folder, "kafka")
        self.process = Process(folder, "kafka")
        self.conf = os.path.join(self.folder, "server.properties")

    @property
    def port(self):
        return int(read(os.path.join(self.folder, "port"), "0"))

    @property
    def brokers(self):
        return f"127.0.0.1:{self.port}"

    def prepare(self, **settings):
        """Choose ports and format the log folder, once."""
        if os.path.exists(self.conf):
            return
        fetch_kafka()
        os.makedirs(self.folder, exist_ok=True)
        port, controller = free_port(), free_port()
        write(os.path.join(self.folder, "port"), str(port))
        text = read(os.path.join(PROJECT, "deploy", "kafka", "server.properties"))
        text += (f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n"
                 f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n"
                 f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
                 f"log.dirs={self.folder}/data\n")
        text += "".join(f"{name.replace('_', '.')}={value}\n" for name, value in settings.items())
        write(self.conf + ".draft", text)
        cluster = "K" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]  # one with "-" first is taken for an option
        run(java("-cp", f"{JARS}/*", "kafka.tools.StorageTool", "format", "-t", cluster,
                 "-c", self.conf + ".draft"))
        os.rename(self.conf + ".draft", self.conf)

    def start(self):
        if self.process.is_running():
            return
        archive = ["-XX:SharedArchiveFile=" + ARCHIVE] if os.path.exists(ARCHIVE) else [
            "-XX:ArchiveClassesAtExit=" + self.own_archive]
        log4j = os.path.join(PROJECT, "deploy", "kafka", "log4j2.yaml")
        self.process.start(java(
            "-Xms160m", "-Xmx256m", "-Xmn96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *archive,
            "-Xlog:disable", "-Xlog:all=off", "-Dlog4j2.configurationFile=" + log4j,
            "-cp", f"{JARS}/*", "kafka.Kafka", self.conf))

    def wait(self, seconds=60):
        try:
            wait_until(lambda: answers(self.port), seconds, "Kafka", self.process.is_running)
        except Trouble as trouble:
            raise Trouble(f"{trouble}; {self.process.last_words()}") from None

    @property
    def own_archive(self):
        """Where this broker writes its classes as it ends; only a whole archive gets the name that others read."""
        return f"{ARCHIVE}.{hashlib.sha256(self.folder.encode()).hexdigest()[:12]}"

    def stop(self, number=signal.SIGTERM):
        self.process.stop(number)
        if number == signal.SIGTERM and os.path.exists(self.own_archive):
            os.replace(self.own_archive, ARCHIVE)

    def ends(self, prefix="desa."):
        """Records of each topic whose name begins so."""
        lines = run(java("-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*",
                         "org.apache.kafka.tools.GetOffsetShell",
                         "--bootstrap-server", self.brokers))
        counts = {}
        for line in lines.splitlines():
            parts = line.split(":")
            if len(parts) == 3 and parts[0].startswith(prefix):
                counts[parts[0]] = counts.get(parts[0], 0) + int(parts[2])
        return counts
