"""mender-connect: Mender's add-on for remote terminals and file transfer, as Debian ships it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .device import Device
from .processes import Program, Reactor
from .requirements import program

_CONFIGURATION = {"ShellCommand": "/bin/bash", "User": "nobody", "ReconnectIntervalSeconds": 1}


@asynccontextmanager
async def mender_connect(reactor: Reactor, device: Device) -> AsyncIterator[Program]:
    """
    Run mender-connect beside a device's client, which tells it its token.

    It asks for the token every ten seconds only, but hears of a new one at once: it connects
    soonest when it is started before the client has one.
    """
    configuration = device.directory / "etc" / "mender-connect.conf"
    configuration.write_text(json.dumps(_CONFIGURATION))
    command = [program("mender-connect"), "--debug", "daemon"]
    async with device.running(reactor, "mender-connect", command, grace=0) as started:
        yield started
