# SPDX-License-Identifier: MIT
"""A private PostgreSQL cluster, with a database and two roles for each department."""
import glob
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import urllib.parse

from hub.base import Trouble, answers, free_port, read, run, wait_until, write
from hub.process import Process


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    if not found:
        raise Trouble("PostgreSQL is not installed: apt-get install postgresql-15")
    return os.path.dirname(found[-1])


def become(user):
    """Words in front of a command that run it as another user, in the same process."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]


def reachable(folder, user):
    """Whether a user can step into a folder's place."""
    return subprocess.run([*become(user), "test", "-x", folder],
                          stdin=subprocess.DEVNULL, check=False).returncode == 0


class Postgres:
    def __init__(self, folder):
        self.folder = os.path.join(folder, "postgres")
        self.process = Process(folder, "postgres")
        self.as_root = os.geteuid() == 0

    @property
    def port(self):
        return int(read(os.path.join(self.folder, "port"), "0"))

    @property
    def data(self):
        """Where the cluster lies: with us, or where its user can reach it."""
        return read(os.path.join(self.folder, "data-folder")).strip()

    @property
    def passfile(self):
        return os.path.join(self.folder, "pgpass")

    def command(self, *arguments):
        prefix = become("postgres") if self.as_root else []
        return [*prefix, *arguments]

    def choose_data(self):
        data = os.path.join(self.folder, "data")
        if self.as_root and not reachable(self.folder, "postgres"):
            # Such as a clone in /root: PostgreSQL never runs as root and cannot get there.
            name = hashlib.sha256(self.folder.encode()).hexdigest()[:12]
            data = f"/var/tmp/kentongan-postgres-{name}"
        if not os.path.exists(os.path.join(self.folder, "data-folder")):
            shutil.rmtree(data, ignore_errors=True)  # what a try that was cut off left
        os.makedirs(data, mode=0o700, exist_ok=True)
        if self.as_root:
            os.chown(data, pwd.getpwnam("postgres").pw_uid, pwd.getpwnam("postgres").pw_gid)
        return data

    def prepare(self, **settings):
        """Make the cluster, once."""
        if os.path.exists(self.passfile):
            return
        os.makedirs(self.folder, exist_ok=True)
        data = self.choose_data()
        port = free_port()
        password = secrets.token_urlsafe(18)
        self.make_cluster(data, password)
        conf = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "",
                "max_connections": 100, "shared_buffers": "64MB", "dynamic_shared_memory_type": "mmap",
                "lc_messages": "C",
                "log_min_messages": "fatal", "log_min_error_statement": "panic", **settings}
        with open(os.path.join(data, "postgresql.conf"), "a", encoding="utf-8") as out:
            out.writelines(f"{name} = '{value}'\n" for name, value in conf.items())
        write(os.path.join(self.folder, "data-folder"), data + "\n")
        write(os.path.join(self.folder, "port"), str(port))
        write(self.passfile, f"127.0.0.1:{port}:*:postgres:{password}\n", 0o600)

    def make_cluster(self, data, password):
        """The password goes by memory alone: a file would outlive a try that is cut off."""
        secret = os.memfd_create("password")
        try:
            os.write(secret, password.encode())
            if self.as_root:
                os.fchown(secret, pwd.getpwnam("postgres").pw_uid, -1)
            run(self.command(programs() + "/initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
                             "-A", "scram-sha-256", f"--pwfile=/proc/self/fd/{secret}"), cwd="/", pass_fds=[secret])
        finally:
            os.close(secret)

    def start(self):
        if not self.process.is_running():
            pid = os.path.join(self.data, "postmaster.pid")
            if os.path.exists(pid):
                os.remove(pid)  # of a life that was cut off; nobody listens on our port
            self.process.start(self.command(programs() + "/postgres", "-D", self.data), cwd="/")

    def wait(self, seconds=60):
        wait_until(self.try_ready, seconds, "PostgreSQL", self.may_come)

    def try_ready(self):
        """A server that was killed may leave children behind that end a moment later; until then another cannot start."""
        if not self.process.is_running() and self.is_held():
            self.start()
        return answers(self.port) and self.ready()

    def may_come(self):
        if self.process.is_running() or self.is_held():
            return True
        raise Trouble(f"PostgreSQL does not start: {self.process.last_words()}")

    def is_held(self):
        return "pre-existing shared memory block" in self.process.last_words()

    def ready(self):
        return subprocess.run([programs() + "/pg_isready", "-q", "-h", "127.0.0.1", "-p",
                               str(self.port)], check=False).returncode == 0

    def stop(self, number=signal.SIGINT):
        self.process.stop(number, 30)

    def conninfo(self, database, user):
        """A libpq connection string without a space, so that a shell takes it as one word."""
        passfile = urllib.parse.quote(self.passfile, safe="")
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}?passfile={passfile}"

    def sql(self, text, database="postgres", user="postgres"):
        """Run SQL and give its rows as lists of texts."""
        out = run(["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1",
                   "-d", self.conninfo(database, user), "-c", text])
        return [line.split("\t") for line in out.splitlines()]

    def add_role(self, role):
        if self.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
            return
        password = secrets.token_urlsafe(18)
        with open(self.passfile, "a", encoding="utf-8") as out:
            out.write(f"127.0.0.1:{self.port}:*:{role}:{password}\n")
        self.sql(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{password}'")

    def add_database(self, name):
        """A department's database: owned by its own role, written by its sink's; the monitor reads satu_data."""
        self.add_role(name)
        self.add_role("sink_" + name)
        if name.startswith("satu_data"):
            self.add_role("monitor_" + name)
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.sql(f'CREATE DATABASE "{name}" OWNER "{name}"')
            self.sql(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')

    def wipe(self):
        data = read(os.path.join(self.folder, "data-folder"))
        if data is not None:
            shutil.rmtree(data.strip(), ignore_errors=True)
