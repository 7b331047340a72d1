# SPDX-License-Identifier: MIT
"""The systemd units as they are installed: systemd understands every line, they give away little, and what they name is there."""
import os
import re
import subprocess

import pytest
from conftest import BINARIES

UNITS = {"kentongan-gateway.service": "gateway", "kentongan-sink@.service": "sink", "kentongan-monitor.service": "monitor"}


def run(*arguments, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60, **options)
    return done.returncode, done.stdout + done.stderr


class Unit:
    def __init__(self, prefix, name):
        self.path = os.path.join(prefix, "lib", "systemd", "system", name)
        self.example = os.path.join(prefix, "share", "kentongan", "conf", UNITS[name] + ".conf")
        self.lines = {}
        for path in (self.path, os.path.join(self.path + ".d", "sandbox.conf")):
            with open(path, encoding="utf-8") as file:
                for key, value in re.findall(r"^(\w+)=(.*)$", file.read(), re.M):
                    self.lines.setdefault(key, []).append(value)
        [self.program, _, self.conf] = self.lines["ExecStart"][0].split()
        [self.folder] = self.lines["WorkingDirectory"]

    def check(self):
        """(status, settings in force) of the program, started as the unit would, with the settings that are shipped for it."""
        status, text = run(self.program, "--conf", self.example, "--check", cwd=self.folder)
        return status, dict(re.findall(r"^(\S+) = (.*?)  #", text, re.M))


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("prefix"))
    status, text = run("cmake", "--install", os.path.dirname(BINARIES), "--prefix", folder)
    assert status == 0, text
    return folder


@pytest.fixture(params=UNITS)
def unit(prefix, request):
    return Unit(prefix, request.param)


def test_systemd_understands_every_line(unit):
    status, text = run("systemd-analyze", "verify", "--man=no", unit.path)
    assert status == 0 and [line for line in text.splitlines() if "kentongan" in line] == []


def test_little_is_given_away(unit):
    status, text = run("systemd-analyze", "security", "--offline=true", "--threshold=17", "--no-pager", unit.path)
    assert status == 0, text


def test_what_is_installed_names_no_other_prefix(unit):
    with open(unit.path, encoding="utf-8") as file:
        assert "/usr/local" not in file.read()


def test_programs_start_with_the_settings_that_are_shipped(unit):
    status, settings = unit.check()
    assert status == 0
    for name in {"schemas", "villages", "department"} & set(settings):
        assert os.path.exists(os.path.join(unit.folder, settings[name])), name
    assert os.path.dirname(unit.conf) == "/etc/kentongan"


def test_settings_name_only_what_the_unit_may_see(unit):
    with open(unit.example, encoding="utf-8") as file:
        text = file.read()
    given = {line.split(":")[0] for line in unit.lines.get("LoadCredential", [])}
    instance = os.path.basename(unit.path).replace("@.", "@dinsos.")
    assert set(re.findall(r"/run/credentials/(\S+)", text)) == {f"{instance}/{name}" for name in given}
    kept = [os.path.dirname(path) for path in re.findall(r"^spool = (.*)$", text, re.M)]
    assert kept == ["/var/lib/" + name for name in unit.lines.get("StateDirectory", [])], "elsewhere it cannot write"


def test_they_come_back_and_may_ask_about_the_clock(unit):
    assert unit.lines["Restart"] == ["always"] and unit.lines["StartLimitIntervalSec"] == ["0"]
    assert unit.lines["SystemCallFilter"][-1].split() == ["adjtimex", "clock_adjtime"], "what comes later takes away again"
    assert "ProtectClock" not in unit.lines


def test_only_programs_that_heed_a_signal_are_sent_it(unit):
    assert ("ExecReload" in unit.lines) == (UNITS[os.path.basename(unit.path)] != "sink")
    assert "WatchdogSec" not in unit.lines and unit.lines["Type"] == ["exec"], "none of them tells systemd anything"
