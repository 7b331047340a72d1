# SPDX-License-Identifier: MIT
"""A bit turned, a block of zeros, a tail cut off, in the spool's file, its log or its head, at random: it opens, and each
number that was given is there, was delivered, or is named as missing. The rounds are tests/unit/spool_damage_test.c's own."""
import argparse
import os
import subprocess
import sys
import time

PROGRAM = "build/debug/tests/spool_damage_test"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    wanted = parser.parse_args()
    done = subprocess.run([PROGRAM], capture_output=True, text=True, check=False, env={
        **os.environ, "KENTONGAN_DAMAGE_ROUNDS": str(wanted.rounds), "KENTONGAN_DAMAGE_SEED": str(wanted.seed)})
    if done.returncode != 0:
        print(done.stdout + done.stderr)
    print(f"gateway-damage: {wanted.rounds} rounds, seed {wanted.seed}: {'held' if done.returncode == 0 else 'FAILED'}")
    sys.exit(done.returncode != 0)


if __name__ == "__main__":
    main()
