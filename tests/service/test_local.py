# SPDX-License-Identifier: MIT
"""deploy/local, where it must refuse; that it brings everything up is what .ci and every user try first."""
import os
import subprocess

import pytest
from conftest import PROJECT
from hub.base import Trouble, complaint, read, write
from hub.hub import Hub, addressed

VILLAGE = "35.09.01.2001"


def local(folder, *arguments):
    return subprocess.run([os.path.join(PROJECT, "deploy", "local"), *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, "KENTONGAN_LOCAL": str(folder)}, timeout=60)


@pytest.mark.parametrize("command", ["wipe", "up"])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path, command):
    (tmp_path / "thesis.txt").write_text("mine")
    done = local(tmp_path, command)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and str(tmp_path) in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("arguments", [("up", "--villages", "0"), ("up", "--villages", "-3"), ("feed", "x", "--speed", "0"), ("dance",)])
def test_wrong_use_starts_nothing(tmp_path, arguments):
    done = local(tmp_path / "new", *arguments)
    assert done.returncode == 2 and "usage" in done.stderr and not (tmp_path / "new").exists()


def test_before_up_each_command_says_so(tmp_path):
    for command in ("env", "status", "down"):
        done = local(tmp_path / "new", command)
        assert done.returncode == 1 and "deploy/local up" in done.stderr


def test_two_at_once_take_turns_or_say_so(tmp_path):
    first, second = Hub(tmp_path), Hub(tmp_path)
    seen = iter([False, True])
    second.exists = lambda: next(seen)  # it looked a moment before the first took the folder
    first.claim()
    first.lock()
    second.claim()
    with pytest.raises(Trouble, match="another deploy/local up or wipe is at work"):
        second.lock()
    for command in ("up", "wipe"):
        done = local(tmp_path, command)
        assert done.returncode == 1 and done.stderr == "deploy/local: another deploy/local up or wipe is at work here; wait for it\n"
    assert first.exists()


def test_two_who_write_one_file_at_once_do_not_meet(tmp_path, monkeypatch):
    """As two `deploy/local env` do; the second comes between the first's writing and its renaming."""
    path, rename = str(tmp_path / "kentongan.conf"), os.replace

    def replace(*names):
        monkeypatch.setattr(os, "replace", rename)
        write(path, "second")
        rename(*names)

    monkeypatch.setattr(os, "replace", replace)
    write(path, "first")
    assert read(path) == "first" and os.listdir(tmp_path) == ["kentongan.conf"]


def test_a_line_keeps_its_key_when_others_come_before_it():
    lines = ['{"record": "Request"}', "", '{"record": "Request"}', '{"record": "Payment", "village_code": "35.09.19.1001"}']
    events = list(addressed(lines, VILLAGE))
    assert [code for code, _ in events] == [VILLAGE, VILLAGE, "35.09.19.1001"]
    keys = [event["idempotency_key"] for _, event in events]
    assert len(set(keys)) == 3
    later = [event["idempotency_key"] for _, event in addressed(['{"record": "Approval"}', *lines], VILLAGE)]
    assert later[1:] == keys


@pytest.mark.parametrize("line, words", [("5", "not a JSON object"), ("[1]", "not a JSON object"), ("{x", "not JSON"),
                                         ('{"village_code": 7}', "village_code")])
def test_a_line_that_is_no_event_is_named(line, words):
    with pytest.raises(Trouble, match=f"line 2.*{words}"):
        list(addressed(["{}", line], VILLAGE))


def test_what_a_command_complained_of_first_is_told():
    assert complaint("\x1b[1m[ERROR] no network\n[ERROR] more\n[ERROR] help\nbye") == "[ERROR] no network | [ERROR] more"
    assert complaint("one\n\ntwo\n") == "one | two"
