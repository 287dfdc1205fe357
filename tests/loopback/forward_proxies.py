"""Proxies as companies run them: processes on loopback, with names that nobody else knows."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol

from menderproxy.demo.network import free_port
from tests.e2e.processes import CommandFailed, run, running, until
from tests.e2e.requirements import find_program, program
from tests.loopback.lines import LOOPBACK

USER = "gateway"

_SQUID = """
http_port {address}:{port}
hosts_file {directory}/hosts
logformat request %rm %ru
access_log stdio:{directory}/access.log logformat=request
cache_log {directory}/cache.log
cache deny all
coredump_dir {directory}
pid_filename none
netdb_filename none
pinger_enable off
dns_nameservers {address}
visible_hostname proxy.test
shutdown_lifetime 0 seconds
{rules}
"""
_SQUID_PASSWORDS = """
auth_param basic program {checker} {directory}/passwords
auth_param basic children 1 startup=1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""
_NCSA_AUTH = Path("/usr/lib/squid/basic_ncsa_auth")


class ForwardProxy(ABC):
    """
    One proxy.

    :param names: what it knows, besides ``localhost``; all of it is this machine.
    :param open_to_all: whether it does without a password.
    :cvar password: that of :data:`USER`.
    """

    password: str

    def __init__(self, names: Iterable[str], *, open_to_all: bool = False):
        self.port = free_port(0)
        # Not trial's: a proxy started by root becomes another user, who may not get there.
        self.directory = Path(mkdtemp(prefix="forward-proxy-"))
        self.directory.chmod(0o777)
        self.open_to_all = open_to_all
        hosts = "".join(f"{LOOPBACK} {name}\n" for name in ("localhost", *names))
        (self.directory / "hosts").write_text(hosts)

    @property
    def authority(self) -> str:
        """Where it listens."""
        return f"{LOOPBACK}:{self.port}"

    def url(self, password: str | None = None) -> str:
        """What ``HTTP_PROXY`` is set to, with the right password or another one."""
        if self.open_to_all:
            return f"http://{self.authority}"
        secret = quote(self.password if password is None else password, safe="")
        return f"http://{USER}:{secret}@{self.authority}"

    @asynccontextmanager
    async def running(self, reactor: Any) -> AsyncIterator[None]:
        """Run it, for the first time or again, from the moment it takes connections."""
        log = self.directory / "log"
        async with running(reactor, "the proxy", self.command(), log) as process:

            async def ready() -> bool:
                process.check_running()
                return await _listens(reactor, self.port)

            await until(reactor, ready, "the proxy listens")
            yield

    def requests(self) -> set[tuple[str, str]]:
        """Method and authority of each request that it got; complete only when it has ended."""
        return set(re.findall(r"([A-Z]+) (?:http://)?([^/\s]+)", self.request_lines()))

    def remove(self) -> None:
        """Remove its files."""
        rmtree(self.directory)

    @classmethod
    @abstractmethod
    async def missing(cls, reactor: Any) -> str | None:
        """Say what keeps it from running on this machine, if anything."""

    @abstractmethod
    def command(self) -> list[str]:
        """Configure it, and give what starts it."""

    @abstractmethod
    def request_lines(self) -> str:
        """What it wrote down of the requests that it got."""


class Tinyproxy(ForwardProxy):
    """Tinyproxy, for which ``/etc/hosts`` is another file."""

    # Its configuration has no place for any other character.
    password = "s3cret_w.ord-1"

    @classmethod
    async def missing(cls, reactor: Any) -> str | None:
        """Look for it, and for the right to show it another file."""
        if find_program("tinyproxy") is None:
            return "tinyproxy is not installed"
        try:
            await run(reactor, "unshare", "--mount", "true")
        except CommandFailed:
            return "tinyproxy needs a mount namespace, and there is no right to make one"
        return None

    def command(self) -> list[str]:
        """Configure it, and give what starts it."""
        configuration = self.directory / "tinyproxy.conf"
        lines = [f"Port {self.port}", f"Listen {LOOPBACK}", "LogLevel Connect"]
        if not self.open_to_all:
            lines.append(f"BasicAuth {USER} {self.password}")
        configuration.write_text("\n".join(lines) + "\n")
        start = 'mount --bind "$1" /etc/hosts && exec "$2" -d -c "$3"'
        arguments = [str(self.directory / "hosts"), program("tinyproxy"), str(configuration)]
        return [program("unshare"), "--mount", "/bin/sh", "-c", start, "sh", *arguments]

    def request_lines(self) -> str:
        """Read its log."""
        log = (self.directory / "log").read_text()
        return "\n".join(re.findall(r"Request \(.*\): (.*) HTTP/1\.[01]", log))


class Squid(ForwardProxy):
    """Squid."""

    password = "s3cret:w@rd/100%"
    # By "openssl passwd -1".
    hashed = "$1$gateway$IDFkt1NoONjX53Nwia2XF1"

    @classmethod
    async def missing(cls, reactor: Any) -> str | None:
        """Look for it, and for what checks its passwords."""
        there = find_program("squid") is not None and _NCSA_AUTH.exists()
        return None if there else "squid is not installed"

    def command(self) -> list[str]:
        """Configure it, and give what starts it."""
        rules = "http_access allow all" if self.open_to_all else _SQUID_PASSWORDS
        places = {"address": LOOPBACK, "port": self.port, "directory": self.directory}
        rules = rules.format(checker=_NCSA_AUTH, **places)
        (self.directory / "squid.conf").write_text(_SQUID.format(rules=rules, **places))
        (self.directory / "passwords").write_text(f"{USER}:{self.hashed}\n")
        return [program("squid"), "-N", "-f", str(self.directory / "squid.conf")]

    def request_lines(self) -> str:
        """Read its access log."""
        return (self.directory / "access.log").read_text()


async def _listens(reactor: Any, port: int) -> bool:
    endpoint = TCP4ClientEndpoint(reactor, LOOPBACK, port)
    try:
        connected: Any = await connectProtocol(endpoint, Protocol())
    except ConnectError:
        return False
    connected.transport.loseConnection()
    return True
