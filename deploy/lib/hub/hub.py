# SPDX-License-Identifier: MIT
"""The whole hub on one machine: what `deploy/local` does."""
import collections
import contextlib
import csv
import datetime
import fcntl
import glob
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import time

from hub import programs
from hub.base import PROJECT, Trouble, read, run, say, step, wait_until, write
from hub.jars import fetch_kafka, fetch_page
from hub.kafka import Kafka
from hub.postgres import Postgres

DEPARTMENTS = ["satu_data", "dispendukcapil", "dinsos", "dinkes", "bapenda", "dpmd"]
# One of each kind first: the market, the forest, the coast, a town's kelurahan, the hills.
FIRST_VILLAGES = ["35.09.01.2001", "35.09.19.1001", "35.09.12.2003", "35.09.30.2001", "35.09.03.2001"]
BUILD = os.path.join(PROJECT, "build", "release")
SCHEMAS = os.path.join(PROJECT, "schemas")
BATCH = 200


def register():
    with open(os.path.join(PROJECT, "data", "villages.csv"), encoding="utf-8") as file:
        return {row["village_code"]: row["name"] for row in csv.DictReader(file)}


def choose_villages(count):
    """The first ones as listed above, then the register's, spread over it."""
    names = register()
    codes = [code for code in FIRST_VILLAGES if code in names]
    step = max(1, len(names) // max(1, count))
    rest = [code for code in list(names)[::step] + list(names) if code not in codes]
    return list(dict.fromkeys(codes + rest))[:count]


def install_packages():
    with open(os.path.join(PROJECT, "deploy", "packages.txt"), encoding="utf-8") as file:
        wanted = file.read().split()
    known = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
                           capture_output=True, text=True, check=False).stdout
    missing = [name for name in wanted if f"{name} installed\n" not in known]
    if not missing:
        return
    root = [] if os.geteuid() == 0 else ["sudo"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"Debian packages: installing {len(missing)}"):
        run([*root, "apt-get", "update", "-qq"], env=environment)
        run([*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=environment)


def build():
    fetch_page()
    fresh = not os.path.exists(os.path.join(BUILD, "build.ninja"))
    with step("building", at_once=fresh):
        if fresh:
            run(["cmake", "--preset", "release", "-DKENTONGAN_TESTS=OFF"], cwd=PROJECT)
        run(["cmake", "--build", "--preset", "release"], cwd=PROJECT)


class Hub:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.binaries = os.path.join(BUILD, "bin")
        self.kafka = Kafka(self.folder)
        self.postgres = Postgres(self.folder)
        self.held = None

    # What there is

    def villages(self):
        return json.loads(read(os.path.join(self.folder, "villages.json"), "[]"))

    def gateways(self):
        return [programs.gateway(self.folder, self.binaries, code, self.kafka.brokers, SCHEMAS)
                for code in self.villages()]

    def sink(self, name):
        folder = os.path.join(PROJECT, "deploy", "departments", name)
        return programs.sink(self.folder, self.binaries, folder,
                             self.postgres.conninfo(name, "sink_" + name), self.kafka.brokers, SCHEMAS)

    def sinks(self):
        return [self.sink(name) for name in DEPARTMENTS]

    def monitor(self):
        return programs.monitor(self.folder, self.binaries, self.kafka.brokers, SCHEMAS, DEPARTMENTS,
                                satu_data=self.postgres.conninfo("satu_data", "monitor_satu_data"))

    @property
    def marker(self):
        """A file that says that the folder is a hub's; nothing else is ever removed."""
        return os.path.join(self.folder, "kentongan-local")

    def exists(self):
        return os.path.exists(self.marker)

    def claim(self):
        """Take the folder: one that is ours already, or an empty one."""
        if self.exists():
            return
        os.makedirs(self.folder, exist_ok=True)
        if os.listdir(self.folder) and not self.exists():  # another may have taken it just now
            raise Trouble(f"{self.folder} holds other files; KENTONGAN_LOCAL takes an empty folder or a new one")
        with open(self.marker, "a", encoding="utf-8") as out:  # never a new file in its place: it is locked
            out.write("deploy/local wipe removes this folder\n")

    def lock(self):
        """One `up` at a time, and no `wipe` meanwhile; the lock ends with this process."""
        self.held = open(self.marker, "a", encoding="utf-8")
        try:
            fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Trouble("another deploy/local up or wipe is at work here; wait for it") from None

    def need(self, whole=False):
        if not self.exists():
            raise Trouble("nothing is here yet; run deploy/local up first")
        if whole and not os.path.exists(self.gateways_file):
            raise Trouble("deploy/local up did not come to its end; run it again")

    @property
    def gateways_file(self):
        return os.path.join(self.folder, "gateways.json")

    def parts(self):
        """Name -> (program, process, start, stop), in the order of starting."""
        found = {"kafka": ("kafka", self.kafka.process, self.start_kafka, self.kafka.stop),
                 "postgres": ("postgres", self.postgres.process, self.start_postgres, self.postgres.stop)}
        for program in [*self.gateways(), *self.sinks(), self.monitor()]:
            found[program.name] = (program.program, program.process,
                                   lambda program=program: (program.start(), program.wait()), program.stop)
        return found

    # Up

    def start_kafka(self):
        self.kafka.start()
        self.kafka.wait()

    def start_postgres(self):
        self.postgres.start()
        self.postgres.wait()

    def start_servers(self):
        fetch_kafka()
        fresh = not self.kafka.process.is_running() or not self.postgres.process.is_running()
        with step("Kafka and PostgreSQL: starting") if fresh else contextlib.nullcontext():
            self.kafka.prepare()
            self.postgres.prepare()
            self.kafka.start()
            self.start_postgres()
            self.kafka.wait()

    def make_topics(self):
        wait_until(self.try_topics, 60, "topics", self.kafka.process.is_running)

    def try_topics(self):
        try:
            programs.kentongan(self.binaries, "topics", "create", "--brokers", self.kafka.brokers,
                               "--schemas", SCHEMAS)
            return True
        except Trouble as trouble:
            if "exit 69" not in str(trouble):
                raise
            return False

    def make_departments(self):
        for name in DEPARTMENTS:
            marker = os.path.join(self.folder, "run", f"department-{name}")
            folder = os.path.join(PROJECT, "deploy", "departments", name)
            stamp = fingerprint(sorted(glob.glob(folder + "/*") + glob.glob(SCHEMAS + "/postgres/*")))
            if read(marker) == stamp:
                continue
            say(f"department {name}: database, roles, tables")
            self.postgres.add_database(name)
            programs.kentongan(self.binaries, "department", "init", folder, "--schemas", SCHEMAS,
                               "--database", self.postgres.conninfo(name, name))
            os.makedirs(os.path.dirname(marker), exist_ok=True)
            write(marker, stamp)

    def start_programs(self):
        programs_here = [*self.sinks(), self.monitor(), *self.gateways()]
        for program in programs_here:
            if program.process.is_outdated():
                program.stop()
        started = [program for program in programs_here if not program.process.is_running()]
        if started:
            say(f"starting {len(started)} programs")
        for program in started:
            program.start()
        for program in started:
            program.wait()

    def feed_morning(self):
        marker = os.path.join(self.folder, "fed")
        fresh = [code for code in self.villages() if code not in (read(marker, "") or "").split()]
        if not fresh:
            return
        say(f"a morning's events of {len(fresh)} villages: feeding")
        lines = run([os.path.join(PROJECT, "deploy", "sample", "morning"), *fresh]).splitlines()
        self.feed_lines(lines)
        write(marker, "\n".join(self.villages()) + "\n")

    def up(self, count):
        self.claim()
        self.lock()
        install_packages()
        build()
        codes = self.villages()
        if count > len(codes):
            codes = list(dict.fromkeys(codes + choose_villages(count)))[:max(count, len(codes))]
            write(os.path.join(self.folder, "villages.json"), json.dumps(codes))
        self.start_servers()
        self.make_topics()
        self.make_departments()
        self.start_programs()
        self.write_gateways()
        self.feed_morning()
        self.wait_for_arrival()
        self.show()

    def write_gateways(self):
        names = register()
        write(self.gateways_file, json.dumps(
            [{"village_code": code, "name": names.get(code, code), "url": program.url}
             for code, program in zip(self.villages(), self.gateways())], indent=1) + "\n")

    # Events

    def feed_lines(self, lines, speed=None):
        """Post NDJSON events through the gateways of their villages, in order."""
        gateways = dict(zip(self.villages(), self.gateways()))
        events = list(addressed(lines, self.villages()[0]))
        unknown = [code for code, _ in events if code not in gateways]
        if unknown:
            raise Trouble(f"no gateway for village {unknown[0]}; deploy/local up --villages N makes more")
        if speed is not None:
            pace(events, speed, lambda code, event: programs.post_batch(gateways[code], [event]))
            return len(events)
        for code in dict.fromkeys(code for code, _ in events):
            own = [event for to, event in events if to == code]
            for start in range(0, len(own), BATCH):
                programs.post_batch(gateways[code], own[start:start + BATCH])
        return len(events)

    def has_arrived(self):
        for program in self.gateways():
            if json.loads(program.get("/v1/status")[1])["pending"] != 0:
                return False
        for program in self.sinks():
            metrics = program.metrics()
            lags = [value for name, value in metrics.items() if name.startswith("kentongan_sink_lag_records")]
            if not lags or any(lag != 0 for lag in lags):
                return False
        return True

    def wait_for_arrival(self):
        wait_until(self.has_arrived, 60, "events to arrive in every department")

    # Looking

    def show(self):
        names = register()
        print("\naccepted by village")
        for program in self.gateways():
            status = json.loads(program.get("/v1/status")[1])
            total = sum(topic["last_seq"] for topic in status["topics"])
            code = status["village_code"]
            print(f"  {code}  {names.get(code, ''):<16} {total:>7}")
        print("in Kafka by topic")
        for topic, count in sorted(self.kafka.ends().items()):
            print(f"  {topic:<31} {count:>7}")
        print("applied by department")
        for name in DEPARTMENTS:
            applied, missing = self.postgres.sql(
                "SELECT coalesce(sum(applied), 0), coalesce(sum(missing), 0) FROM kentongan.stream_position", name)[0]
            dead = self.postgres.sql("SELECT count(*) FROM kentongan.dead_letter WHERE status = 'open'", name)[0][0]
            print(f"  {name:<31} {applied:>7}   dead letters {dead}, missing {missing}")
        print(f"\nmonitor  {self.monitor().url}/")
        print(f"gateway  {self.gateways()[0].url}/")

    def write_options(self):
        """What the command kentongan need not be told each time; also where it keeps who saw what."""
        path = os.path.join(self.folder, "conf", "kentongan.conf")
        write(path, f"brokers = {self.kafka.brokers}\nschemas = {SCHEMAS}\n"
                    f"villages = {os.path.join(PROJECT, 'data', 'villages.csv')}\nmonitor = {self.monitor().url}\n"
                    f"audit = {self.postgres.conninfo('satu_data', 'monitor_satu_data')}\n")
        return path

    def env(self):
        values = {"KENTONGAN_BROKERS": self.kafka.brokers,
                  "KENTONGAN_GATEWAY_URL": self.gateways()[0].url,
                  "KENTONGAN_GATEWAYS": self.gateways_file,
                  "KENTONGAN_MONITOR_URL": self.monitor().url,
                  "KENTONGAN_BIN": self.binaries,
                  "KENTONGAN_CONF": self.write_options()}
        for name in DEPARTMENTS:
            values["KENTONGAN_PG_" + name.upper()] = self.postgres.conninfo(name, name)
        for name, value in values.items():
            print(f"{name}={shlex.quote(value) if ' ' in value else value}")

    def status(self, as_json):
        rows = []
        for name, (program, process, _, _) in self.parts().items():
            pid = process.pid()
            rows.append({"name": name, "program": program, "state": "running" if pid else "stopped",
                         "pid": pid, "rss_bytes": process.rss_bytes() if pid else 0, "log": process.log})
        if as_json:
            print(json.dumps(rows, indent=1))
            return
        for row in rows:
            print(f"{row['name']:<24} {row['state']:<8} {row['pid'] or '-':>8} "
                  f"{row['rss_bytes'] // 1048576:>5} MiB  {row['log']}")

    # Down

    def down(self):
        for name, (_, process, _, stop) in reversed(list(self.parts().items())):
            if process.is_running():
                say(f"stopping {name}")
                stop()

    def wipe(self):
        if not self.exists():
            if os.path.isdir(self.folder) and os.listdir(self.folder):
                raise Trouble(f"{self.folder} was not made by deploy/local; nothing was removed")
            return
        self.lock()
        self.down()
        self.postgres.wipe()
        shutil.rmtree(self.folder, ignore_errors=True)


def addressed(lines, standard):
    """(village, event) of each line. An event without a key gets one from its text, so that a second feed stores nothing."""
    seen = collections.Counter()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        try:
            event = json.loads(text)
        except ValueError as reason:
            raise Trouble(f"line {number} is not JSON: {reason}") from None
        if not isinstance(event, dict):
            raise Trouble(f"line {number} is not a JSON object")
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        seen[digest] += 1
        event.setdefault("idempotency_key", f"feed-{digest}-{seen[digest]}")
        code = event.pop("village_code", None) or standard
        if not isinstance(code, str):
            raise Trouble(f"line {number}: village_code is a text such as {standard}")
        yield code, event


def pace(events, speed, post):
    """Post each event when its time has come: the distances of occurred_at, divided by speed."""
    first, began = None, time.monotonic()
    for code, event in events:
        moment = when(event)
        if moment is not None:
            first = moment if first is None else first
            time.sleep(max(0, (moment - first) / speed - (time.monotonic() - began)))
        post(code, event)


def when(event):
    """occurred_at in seconds; None where it is absent or the gateway will refuse it in its own words."""
    try:
        return datetime.datetime.fromisoformat(event["occurred_at"].replace("Z", "+00:00")).timestamp()
    except (KeyError, AttributeError, ValueError, OverflowError):
        return None


def fingerprint(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(read(path).encode())
    return digest.hexdigest()
