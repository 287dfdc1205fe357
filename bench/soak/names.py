"""A name server that knows one name, and that can fail in all the ways they do."""

from __future__ import annotations

import enum
import subprocess
from pathlib import Path
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.names import dns

from menderproxy.demo.network import LOOPBACK

ADDRESS = "127.0.87.53"
"""Of the name server; resolv.conf has no place for a port, so it is 53."""

NOBODY = "127.0.87.99"
METADATA = "169.254.169.254"
_PORT = 53


class Mood(enum.Enum):
    """What becomes of a question."""

    ANSWERS = "answers"
    DENIES = "says that there is no such name"
    FAILS = "says that it can't tell"
    SILENT = "says nothing"
    NOBODY = "gives an address where nobody is"
    METADATA = "gives the address of a cloud's credentials"


class Names:
    """
    The name server.

    :param name: the one that it knows; it leads to this machine.
    :ivar mood: may be set at any time.
    """

    def __init__(self, reactor: Any, name: str):
        self.mood = Mood.ANSWERS
        self._name = name.encode("ascii")
        self._reactor = reactor
        self._listening: Any = None

    def start(self, resolv_conf: Path) -> None:
        """
        Answer whoever sees the mounts that this process sees.

        :param resolv_conf: takes the place of the machine's own; it makes look-ups impatient, so
            that failures are quick.
        """
        resolv_conf.write_text(f"nameserver {ADDRESS}\noptions timeout:1 attempts:2\n")
        subprocess.run(["mount", "--bind", resolv_conf, "/etc/resolv.conf"], check=True)
        protocol = dns.DNSDatagramProtocol(self, reactor=self._reactor)
        protocol.noisy = False
        self._listening = self._reactor.listenUDP(_PORT, protocol, interface=ADDRESS)

    async def stop(self) -> None:
        """Stop."""
        if self._listening is not None:
            await maybeDeferred(self._listening.stopListening)

    def messageReceived(self, message: Any, protocol: Any, address: Any = None) -> None:
        """Answer one question (called by Twisted)."""
        if self.mood is Mood.SILENT:
            return
        [query] = message.queries
        message.answer = 1
        if self.mood is Mood.FAILS:
            message.rCode = dns.ESERVER
        elif self.mood is Mood.DENIES or query.name.name.lower() != self._name:
            message.rCode = dns.ENAME
        elif query.type == dns.A:
            record = dns.Record_A(self._address(), ttl=0)
            header = dns.RRHeader(self._name, dns.A, dns.IN, 0, record)
            message.answers = [header]
        protocol.writeMessage(message, address)

    def _address(self) -> str:
        return {Mood.NOBODY: NOBODY, Mood.METADATA: METADATA}.get(self.mood, LOOPBACK)
