"""
The network: a WAN, a LAN, and the gateway's namespace as the only one that is in both.

The test process is on the WAN, in the namespace it was started in; the store and the gateway
have namespaces of their own there.  On the LAN every device has one.  Nobody has a route to
anywhere but the networks it is plugged into.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Interface, IPv4Network

import attrs

from .namespaces import Namespace, namespace
from .processes import Reactor
from .switches import Switch, add_switch

SERVER_NAME = "mender.e2e.test"
STORE_NAME = "store.e2e.test"
GATEWAY_NAME = "gateway.e2e.test"

# The WAN is visible to the whole machine: parallel runs get different blocks of this range.
_WAN_RANGE = IPv4Network("10.78.0.0/16")
_WAN_PREFIX = 29
# The LAN exists in the gateway's namespace only.
_LAN = IPv4Network("10.77.0.0/24")
_FIRST_DEVICE = 10


@attrs.frozen
class Network:
    """
    What is plugged in where; made by :func:`network`.

    :param reactor: runs whatever runs in the network.
    :param name: what the names of all namespaces begin with; unique on this machine.
    """

    reactor: Reactor = attrs.field(repr=False)
    name: str
    wan: IPv4Network
    lan: Switch
    gateway: Namespace
    store: Namespace

    @property
    def server_address(self) -> str:
        """Where the test process is on the WAN, and its Mender Server listens."""
        return str(self.wan[1])

    @property
    def store_address(self) -> str:
        """Where the store is on the WAN."""
        return str(self.wan[2])

    @property
    def gateway_address(self) -> str:
        """Where the gateway is on the LAN."""
        return str(_LAN[1])

    @asynccontextmanager
    async def device(self, number: int) -> AsyncIterator[Namespace]:
        """Plug a device into the LAN; number tells its address and its :func:`mac_address`."""
        address = IPv4Interface((device_address(number), _LAN.prefixlen))
        mac = mac_address(number)
        async with (
            namespace(self.reactor, f"{self.name}-device-{number}") as device,
            self.lan.plug("eth0", address, device, port=f"device{number}", mac=mac),
        ):
            yield device


@asynccontextmanager
async def network(reactor: Reactor) -> AsyncIterator[Network]:
    """Build WAN and LAN, with no device plugged in yet, and remove them at the end."""
    name = f"e2e{os.getpid()}"
    block = _wan_block(os.getpid())
    async with (
        namespace(reactor, f"{name}-store") as store,
        namespace(reactor, f"{name}-gateway") as gateway,
    ):
        # Not in the namespace of the tests: the machine's firewall would see what passes a
        # bridge there, and one that Docker has set up drops it.
        wan = await add_switch(reactor, "wan", _interface(block, 2), store)
        lan = await add_switch(reactor, "lan", _interface(_LAN, 1), gateway)
        async with (
            wan.plug(name, _interface(block, 1), port="tests"),
            wan.plug("eth0", _interface(block, 3), gateway, port="gateway"),
        ):
            yield Network(reactor, name, block, lan, gateway, store)


def device_address(number: int) -> str:
    """Return the address of a device on the LAN."""
    return str(_LAN[_FIRST_DEVICE + number])


def mac_address(number: int) -> str:
    """Return the locally administered MAC address of a device."""
    return f"02:e2:e0:00:00:{number:02x}"


def hosts(names: dict[str, str]) -> str:
    """Return the text of an ``/etc/hosts`` with ``localhost`` and these names → addresses."""
    known = {"localhost": "127.0.0.1", **names}
    return "".join(f"{address} {name}\n" for name, address in known.items())


def _wan_block(process: int) -> IPv4Network:
    blocks = list(_WAN_RANGE.subnets(new_prefix=_WAN_PREFIX))
    return blocks[process % len(blocks)]


def _interface(network: IPv4Network, number: int) -> IPv4Interface:
    return IPv4Interface((network[number], network.prefixlen))
