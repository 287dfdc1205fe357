"""What this machine must have for the end-to-end tests, and the reason to skip when it lacks it."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

PROGRAMS = (
    "curl",
    "dbus-daemon",
    "ip",
    "mender",
    "mender-artifact",
    "mender-connect",
    "nginx",
    "openssl",
    "setpriv",
    "weed",
)
MODULES = ("boto3", "msgpack", "wsproto")
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}

# ``PATH`` often lacks the directories of daemons, and that of a virtual environment which was
# not activated.
SEARCH_PATH = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
)


def missing() -> str | None:
    """Say in one sentence what is missing, or return ``None`` when the tests can run."""
    if os.geteuid() != 0:
        return "end-to-end tests need root: they make network namespaces"
    lacking = [
        name for name, bit in CAPABILITIES.items() if not _effective_capabilities() >> bit & 1
    ]
    if lacking:
        return f"end-to-end tests need the capabilities {', '.join(lacking)}"
    absent = [name for name in PROGRAMS if find_program(name) is None]
    if absent:
        return f"end-to-end tests need programs that are not installed: {', '.join(absent)}"
    absent = [name for name in MODULES if find_spec(name) is None]
    if absent:
        return f"end-to-end tests need {', '.join(absent)}: pip install menderproxy[e2e]"
    return None


def find_program(name: str) -> str | None:
    """Return the path of a program, or ``None`` when it is not installed."""
    return shutil.which(name, path=SEARCH_PATH)


def program(name: str) -> str:
    """
    Return the path of a program that the tests cannot do without.

    :raises FileNotFoundError: when it is not installed.
    """
    path = find_program(name)
    if path is None:
        raise FileNotFoundError(f"{name}: no such program")
    return path


def _effective_capabilities() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:  # not Linux
        return 0
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["CapEff"], 16)
