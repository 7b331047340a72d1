# SPDX-License-Identifier: MIT
"""A power cut, or an end of the process, at any system call: the quick form of tests/chaos/run gateway-power and gateway-aside."""
import os
import subprocess

from conftest import BINARIES, PROJECT


def prove(*words):
    done = subprocess.run([os.path.join(PROJECT, "tests", "chaos", "run"), *words],
                          env={**os.environ, "KENTONGAN_BIN": BINARIES}, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": held" in done.stdout
    return done.stdout


def test_a_cut_at_any_call_loses_nothing_unnamed(lonely):
    assert "8 posts" in prove("gateway-power", "--rounds", "8", "--clients", "2")


def test_an_end_at_any_call_of_setting_aside_loses_nothing(lonely):
    assert "2 kinds of damage" in prove("gateway-aside", "--rounds", "8", "--damage", "log-header", "head-gone")
