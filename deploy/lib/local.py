# SPDX-License-Identifier: MIT
"""The whole hub on this machine, for trying and for developing.

deploy/local up [--villages N]     install, build, start, feed a morning; again: only what is missing
deploy/local env                   NAME=value lines for scripts
deploy/local status [--json]       what runs
deploy/local stop NAME...          stop parts; their data stays
deploy/local start NAME...         start parts
deploy/local feed FILE [--speed N] post NDJSON events; with a speed, paced by occurred_at
deploy/local down                  stop everything; the data stays
deploy/local wipe                  stop and forget everything

State lies in KENTONGAN_LOCAL, else in .local of the project.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True
from hub.base import PROJECT, Trouble, say
from hub.hub import Hub


def one_or_more(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("takes a number of 1 or more")
    return number


def above_zero(text):
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("takes a number above 0")
    return number


def parse():
    parser = argparse.ArgumentParser(prog="deploy/local", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up").add_argument("--villages", type=one_or_more, default=5)
    commands.add_parser("env")
    commands.add_parser("status").add_argument("--json", action="store_true")
    for name in ("stop", "start"):
        commands.add_parser(name).add_argument("name", nargs="+")
    feed = commands.add_parser("feed")
    feed.add_argument("file")
    feed.add_argument("--speed", type=above_zero)
    commands.add_parser("down")
    commands.add_parser("wipe")
    return parser.parse_args()


def change(hub, names, action):
    parts = hub.parts()
    unknown = [name for name in names if name not in parts]
    if unknown:
        raise Trouble(f"no part is named {unknown[0]}; deploy/local status lists them")
    for name in names:
        _, process, start, stop = parts[name]
        if action == "start":
            start()
        elif process.is_running():
            stop()


def feed(hub, path, speed):
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except (OSError, ValueError) as reason:
        raise Trouble(f"{path}: {reason}") from None
    say(f"{hub.feed_lines(lines, speed)} events accepted")


def main():
    given = parse()
    hub = Hub(os.environ.get("KENTONGAN_LOCAL") or os.path.join(PROJECT, ".local"))
    if given.command == "up":
        return hub.up(given.villages)
    if given.command == "wipe":
        return hub.wipe()
    hub.need(whole=given.command in ("env", "feed"))
    if given.command == "env":
        hub.env()
    elif given.command == "status":
        hub.status(given.json)
    elif given.command == "feed":
        feed(hub, given.file, given.speed)
    elif given.command == "down":
        hub.down()
    else:
        change(hub, given.name, given.command)


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        say(f"deploy/local: {trouble}")
        sys.exit(1)
    except BrokenPipeError:  # who reads our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
