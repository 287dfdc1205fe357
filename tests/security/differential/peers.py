"""The three servers under test, each in front of recorders."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from menderproxy import gateway_service, parse_config
from menderproxy.service import GatewayService
from tests.loopback.lines import LOOPBACK, connect

PATIENCE = "500ms"
"""For what has not come: after that each of the servers ends the connection itself."""

_POLL = 0.01
_ATTEMPTS = 5

_NGINX = """\
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/nginx.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_header_timeout {patience}; client_body_timeout {patience};
  keepalive_timeout {patience}; proxy_http_version 1.1; proxy_set_header Connection "";
  client_body_temp_path {directory}/1; proxy_temp_path {directory}/2;
  fastcgi_temp_path {directory}/3; uwsgi_temp_path {directory}/4; scgi_temp_path {directory}/5;
{lanes}
}}
"""
_NGINX_LANE = """\
  server {{ listen {host}:{port}; location / {{ proxy_pass http://{host}:{upstream}; }} }}
"""
_HAPROXY = """\
global
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout server 5s
  timeout client {patience}
  timeout http-request {patience}
  timeout http-keep-alive {patience}
{lanes}
"""
_HAPROXY_LANE = """\
frontend in{port}
  bind {host}:{port}
  default_backend out{port}
backend out{port}
  server recorder {host}:{upstream}
"""


class Peer(Protocol):
    """
    One kind of server.

    :ivar ports: where it listens, one for each upstream.
    """

    ports: list[int]

    async def start(self, reactor: Any, upstreams: Sequence[int], directory: Path) -> None:
        """Start it in front of upstreams at these ports."""

    async def stop(self) -> None:
        """Stop it."""


class Gateway:
    """This gateway, in this process: one for each upstream."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._services: list[GatewayService] = []

    async def start(self, reactor: Any, upstreams: Sequence[int], directory: Path) -> None:
        """Start it."""
        limits = dict.fromkeys(("HeaderTimeout", "BodyTimeout", "IdleTimeout"), PATIENCE)
        for upstream in upstreams:
            document = {
                "HTTP": {"Enabled": True, "Listen": f"{LOOPBACK}:0"},
                "UpstreamServer": {"URL": f"http://{LOOPBACK}:{upstream}"},
                "Limits": {"DrainTimeout": "0s", **limits},
            }
            service = cast(GatewayService, gateway_service(parse_config(document), reactor))
            service.startService()
            self._services.append(service)
            self.ports.append(service.listeners[0].address.port)

    async def stop(self) -> None:
        """Stop it."""
        for service in self._services:
            await maybeDeferred(service.stopService)


class _Life(ProcessProtocol):
    """A process, and what it says."""

    def __init__(self) -> None:
        self.output = b""
        self.ended: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.output += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(None)


class Program:
    """
    A server of somebody else's.

    :param name: of its program.
    :param text: of its configuration.
    :param lane: the part of that for each upstream.
    :param arguments: what goes before the configuration's path.
    """

    def __init__(self, name: str, text: str, lane: str, *arguments: str):
        self.ports: list[int] = []
        self.name = name
        self._text = text
        self._lane = lane
        self._arguments = arguments
        self._life = _Life()
        self._process: Any = None

    @property
    def path(self) -> str | None:
        """Where its program is; ``None`` when it is not installed."""
        return shutil.which(self.name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

    async def start(self, reactor: Any, upstreams: Sequence[int], directory: Path) -> None:
        """Start it, and wait until it listens."""
        for _ in range(_ATTEMPTS):
            self.ports = _free_ports(len(upstreams))
            self._spawn(reactor, upstreams, directory)
            if all([await self._listens(reactor, port) for port in self.ports]):
                return
            # Somebody else took one of the ports meanwhile.
        raise RuntimeError(f"{self.name} ended: {self._life.output.decode()}")

    def _spawn(self, reactor: Any, upstreams: Sequence[int], directory: Path) -> None:
        pairs = zip(self.ports, upstreams, strict=True)
        lanes = "".join(
            self._lane.format(host=LOOPBACK, port=port, upstream=upstream)
            for port, upstream in pairs
        )
        configuration = directory / f"{self.name}.conf"
        configuration.write_text(
            self._text.format(directory=directory, lanes=lanes, patience=PATIENCE)
        )
        path = self.path
        assert path is not None, f"{self.name} is not installed"
        command = [path, *self._arguments, str(configuration)]
        self._life = _Life()
        self._process = reactor.spawnProcess(self._life, path, command, env={})

    async def _listens(self, reactor: Any, port: int) -> bool:
        """Wait until it listens, or has ended."""
        while not self._life.ended.called:
            try:
                await (await connect(reactor, port)).cut()
            except ConnectionRefusedError:
                await deferLater(reactor, _POLL)
            else:
                return True
        return False

    async def stop(self) -> None:
        """Stop it."""
        if self._process is not None and not self._life.ended.called:
            self._process.signalProcess("KILL")
            await self._life.ended


def _free_ports(number: int) -> list[int]:
    """Find ports that nobody listens at, all of them different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def nginx() -> Program:
    """Give nginx as a reverse proxy."""
    return Program("nginx", _NGINX, _NGINX_LANE, "-e", "stderr", "-c")


def haproxy() -> Program:
    """Give haproxy as a reverse proxy."""
    return Program("haproxy", _HAPROXY, _HAPROXY_LANE, "-db", "-f")
