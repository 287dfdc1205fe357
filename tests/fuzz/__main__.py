"""Tries other examples each time, until the time is over or something is found."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import ArgumentParser


def main() -> None:
    """Run it."""
    parser = ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long")
    parser.add_argument("--examples", type=int, default=5000, help="how many of each in a round")
    parser.add_argument("tests", nargs="*", default=["tests.fuzz"], help="which; by default all")
    options = parser.parse_args()
    command = [sys.executable, "-m", "twisted.trial", "--reporter=text", *options.tests]
    environment = {**os.environ, "EXAMPLES": str(options.examples)}
    end = time.monotonic() + options.minutes * 60
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        status = subprocess.run(command, env=environment).returncode
        if status:
            sys.exit(status)
        rounds += 1
        print(f"rounds without a fault: {rounds}, of {options.examples} examples each", flush=True)


if __name__ == "__main__":
    main()
