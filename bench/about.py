"""The machine, the versions and the scale of a run, for people."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from OpenSSL import SSL

import twisted
from bench.scenario import Scale
from bench.servers import Server
from bench.servers.gateway import GATEWAY
from menderproxy import __version__

_ROOT = Path(__file__).parents[1]


def about(scale: Scale, servers: Iterable[Server]) -> dict[str, str]:
    """Describe a run; nothing in it names the machine or its folders."""
    peers = {server.program: server for server in servers if server.program != GATEWAY.program}
    versions = [f"{name} {server.version}" for name, server in peers.items() if server.version]
    openssl = SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode()
    return {
        "Version": f"{__version__}{_commit()}",
        "Date": datetime.date.today().isoformat(),
        "Machine": (
            f"{os.cpu_count()} processors ({_processor()}), {_memory_gib():.0f} GiB,"
            f" {platform.machine()}, Linux {_number(platform.release())}"
        ),
        "Ours": (
            f"Python {platform.python_version()}, Twisted {twisted.__version__},"
            f" OpenSSL {_number(openssl)}"
        ),
        "Peers": ", ".join(versions),
        "Load before": f"{os.getloadavg()[0]:.1f}",
        "Artifact": f"{scale.mebibytes} MiB, over {scale.megabits:g} Mbit/s where it is cold",
    }


def _processor() -> str:
    """Give the processor's model, as far as it is told."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else "of an unknown model"


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)


def _number(version: str) -> str:
    found = re.search(r"\d+(?:\.\d+)+", version)
    return found[0] if found else ""


def _commit() -> str:
    """Say which commit of the checkout this is, if it is one of a checkout at all."""
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f", commit {described.strip()}"
