"""D-Bus: how the Mender client hands its token to the other programs of a device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .namespaces import Namespace
from .processes import Reactor, running, until
from .requirements import program

# Such a name, unlike a path, is short wherever the tests run, and belongs to a network namespace:
# each device has a bus of its own by it.
_ADDRESS = "unix:abstract=system_bus"
BUS_ENVIRONMENT = {"DBUS_SYSTEM_BUS_ADDRESS": _ADDRESS}
"""What makes a program of a device use the device's bus."""

# Debian's own would change its user, and so get out of the kernel's hand when the tests are killed.
_CONFIGURATION = f"""\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>{_ADDRESS}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="*"/>
    <allow receive_type="*"/>
  </policy>
</busconfig>
"""


@asynccontextmanager
async def message_bus(
    reactor: Reactor, name: str, machine: Namespace, directory: Path
) -> AsyncIterator[None]:
    """
    Run the system bus of a machine.

    :param name: how error messages call it.
    :param directory: for its files; it is created.
    """
    directory.mkdir(exist_ok=True)
    configuration, log = directory / "bus.conf", directory / "log"
    configuration.write_text(_CONFIGURATION)
    log.unlink(missing_ok=True)
    daemon = [program("dbus-daemon"), "--nofork", "--print-address"]
    command = machine.command([*daemon, f"--config-file={configuration}"])
    async with running(reactor, name, command, log) as bus:

        def listens() -> bool:
            bus.check_running()
            return _ADDRESS in bus.output()

        await until(reactor, listens, f"{name} listens")
        yield
