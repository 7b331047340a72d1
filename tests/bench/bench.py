#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What tests/bench/run measures. Every figure stands beside a bound that was taken in the same run."""
import datetime
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(PROJECT, "deploy", "lib"))

from connect import RUNS as CONNECT_RUNS, Connect  # noqa: E402
from hub import programs  # noqa: E402
from hub.base import read, run, wait_until, write  # noqa: E402
from hub.kafka import Kafka  # noqa: E402
from hub.postgres import Postgres  # noqa: E402

BUILD = os.path.join(PROJECT, "build", "bench")
BINARIES = os.path.join(BUILD, "bin")
TOOLS = os.path.join(BUILD, "tests")
SCHEMAS = os.path.join(PROJECT, "schemas")
VILLAGE = "35.09.01.2001"
NOWHERE = "127.0.0.1:1"
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "1000000"))
PENDING = int(os.environ.get("BENCH_PENDING", "1000000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))


def tool(name, *arguments):
    return json.loads(run([os.path.join(TOOLS, name), *map(str, arguments)]))


def memory(process):
    """(RssAnon, VmRSS) in MB."""
    found = dict(line.split(":", 1) for line in read(f"/proc/{process.pid()}/status").splitlines() if ":" in line)
    return tuple(int(found[name].split()[0]) / 1024 for name in ("RssAnon", "VmRSS"))


def processor(pid):
    """Seconds of processor that a process has had."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_of_tree(pid):
    """Of a process, its children, and those that have ended."""
    def seconds(text):
        return sum(map(int, text.rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
    children = read(f"/proc/{pid}/task/{pid}/children").split()
    return seconds(read(f"/proc/{pid}/stat")) + sum(seconds(read(f"/proc/{child}/stat", ") " + "0 " * 15)) for child in children)


def timed(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def middle(runs, name):
    """The median of a figure in several runs."""
    return statistics.median(run[name] for run in runs)


def delivered(program, topic):
    streams = json.loads(program.get("/v1/status")[1])["topics"]
    return next(stream["delivered_seq"] for stream in streams if stream["topic"] == topic)


def row(what, figure, bound, ratio, goal):
    print(f"| {what} | {figure} | {bound} | {ratio} | {goal} |", flush=True)


def watch(url, count, seen):
    """Milliseconds from append to the page, of so many events; a page begins with some that came before it."""
    host, port = url.split("//")[1].split(":")
    since = time.time()
    with socket.create_connection((host, int(port)), timeout=30) as page:
        page.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        waiting = b""
        while len(seen) < count:
            waiting += page.recv(1 << 20)
            now = time.time()
            *blocks, waiting = waiting.split(b"\n\n")
            for block in blocks:
                found = re.search(rb'"appended_at":"([^"]+)Z","record"', block)
                if found:
                    appended = datetime.datetime.fromisoformat(found[1].decode() + "+00:00").timestamp()
                    if appended >= since:
                        seen.append((now - appended) * 1000)


class Bench:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="kentongan-bench-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        self.kafka = Kafka(self.folder)
        self.postgres = Postgres(self.folder)
        self.programs = []
        self.own = None  # what sink_backlog found

    def start_servers(self):
        if self.kafka.process.is_running():
            return
        self.kafka.prepare()
        self.postgres.prepare(track_commit_timestamp="on", min_wal_size="1GB", max_wal_size="2GB")
        self.kafka.start()
        self.postgres.start()
        self.kafka.wait()
        self.postgres.wait()
        wait_until(self.try_topics, 60, "topics")

    def try_topics(self):
        return subprocess.run([BINARIES + "/kentongan", "topics", "create", "--brokers", self.kafka.brokers, "--schemas",
                               SCHEMAS], capture_output=True, check=False).returncode == 0

    def start(self, program):
        program.start()
        program.wait()
        self.programs.append(program)
        return program

    def gateway(self, brokers, name):
        program = programs.gateway(os.path.join(self.folder, name), BINARIES, VILLAGE, brokers, SCHEMAS)
        return self.start(program)

    def department(self, name, like=None, **settings):
        """A department, or a copy of one under another name and with other settings."""
        folder = os.path.join(PROJECT, "deploy", "departments", like or name)
        if like:
            folder = shutil.copytree(folder, os.path.join(self.folder, name))
            conf = os.path.join(folder, "department.conf")
            kept = [line for line in read(conf).splitlines() if line.partition("=")[0].strip() not in ("name", "database", *settings)]
            write(conf, "\n".join([*kept, f"name = {name}", f"database = {name}", *(f"{key} = {value}" for key, value in settings.items())]) + "\n")
        self.postgres.add_database(name)
        programs.kentongan(BINARIES, "department", "init", folder, "--schemas", SCHEMAS, "--database",
                           self.postgres.conninfo(name, name))
        return folder

    def stop(self):
        for program in self.programs:
            program.stop()
        for server in (self.kafka, self.postgres):
            if server.process.is_running():
                server.stop()
        self.postgres.wipe()
        shutil.rmtree(self.folder, ignore_errors=True)

    # What is measured

    def decode(self):
        found = tool("decode_bench")
        row(f"decode by plan, {found['bytes']} bytes", f"{found['plan_ns']:.0f} ns, 0 allocations",
            f"memcpy {found['memcpy_ns']:.1f} ns, Avro-C {found['avro_c_ns']:.0f} ns",
            f"{found['avro_c_ns'] / found['plan_ns']:.1f}x Avro-C", "<= 150 ns, >= 8x Avro-C")
        row("decode, head and two fields", f"{found['plan_head_and_two_ns']:.0f} ns", f"whole {found['plan_ns']:.0f} ns",
            f"{found['plan_head_and_two_ns'] / found['plan_ns']:.2f}", "<= 0.6")
        row(f"JSON text to Avro bytes, {found['json_bytes']} bytes", f"{found['json_to_avro_ns'] / 1000:.1f} us",
            f"jansson's parse alone {found['jansson_ns'] / 1000:.1f} us",
            f"{found['json_to_avro_ns'] / found['jansson_ns']:.2f} of that", "<= 4 us")
        row("compile a plan", f"{found['compile_us']:.0f} us", "", "", "<= 1 ms")

    def load(self, pid, port, connections, path="/v1/payments"):
        """What tests/bench/load says, and microseconds of the server's processor for each event."""
        before = processor(pid)
        found = tool("load", port, path, connections, SECONDS)
        return {**found, "cpu_us": (processor(pid) - before) / found["accepted"] * 1e6}

    def gateway_posts(self):
        gateway = self.gateway(NOWHERE, "posts")
        port = gateway.url.rsplit(":", 1)[1]
        row("gateway, memory idle", f"{memory(gateway.process)[0]:.1f} MB private", f"RSS {memory(gateway.process)[1]:.1f} MB", "", "<= 6 MB")
        bare = subprocess.Popen([TOOLS + "/bare_server", os.path.join(self.folder, "bare.dat")], stdout=subprocess.PIPE, text=True)
        bare_port = bare.stdout.readline().strip()
        for connections in (64, 256):
            own, bound = [], []
            for _ in range(3):
                bound.append(self.load(bare.pid, bare_port, connections))
                own.append(self.load(gateway.process.pid(), port, connections))
            rate, bare_rate = middle(own, "rate"), middle(bound, "rate")
            ratio = statistics.median(a["rate"] / b["rate"] for a, b in zip(own, bound))
            row(f"gateway, single posts, {connections} connections", f"{rate:.0f}/s", f"bare server {bare_rate:.0f}/s", f"{ratio:.2f}", ">= 0.5")
            row("gateway, processor a post", f"{middle(own, 'cpu_us'):.1f} us", f"bare server {middle(bound, 'cpu_us'):.1f} us", "", "<= 25 us")
            anon, rss = memory(gateway.process)
            row("gateway, memory after that", f"{anon:.1f} MB private", f"RSS {rss:.1f} MB", "", "<= 12 MB")
        bare.kill()
        bare.wait()
        gateway.stop()

    def batches(self):
        """1,000 lines a post, while the link is down and while Kafka takes them on the same two cores."""
        self.start_servers()
        for brokers, name, goal in ((NOWHERE, "down", ">= 45,000/s"), (self.kafka.brokers, "up", ">= 20,000/s")):
            gateway = self.gateway(brokers, "batches-" + name)
            runs = [self.load(gateway.process.pid(), gateway.url.rsplit(":", 1)[1], 8, "/v1/batch") for _ in range(3)]
            row(f"gateway, batches of 1,000, 8 connections, link {name}", f"{middle(runs, 'rate'):.0f}/s", f"{middle(runs, 'cpu_us'):.1f} us of processor each",
                f"{memory(gateway.process)[0]:.1f} MB private", goal)
            gateway.stop()

    def answer(self):
        gateway = self.gateway(NOWHERE, "answer")
        port = gateway.url.rsplit(":", 1)[1]
        own, bound = [], []
        for _ in range(3):
            bound.append(tool("sync_cost", self.folder))
            own.append(tool("load", port, "/v1/payments", 1, SECONDS))
        one, two = [{rank: statistics.median(a[rank + "_us"] / b[name + rank + "_us"] for a, b in zip(own, bound)) for rank in ("p50", "p99")}
                    for name in ("", "both_")]
        above = statistics.median(a["p50_us"] - b["p50_us"] for a, b in zip(own, bound))
        row("gateway, one connection, p50", f"{middle(own, 'p50_us'):.0f} us", f"one sync {middle(bound, 'p50_us'):.0f} us, the two it waits for "
            f"{middle(bound, 'both_p50_us'):.0f} us", f"one +{above:.0f} us", "<= +300 us")
        row("gateway, one connection, p99", f"{middle(own, 'p99_us'):.0f} us", f"one sync {middle(bound, 'p99_us'):.0f} us, two "
            f"{middle(bound, 'both_p99_us'):.0f} us", f"{one['p99']:.1f}x of one, {two['p99']:.1f}x of two", "<= 2x")
        gateway.stop()

    def attack(self):
        """A clerk who posts fifty times a second, alone and while strangers do what they can."""
        gateway = self.gateway(NOWHERE, "attack")
        port = gateway.url.rsplit(":", 1)[1]
        quiet, attacked = [], []
        for _ in range(3):
            quiet.append(tool("load", port, "/v1/payments", 1, SECONDS, 1000000, 50)["p99_us"])
            strangers = subprocess.Popen([os.path.join(PROJECT, "tests", "bench", "attack.py"), port], stdout=subprocess.PIPE, text=True)
            strangers.stdout.readline()
            attacked.append(tool("load", port, "/v1/payments", 1, SECONDS, 1000000, 50)["p99_us"])
            strangers.kill()
            strangers.wait()
        ratio = statistics.median(a / b for a, b in zip(attacked, quiet))
        row("gateway, a post under attack, p99", f"{statistics.median(attacked):.0f} us", f"quiet {statistics.median(quiet):.0f} us", f"{ratio:.1f}x",
            "<= 5x")
        gateway.stop()

    def link(self):
        """Accepting does not slow down while the link is down."""
        self.start_servers()
        down, up = [], []
        gateways = self.gateway(NOWHERE, "link-down"), self.gateway(self.kafka.brokers, "link-up")
        for _ in range(3):
            for gateway, runs in zip(gateways, (down, up)):
                runs.append(self.load(gateway.process.pid(), gateway.url.rsplit(":", 1)[1], 64))
        ratio = statistics.median(a["rate"] / b["rate"] for a, b in zip(down, up))
        row("gateway, 64 connections, link down", f"{middle(down, 'rate'):.0f}/s", f"link up {middle(up, 'rate'):.0f}/s", f"{ratio:.2f}", ">= 0.95")
        for gateway in gateways:
            gateway.stop()

    def pending(self):
        """What an outage of weeks leaves: the start, the memory, the way out, and a payment that does not wait behind it."""
        folder = os.path.join(self.folder, "pending")
        program = programs.gateway(folder, BINARIES, VILLAGE, NOWHERE, SCHEMAS)
        filled = timed(lambda: tool("spool_fill", program.settings["spool"], VILLAGE, PENDING))
        start = timed(lambda: self.start(program))
        row(f"gateway, start with {PENDING:,} pending", f"{start:.2f} s", f"they were written at {PENDING / filled:.0f}/s", "", "<= 2 s")
        row("gateway, memory with them", f"{memory(program.process)[0]:.1f} MB private", f"RSS {memory(program.process)[1]:.1f} MB", "", "<= 12 MB")
        program.stop()
        self.start_servers()
        program.settings["brokers"] = self.kafka.brokers
        began = time.monotonic()
        self.start(program)
        wait_until(lambda: delivered(program, "desa.requests") > 0, 60, "they leave")
        payment = timed(lambda: self.payment_leaves(program))
        behind = PENDING - delivered(program, "desa.requests")
        most = 0
        while delivered(program, "desa.requests") < PENDING:
            most = max(most, memory(program.process)[0])
            time.sleep(0.2)
        spent = time.monotonic() - began
        row("gateway, these to Kafka", f"{PENDING / spent:.0f}/s", f"most private memory {most:.1f} MB", "", ">= 40,000/s, <= 12 MB")
        row(f"gateway, a payment while {behind:,} requests wait", f"delivered after {payment:.2f} s", "", "", "seconds")
        program.stop()

    def payment_leaves(self, program):
        body = {"case_id": "BLT-1", "service": "blt-dd", "action": "DISBURSED", "kind": "blt-dd", "amount": "1.00", "actor": {"role": "TREASURER"}}
        status, _ = program.get("/v1/payments", {"Content-Type": "application/json"}, "POST", json.dumps(body).encode())
        assert status == 201
        wait_until(lambda: delivered(program, "desa.payments") == 1, 60, "the payment leaves")

    def make_log_files(self, name):
        """A server that has run for a while writes into old log files; a fresh one must make each."""
        for _ in range(3):
            self.postgres.sql("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 400000)", name)
            self.postgres.sql("DROP TABLE filler", name)
        self.postgres.sql("CHECKPOINT", name)

    def applied(self, name):
        return int(self.postgres.sql("SELECT coalesce(sum(applied + dead), 0) FROM kentongan.stream_position", name)[0][0])

    def drain(self, sinks, name, count):
        """Rows a second from the first commit to the last, and the most memory of the first sink.

        Joining a group takes a second that no backlog pays for. The database itself says when each row came, so
        that nobody asks it meanwhile: a psql ten times a second has a fifth of a core.
        """
        most = (0, 0)
        while sum(map(self.done, sinks)) < count:
            time.sleep(0.1)
            most = max(most, memory(sinks[0].process))
        wait_until(lambda: self.applied(name) >= count, 60, "the last rows")
        span, later = self.postgres.sql(
            "SELECT extract(epoch FROM max(at) - min(at)), count(*) FILTER (WHERE at > least) FROM (SELECT at, min(at) OVER () AS least "
            "FROM (SELECT pg_xact_commit_timestamp(xmin) AS at FROM satu_data.requests) a) b", name)[0]
        return int(later) / float(span), most

    def done(self, sink):
        """Events that a sink has applied or set aside."""
        return sum(number for name, number in sink.metrics().items() if "applied_events_total" in name or "dead_letters_total" in name)

    def bare_copy(self, name):
        """Rows a second of what the department's table holds, put back in one transaction by one COPY."""
        path = os.path.join(self.folder, "rows.bin")
        database = self.postgres.conninfo(name, name)
        count = int(self.postgres.sql("SELECT count(*) FROM satu_data.requests", name)[0][0])
        run(["psql", "-X", "-q", "-d", database, "-c", f"\\copy satu_data.requests TO '{path}' BINARY"])
        run(["psql", "-X", "-q", "-d", database, "-c", "TRUNCATE satu_data.requests"])
        self.postgres.sql("CHECKPOINT", name)
        return count / timed(lambda: run(["psql", "-X", "-q", "-d", database, "-c", f"\\copy satu_data.requests FROM '{path}' BINARY"]))

    def sink_backlog(self):
        sink = self.fill_for("backlog", BACKLOG, 248)
        self.make_log_files("backlog")
        database = self.postgres.process.pid()
        before = processor_of_tree(database)
        own, most = self.drain([self.start(sink)], "backlog", BACKLOG)
        self.own = {"rows_s": own, "rss": most[1], "cpu_us": (processor(sink.process.pid()) / BACKLOG * 1e6,
                                                             (processor_of_tree(database) - before) / BACKLOG * 1e6)}
        sink.stop()
        bound = self.bare_copy("backlog")
        row(f"sink, backlog of {BACKLOG:,} into satu_data.requests", f"{own:.0f} rows/s", f"bare COPY {bound:.0f} rows/s",
            f"{own / bound:.2f}", ">= 0.85")
        row("sink, most memory meanwhile", f"{most[0]:.1f} MB private", f"RSS {most[1]:.1f} MB", "", "<= 16 MB private")

    def pair(self):
        """The same with two sinks of the department, which share its partitions: a second backend has the second core."""
        first = self.fill_for("pair", BACKLOG, 248)
        self.make_log_files("pair")
        second = programs.sink(os.path.join(self.folder, "second"), BINARIES, os.path.join(self.folder, "pair"),
                               self.postgres.conninfo("pair", "sink_pair"), self.kafka.brokers, SCHEMAS)
        sinks = [self.start(first), self.start(second)]
        own, most = self.drain(sinks, "pair", BACKLOG)
        shares = [self.done(sink) / BACKLOG for sink in sinks]
        for sink in sinks:
            sink.stop()
        bound = self.bare_copy("pair")
        row("two sinks of one department, the same backlog", f"{own:.0f} rows/s, shares {shares[0]:.2f} and {shares[1]:.2f}",
            f"bare COPY {bound:.0f} rows/s", f"{own / bound:.2f}", ">= 0.85")
        row("one of them, most memory meanwhile", f"{most[0]:.1f} MB private", f"RSS {most[1]:.1f} MB", "", "<= 16 MB private")

    def connect(self):
        """Kafka Connect with Debezium's sink on this broker; its own table has 14 columns where ours has 21."""
        if not Connect.is_here():
            print("connect: skipped, ../shared/peers/connect is not here", flush=True)
            return
        if self.own is None:
            self.sink_backlog()
        peer = Connect(self.folder, self.kafka)
        peer.prepare(BACKLOG)
        try:
            for words, settings in CONNECT_RUNS.items():
                self.tell_beside(words, peer.drain(BACKLOG, settings))
        finally:
            peer.stop()

    def tell_beside(self, words, found):
        theirs = (found["cpu_us_row"]["worker"], found["cpu_us_row"]["pg"])
        row(f"sink beside Kafka Connect, {words}", f"{self.own['rows_s']:.0f} rows/s", f"{found['rows_s']} rows/s",
            f"{self.own['rows_s'] / found['rows_s']:.1f}x", ">= 3x")
        row("processor a row, client and PostgreSQL", "{:.1f} + {:.1f} us".format(*self.own["cpu_us"]), "{:.1f} + {:.1f} us".format(*theirs),
            f"{sum(self.own['cpu_us']) / sum(theirs):.2f}", "<= 0.25")
        row("most memory, RSS", f"{self.own['rss']:.0f} MB", f"{found['rss_peak_mb']} MB", f"1/{found['rss_peak_mb'] / self.own['rss']:.0f}", "<= 1/50")

    def newborn(self, name, like, **settings):
        """A sink, not started, of a department that begins now: what other rows left in Kafka is none of its own."""
        self.start_servers()
        time.sleep(1.1)  # `start` is a time in seconds
        settings["start"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        folder = self.department(name, like=like, **settings)
        return programs.sink(self.folder, BINARIES, folder, self.postgres.conninfo(name, "sink_" + name), self.kafka.brokers, SCHEMAS)

    def fill_for(self, name, count, villages, **settings):
        """Requests of that many villages, and a department like satu_data that begins with them."""
        sink = self.newborn(name, "satu_data", **settings)
        tool("backlog", self.kafka.brokers, "desa.requests", count, villages)
        return sink

    def streams(self):
        """All villages of Indonesia beside those of one regency, the same number of events."""
        count, found = BACKLOG, {}
        for villages in (248, 83762):
            name = f"streams_{villages}"
            sink = self.fill_for(name, count, villages)
            self.make_log_files(name)
            found[villages] = self.drain([self.start(sink)], name, count)
            sink.stop()
        (few, _), (many, most) = found[248], found[83762]
        row(f"sink, {count:,} events of 83,762 villages", f"{many:.0f} rows/s, {most[0]:.1f} MB private", f"of 248 villages {few:.0f} rows/s",
            f"{many / few:.2f}", ">= 0.9, <= 64 MB")

    def poison(self):
        """One record in 5,000 that the table refuses; each costs as much time as so many batches of 5,000."""
        count, found = 300000, {}
        for name, check in (("clean", "true"), ("poison", "case_id !~ '[05]123$'")):
            sink = self.fill_for(name, count, 248, breaker="no")
            self.postgres.sql(f"ALTER TABLE satu_data.requests ADD CHECK ({check})", name)
            self.make_log_files(name)
            found[name] = count / self.drain([self.start(sink)], name, count)[0]
            dead = int(self.postgres.sql("SELECT count(*) FROM kentongan.dead_letter", name)[0][0])
            sink.stop()
        batch = found["clean"] / (count / 5000)
        row("sink, one poison in 5,000", f"{dead} dead letters, {found['poison']:.1f} s", f"without {found['clean']:.1f} s",
            f"{(found['poison'] - found['clean']) / dead / batch:.1f} batches each", "<= 2 batches")

    def replay_command(self, *options):
        """(lines, CPU seconds, seconds) of a replay of the last day."""
        begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400))
        return self.cost([BINARIES + "/kentongan", "replay", "--brokers", self.kafka.brokers, "--schemas", SCHEMAS, "--villages",
                          os.path.join(PROJECT, "data", "villages.csv"), "--from", begin, "--to", "+2d", *options])

    def cost(self, command):
        """(lines, CPU seconds, seconds) of a command that prints them."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        with open(os.path.join(self.folder, "lines"), "wb") as lines:
            subprocess.run(command, stdout=lines, check=True)
        after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        count = int(run(["wc", "-l", lines.name]).split()[0])
        return count, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - began

    def replay(self):
        """Figures are of CPU time, the library's threads with it: one core's worth."""
        self.start_servers()
        tool("backlog", self.kafka.brokers, "desa.requests", BACKLOG, 248)
        kcat = ["kcat", "-C", "-e", "-q", "-b", self.kafka.brokers, "-t", "desa.requests", "-o", "beginning", "-f", "%T %p %o\\n"]
        own, bound = [], []
        for _ in range(3):
            bound.append(self.cost(kcat))
            own.append(self.replay_command("--topic", "desa.requests", "--speed", "max", "--rate", "0"))
            assert own[-1][0] == bound[-1][0] >= BACKLOG
        speed = statistics.median(count / cpu for count, cpu, _ in own)
        most = statistics.median(count / cpu for count, cpu, _ in bound)
        row(f"replay of {own[0][0]:,} events to lines, full speed", f"{speed:.0f} events a CPU second",
            f"kcat, time and offset only {most:.0f}/s", f"{speed / most:.2f}", ">= 300,000/s")

    def monitor(self):
        """A start over a day's events, by the processor's time too: a machine at work makes the wall clock say anything."""
        self.start_servers()
        tool("backlog", self.kafka.brokers, "desa.requests", BACKLOG, 248)
        _, bare_cpu, bare = self.cost(["kcat", "-C", "-e", "-q", "-b", self.kafka.brokers, "-t", "desa.requests", "-o", "beginning", "-f", "%o\\n"])
        monitor = programs.monitor(self.folder, BINARIES, self.kafka.brokers, SCHEMAS, ["satu_data"])
        began = time.monotonic()
        self.start(monitor)
        most = (0, 0)
        while json.loads(monitor.get("/v1/summary")[1])["reading"]:
            most = max(most, memory(monitor.process))
            time.sleep(0.05)
        wall, cpu = time.monotonic() - began, processor(monitor.process.pid())
        most = max(most, memory(monitor.process))
        row(f"monitor, start over a day of {BACKLOG:,}", f"{BACKLOG / wall:.0f} events/s, {cpu / BACKLOG * 1e6:.2f} us of processor each",
            f"kcat {BACKLOG / bare:.0f}/s, {bare_cpu / BACKLOG * 1e6:.2f} us", f"{cpu / bare_cpu:.2f} of kcat's processor", ">= 200,000/s")
        row("monitor, most memory meanwhile", f"{most[0]:.1f} MB private", f"RSS {most[1]:.1f} MB", "", "<= 24 MB private")
        monitor.stop()

    def pacing(self):
        """How far each event is from its time: against the line through all that pass, as only distances are paced."""
        self.start_servers()
        begin = time.time()
        while time.time() - begin < 60:
            tool("backlog", self.kafka.brokers, "desa.payments", 3, 3)
            time.sleep(0.05)
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin + 1))
        for speed, goal in ((1, "p99 <= 20 ms"), (100, "<= 2 %")):
            lines = self.arrivals(["--topic", "payments", "--from", since, "--to", "+30s" if speed == 1 else "+60s", "--speed", str(speed)])
            base = statistics.median(came - at / speed for came, at in lines)
            late = sorted(abs(came - at / speed - base) * 1000 for came, at in lines)
            played, was = lines[-1][0] - lines[0][0], (lines[-1][1] - lines[0][1]) / speed
            row(f"replay at {speed}x, {len(lines)} events", f"off by p50 {late[len(late) // 2]:.1f} ms, p99 {late[len(late) * 99 // 100]:.1f} ms",
                f"{was:.2f} s took {played:.2f} s", f"{abs(played / was - 1) * 100:.2f} %", goal)

    def arrivals(self, options):
        """(when it came, when it had come to the broker) of each line, in seconds."""
        found = []
        command = [BINARIES + "/kentongan", "replay", "--brokers", self.kafka.brokers, "--schemas", SCHEMAS, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as replay:
            for line in replay.stdout:
                came, at = time.monotonic(), json.loads(line)["appended_at"]
                found.append((came, datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()))
        return found

    def undisturbed(self):
        """Accept to committed row, at 1,000/s, quiet and while a replay reads at the limit that is the default."""
        self.start_servers()
        tool("backlog", self.kafka.brokers, "desa.requests", BACKLOG, 248)
        sink = self.start(self.newborn("undisturbed", "satu_data"))
        gateway = self.gateway(self.kafka.brokers, "live")
        port = gateway.url.rsplit(":", 1)[1]
        tool("load", port, "/v1/payments", 16, 3, 2000, 1000)
        found = {"quiet": [], "replay": []}
        begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400))
        for _ in range(3):
            for kind in found:
                replay = kind == "replay" and subprocess.Popen(
                    [BINARIES + "/kentongan", "replay", "--brokers", self.kafka.brokers, "--schemas", SCHEMAS, "--topic", "requests",
                     "--from", begin, "--to", "+2d"], stdout=subprocess.DEVNULL)
                found[kind].append(self.spans(port, "undisturbed", 1000, 10)[1])
                if replay:
                    assert replay.poll() is None, "the replay lasted as long as what it may disturb"
                    replay.terminate()
                    replay.wait()
        quiet, replay = statistics.median(found["quiet"]), statistics.median(found["replay"])
        row("accept to committed row, 1,000/s, during a replay", f"p99 {replay:.1f} ms", f"quiet p99 {quiet:.1f} ms", f"{replay / quiet:.2f}",
            "<= 1.5")
        gateway.stop()
        sink.stop()

    def spans(self, port, name, rate, seconds):
        """(p50, p99) of so long at so many payments a second, in milliseconds from the gateway's clock to a department's commit."""
        def seq():
            return int(self.postgres.sql("SELECT coalesce(max(seq), 0) FROM satu_data.payments", name)[0][0])
        before, count = seq(), rate * seconds
        tool("load", port, "/v1/payments", 32, 3 * seconds, count, rate)
        wait_until(lambda: seq() >= before + count, 60, "rows")
        ms = "extract(epoch FROM pg_xact_commit_timestamp(xmin) - recorded_at) * 1000"
        return [float(text) for text in self.postgres.sql(
            f"SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY {ms}), percentile_disc(0.99) WITHIN GROUP (ORDER BY {ms}) "
            f"FROM satu_data.payments WHERE seq > {before}", name)[0]]

    def page(self):
        """From the broker's append to the page's socket, at 200 events a second."""
        self.start_servers()
        gateway = self.gateway(self.kafka.brokers, "page")
        monitor = self.start(programs.monitor(self.folder, BINARIES, self.kafka.brokers, SCHEMAS, []))
        wait_until(lambda: not json.loads(monitor.get("/v1/summary")[1])["reading"], 60, "the last day is read")
        seen = []
        reading = threading.Thread(target=watch, args=(monitor.url, 2000, seen), daemon=True)
        reading.start()
        tool("load", gateway.url.rsplit(":", 1)[1], "/v1/payments", 4, 30, 2000, 200)
        reading.join(30)
        seen.sort()
        row("broker to page, 200/s", f"p50 {seen[len(seen) // 2]:.1f} ms, p99 {seen[len(seen) * 99 // 100]:.1f} ms", "", "", "p99 <= 100 ms")
        gateway.stop()
        monitor.stop()

    def latency(self):
        """After 30,000 events: a broker that was just started is still compiling itself."""
        self.start_servers()
        sink = self.start(self.newborn("latency", "satu_data"))
        gateway = self.gateway(self.kafka.brokers, "latency")
        port = gateway.url.rsplit(":", 1)[1]
        self.spans(port, "latency", 3000, 10)
        for rate, beside, goal in ((1000, "Kafka Connect, from produce: p50 25-36, p99 76-227 (peers.md)", "p99 <= 10 ms"), (10000, "", "p99 <= 30 ms")):
            runs = [self.spans(port, "latency", rate, 10) for _ in range(3)]
            p50, p99 = (statistics.median(run[at] for run in runs) for at in (0, 1))
            row(f"accept to committed row, {rate:,}/s", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", beside, "", goal)
        gateway.stop()
        sink.stop()

    def departments(self):
        """Six of them, each with every event; and whose processor time it is."""
        self.start_servers()
        events, names = 60000, [f"dinas_{number}" for number in range(1, 7)]
        sinks = [self.start(self.newborn(name, "dpmd")) for name in names]
        gateway = self.gateway(self.kafka.brokers, "departments")
        pids = {"gateway": [gateway.process.pid()], "sinks": [sink.process.pid() for sink in sinks], "Kafka": [self.kafka.process.pid()]}
        before, began = {name: sum(map(processor, of)) for name, of in pids.items()}, time.monotonic()
        accepted = tool("load", gateway.url.rsplit(":", 1)[1], "/v1/payments", 64, 120, events)["accepted"]
        for name in names:
            wait_until(lambda: int(self.postgres.sql("SELECT count(*) FROM dpmd.keuangan", name)[0][0]) >= accepted, 180, "the last row")  # noqa: B023
        whole = time.monotonic() - began
        spent = ", ".join(f"{name} {(sum(map(processor, of)) - before[name]) / accepted * 1e6:.0f}" for name, of in pids.items())
        row("whole chain, 64 connections, six departments, to the last row", f"{accepted / whole:.0f}/s", f"us of processor an event: {spent}, of "
            f"{2e6 * whole / accepted:.0f}", "", ">= 4,000/s")
        gateway.stop()
        for sink in sinks:
            sink.stop()

    def chain(self):
        self.start_servers()
        events = 150000
        sink = self.start(self.newborn("chain", "dpmd"))
        gateway = self.gateway(self.kafka.brokers, "chain")
        port = gateway.url.rsplit(":", 1)[1]
        began = time.monotonic()
        accepted = tool("load", port, "/v1/payments", 256, 120, events)
        accepting = time.monotonic() - began
        wait_until(lambda: int(self.postgres.sql("SELECT count(*) FROM dpmd.keuangan", "chain")[0][0]) >= accepted["accepted"], 180, "the last row")
        whole = time.monotonic() - began
        row("whole chain, 256 connections, one department, to the last row", f"{accepted['accepted'] / whole:.0f}/s",
            f"accepted {accepted['accepted'] / accepting:.0f}/s meanwhile", "", ">= 12,000/s")
        gateway.stop()
        sink.stop()


def main():
    bench = Bench()
    kinds = {"decode": bench.decode, "gateway": bench.gateway_posts, "batches": bench.batches, "answer": bench.answer, "attack": bench.attack, "link": bench.link,
             "pending": bench.pending, "latency": bench.latency, "departments": bench.departments,
             "chain": bench.chain, "sink": bench.sink_backlog, "pair": bench.pair, "connect": bench.connect, "streams": bench.streams, "poison": bench.poison,
             "replay": bench.replay, "pacing": bench.pacing, "undisturbed": bench.undisturbed, "monitor": bench.monitor, "page": bench.page}
    wanted = sys.argv[1:] or list(kinds)
    print("| measure | here | bound, same run | ratio | goal |\n|---|---|---|---|---|", flush=True)
    try:
        for name in wanted:
            kinds[name]()
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
