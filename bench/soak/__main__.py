"""
``python -m bench.soak``: devices update while everything breaks, again and again.

Needs root, for mounts and a network of its own. Exits with 1 if anything happened that must not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from bench.soak.findings import Findings
from bench.soak.plant import Plant
from bench.soak.run import Run, Stages
from menderproxy.ops.timers import run_monotonically

_APART = "SOAK_IS_APART"
# Mounts, ports and a name server that nobody else sees, and that are gone when it is.
_GO_APART = ("unshare", "--mount", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def main() -> None:
    """Run it, and exit."""
    options = _options(sys.argv[1:])
    if _APART not in os.environ:
        _go_apart()
    react(lambda reactor: ensureDeferred(_run(reactor, options)))


def _go_apart() -> None:
    if os.geteuid() != 0:
        sys.exit("bench.soak: needs root, for mounts and a network of its own")
    command = [*_GO_APART, sys.executable, "-m", "bench.soak", *sys.argv[1:]]
    os.execvpe(command[0], command, {**os.environ, _APART: "yes"})


async def _run(reactor: Any, options: argparse.Namespace) -> None:
    run_monotonically(reactor)
    began = time.monotonic()
    findings = Findings(lambda: time.monotonic() - began, sys.stderr)
    dice = Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        directory = options.keep or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        findings.say(f"{options.devices} devices, --seed {options.seed}, files in {directory}")
        plant = Plant(reactor, directory, options.devices, findings, dice)
        run = Run(reactor, plant, Stages.of(options.minutes), Random(options.seed), options.without)
        await run.go()
    print(f"{options.minutes:g} minutes, {options.devices} devices, --seed {options.seed}")
    print(*findings.summary(), sep="\n")
    print("all is well" if findings.are_none else "all is not well")
    raise SystemExit(0 if findings.are_none else 1)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=3, help="about how long it takes (%(default)s)")
    add("--devices", type=int, default=50, help="in the fleet (%(default)s)")
    add("--seed", type=int, default=None, help="what a run has printed, to have its mishaps again")
    add("--keep", type=Path, metavar="DIRECTORY", help="leave configuration and log there")
    add("--without", nargs="+", default=(), metavar="MISHAP", help="what is not to happen")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = int.from_bytes(os.urandom(4), "big")
    return options


if __name__ == "__main__":
    main()
