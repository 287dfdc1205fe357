"""Switches: bridges that join namespaces to one Ethernet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Interface

import attrs

from .namespaces import Namespace
from .processes import Reactor, run


@attrs.frozen
class Switch:
    """
    A bridge; made by :func:`add_switch`.

    :param location: the namespace it is in.
    """

    _reactor: Reactor = attrs.field(repr=False)
    name: str
    location: Namespace

    @asynccontextmanager
    async def plug(
        self,
        interface: str,
        address: IPv4Interface,
        machine: Namespace | None = None,
        *,
        port: str,
        mac: str | None = None,
    ) -> AsyncIterator[None]:
        """
        Plug a machine in for as long as the context lasts.

        :param interface: of the machine; it is made for this.
        :param machine: ``None`` is the namespace that the tests run in.
        :param port: name of the switch's end of the cable.
        :param mac: hardware address of the interface, else a random one.
        """
        ip = ("ip", "-n", machine.name) if machine else ("ip",)
        hardware = ("address", mac) if mac else ()
        cable = ("type", "veth", "peer", "name", port, "netns", self.location.name)
        await run(self._reactor, *ip, "link", "add", interface, *hardware, *cable)
        try:
            there = ("ip", "-n", self.location.name)
            await run(self._reactor, *there, "link", "set", port, "master", self.name, "up")
            await run(self._reactor, *ip, "address", "add", str(address), "dev", interface)
            await run(self._reactor, *ip, "link", "set", interface, "up")
            yield
        finally:
            await run(self._reactor, *ip, "link", "delete", interface)


async def add_switch(
    reactor: Reactor, name: str, address: IPv4Interface, location: Namespace
) -> Switch:
    """
    Make a bridge; it goes when its namespace does.

    :param address: of the namespace that it is in, on this Ethernet.
    """
    ip = ("ip", "-n", location.name)
    await run(reactor, *ip, "link", "add", name, "type", "bridge")
    await run(reactor, *ip, "address", "add", str(address), "dev", name)
    await run(reactor, *ip, "link", "set", name, "up")
    return Switch(reactor, name, location)
