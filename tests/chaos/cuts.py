# SPDX-License-Identifier: MIT
"""A folder as a program asks the kernel to change it (strace), and as a cut at each of its system calls may leave it.

  killed   the program ends there; what it had asked for is done
  lost     the power goes: what was not synced is gone, names too until the next sync
  zeros    ... files have the size they had grown to, but zeros where nothing was synced
  renamed  ... names are the new ones at once, without what was not synced
"""
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARIES = os.environ.get("KENTONGAN_BIN") or os.path.join(PROJECT, "build", "debug", "bin")
LOOK = os.path.join(os.path.dirname(BINARIES), "tests", "spool_look")
VILLAGE, TOPICS = "35.09.01.2001", ["desa.requests", "desa.approvals", "desa.payments"]
CALLS = "openat,pwrite64,write,ftruncate,fsync,fdatasync,rename,unlink,unlinkat,link,sendto,sendmsg,writev,send"
POWER = ("lost", "zeros", "renamed")


def tracing(trace):
    """What stands before a command whose changes of files are to be recorded."""
    return ["strace", "-f", "-y", "-qq", "-xx", "-s", "200000", "-e", f"trace={CALLS}", "-o", trace]


# The trace as a row of (what, ...)

CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")


def text_of(literal):
    return bytes.fromhex(literal.replace("\\x", ""))


def steps_of(trace, folder):
    """Writes and names count from their beginning, a sync from its end."""
    waiting = {}
    with open(trace, encoding="ascii", errors="replace") as lines:
        for line in lines:
            thread = line.split(" ", 1)[0]
            resumed = RESUMED.match(line)
            if resumed:
                step = waiting.pop(thread, None)
                if step and line.rstrip().endswith("= 0"):
                    yield step
                continue
            call = CALL.match(line)
            step = call and step_of(call.group(1), call.group(2), folder)
            if not step:
                continue
            if step[0] == "sync" and "<unfinished" in line:
                waiting[thread] = step
            elif "= -1" not in line[-60:]:
                yield step


def step_of(name, rest, folder):
    inside = re.search(r"\d+<([^>]*)>", rest)
    path = bytes(inside.group(1), "ascii").decode("unicode_escape") if inside else ""
    own = path.startswith(folder + "/")
    texts = [text_of(found) for found in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', rest)]
    names = [text.decode() for text in texts[:2]] if name in ("openat", "rename", "link", "unlink", "unlinkat") else []
    if name in ("sendto", "sendmsg", "writev", "send"):
        return ("answers", b"".join(texts).count(b"HTTP/1.1 201")) if b"HTTP/1.1 201" in b"".join(texts) else None
    if names and names[0].startswith(folder + "/"):
        if name == "openat":
            return ("create", names[0], "O_TRUNC" in rest) if "O_CREAT" in rest else None
        return ("unlink", names[0]) if name.startswith("unlink") else (name, *names)
    if name == "pwrite64" and own:
        place = re.search(r'", (\d+), (\d+)', rest)
        return ("write", path, texts[0][:int(place.group(1))], int(place.group(2)))
    if name == "write" and own:
        return ("append", path, texts[0][:int(re.search(r'", (\d+)', rest).group(1))])
    if name == "ftruncate" and own:
        return ("cut", path, int(re.search(r">, (\d+)", rest).group(1)))
    if name in ("fsync", "fdatasync") and (own or path == folder):
        return ("sync", path)
    return None


class File:
    """As programs see it, and what of it would outlive a cut."""

    def __init__(self, content=b""):
        self.seen, self.synced = bytearray(content), bytes(content)

    def write(self, data, place):
        self.seen.extend(bytes(max(0, place + len(data) - len(self.seen))))
        self.seen[place:place + len(data)] = data

    def cut(self, size):
        del self.seen[size:]
        self.seen.extend(bytes(size - len(self.seen)))


class Disk:
    """Names and their files, now and as of the last sync; a file may have two names."""

    def __init__(self, folder=None):
        self.now = {}
        for name in os.listdir(folder) if folder else ():
            with open(os.path.join(folder, name), "rb") as file:
                self.now[os.path.join(folder, name)] = File(file.read())
        self.synced = dict(self.now)

    def apply(self, step):
        kind, path = step[0], step[1]
        if kind == "create":
            file = self.now.setdefault(path, File())
            if step[2]:
                file.cut(0)
        elif kind == "unlink":
            self.now.pop(path, None)
        elif kind == "rename":
            self.now[step[2]] = self.now.pop(path)
        elif kind == "link":
            self.now[step[2]] = self.now[path]
        elif kind == "write":
            self.now.setdefault(path, File()).write(step[2], step[3])
        elif kind == "append":
            self.now[path].write(step[2], len(self.now[path].seen))
        elif kind == "cut":
            self.now[path].cut(step[2])
        elif kind == "sync":
            if path in self.now:
                self.now[path].synced = bytes(self.now[path].seen)
            self.synced = dict(self.now)

    def after_cut(self, mode):
        """path -> (file, content)"""
        found = {}
        for path, file in (self.synced if mode == "lost" else self.now).items():
            kept = file.synced
            if mode == "killed":
                kept = bytes(file.seen)
            elif mode == "zeros":
                kept = kept[:len(file.seen)] + bytes(max(0, len(file.seen) - len(kept)))
            found[path] = (file, kept)
        return found


def quick_folder():
    """In memory, where a sync costs nothing."""
    return tempfile.mkdtemp(prefix="kentongan-cut-", dir="/dev/shm" if os.path.isdir("/dev/shm") else "/var/tmp")


def state_of(files):
    """The same for folders that no program can tell apart."""
    state, numbers = hashlib.sha256(), {}
    for path in sorted(files):
        file, content = files[path]
        state.update(f"{path} {numbers.setdefault(file, len(numbers))} {len(content)} ".encode())
        state.update(content)
    return state.digest()


def build(files, source, target):
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target, mode=0o700)
    built = {}
    for path, (file, content) in files.items():
        place = path.replace(source, target, 1)
        if file in built:
            os.link(built[file], place)
            continue
        built[file] = place
        with open(place, "wb") as out:
            out.write(content)


class Looker:
    """spool_look, asked again and again; what it said of the same files is remembered."""

    def __init__(self, source, target=None):
        self.process = subprocess.Popen([LOOK, *TOPICS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.source, self.known, self.target = source, {}, target or quick_folder()

    def look_after(self, files):
        """What a start finds in a folder of these files."""
        state = state_of(files)
        found = self.known.get(state)
        if found is None:
            build(files, self.source, self.target)
            found = self.known[state] = self.look(os.path.join(self.target, VILLAGE + ".db"))
        return found

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.target, ignore_errors=True)

    def look(self, path):
        """(numbers that are there, numbers that are missing, faults) of the payments"""
        self.process.stdin.write(f"{path} {VILLAGE}\n")
        self.process.stdin.flush()
        there, missing, lives = set(), set(), []
        while (line := self.process.stdout.readline().strip()) or not lives:
            if line == "again":
                there, missing = set(), set()
            if line.startswith("fault") or (not line and self.process.poll() is not None):
                return there, missing, line or "it crashed"
            lives.append(line)
            words = line.split()
            if len(words) < 3 or words[1] != "desa.payments":
                continue
            for word in words[3:]:
                first, _, last = word.partition("-")
                (missing if last else there).update(range(int(first), int(last or first) + 1))
        return there, missing, None
