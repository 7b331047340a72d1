# SPDX-License-Identifier: MIT
"""A power cut at any system call: the quick form of tests/chaos/run gateway-power."""
import os
import subprocess

from conftest import BINARIES, PROJECT


def test_a_cut_at_any_call_loses_nothing_unnamed(lonely):
    done = subprocess.run([os.path.join(PROJECT, "tests", "chaos", "run"), "gateway-power", "--rounds", "8", "--clients", "2"],
                          env={**os.environ, "KENTONGAN_BIN": BINARIES}, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 posts" in done.stdout and ": held" in done.stdout
