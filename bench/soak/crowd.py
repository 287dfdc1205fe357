"""Very many connections that do nothing, or next to nothing, from a process of their own."""

from __future__ import annotations

import resource
import socket
import ssl
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs

_REQUEST = b"GET /api/devices/v1/nothing HTTP/1.1\r\nHost: gateway\r\n\r\n"
_PATIENCE = 60.0
_EACH_ADDRESS = 250
"""Connections from one address: a fleet has many, and a gateway takes only so many from each."""

_MORE_FILES = 1000


def raise_file_limit(connections: int) -> None:
    """
    Let this process, and those that it starts, have as many open files as that takes.

    :raises ValueError: the user may not.
    """
    wanted = connections + _MORE_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


@attrs.frozen
class Target:
    """
    The gateway, as devices find it.

    :param credentials: directory of a device's ``certificate.pem`` and ``key.pem``.
    """

    host: str
    port: int
    authority: Path
    credentials: Path

    def context(self) -> ssl.SSLContext:
        """Make what TLS connections are made from."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(
            str(self.credentials / "certificate.pem"), str(self.credentials / "key.pem")
        )
        return context

    def connect(self, context: ssl.SSLContext, number: int) -> ssl.SSLSocket:
        """
        Connect as one device of many.

        :param number: decides which address it comes from.
        """
        place = 1 + number // _EACH_ADDRESS
        source = (f"127.1.{place // 250}.{1 + place % 250}", 0)
        tcp = socket.create_connection((self.host, self.port), _PATIENCE, source)
        return context.wrap_socket(tcp, server_hostname=self.host)


@attrs.define
class _Dripper:
    """One that sends a byte of its request's head a second."""

    connection: ssl.SSLSocket
    began: float
    sent: int = 0
    cut_after: float | None = None

    def drip(self) -> None:
        """Send the next byte, and see whether the connection is still there."""
        head = _REQUEST[:-2]
        try:
            self.connection.send(head[self.sent : self.sent + 1] or b"X")
            self.sent += 1
            if self.connection.recv(1) == b"":
                raise ConnectionResetError
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return
        except OSError:
            self.cut_after = time.monotonic() - self.began
            self.connection.close()


class _Members:
    """What goes on in the other process."""

    def __init__(self, target: Target):
        self._target = target
        self._context = target.context()
        self._idle: list[ssl.SSLSocket] = []

    def gather(self, count: int) -> int:
        """Open connections, ask something once on each, and leave it open."""
        for number in range(count):
            connection = self._target.connect(self._context, number)
            _ask(connection)
            self._idle.append(connection)
        return len(self._idle)

    def ask_again(self, step: int) -> int:
        """Ask on every so many of them once more; tells how many were not answered."""
        failed = 0
        for connection in self._idle[::step]:
            try:
                _ask(connection)
            except OSError:
                failed += 1
        return failed

    def drip(self, count: int, most: float) -> list[float | None]:
        """
        Open connections and send a byte a second on each, until all of them are cut.

        :param most: seconds after which those that are still there are left alone.
        :return: after how many seconds each was cut, ``None`` for never.
        """
        drippers: list[_Dripper] = []
        end = time.monotonic() + most
        due = time.monotonic()
        while time.monotonic() < end:
            if time.monotonic() >= due:
                due = time.monotonic() + 1
                for dripper in drippers:
                    if dripper.cut_after is None:
                        dripper.drip()
            if len(drippers) < count:
                drippers.append(self._dripper(len(drippers)))
            elif all(dripper.cut_after is not None for dripper in drippers):
                break
            else:
                time.sleep(max(0.0, due - time.monotonic()))
        return [dripper.cut_after for dripper in drippers]

    def _dripper(self, number: int) -> _Dripper:
        began = time.monotonic()
        connection = self._target.connect(self._context, number)
        connection.setblocking(False)
        return _Dripper(connection, began)


def _ask(connection: ssl.SSLSocket) -> None:
    connection.sendall(_REQUEST)
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connection.recv(4096)
        if not data:
            raise ConnectionResetError
        answer += data
    if not answer.startswith(b"HTTP/1.1 204"):
        raise ConnectionError(answer.partition(b"\r\n")[0].decode("latin-1"))


def _serve(target: Target, orders: Connection) -> None:
    members = _Members(target)
    while True:
        name, arguments = orders.recv()
        if name == "leave":
            return
        try:
            orders.send(getattr(members, name)(*arguments))
        except OSError as error:
            orders.send(error)


class Crowd:
    """
    The process, as seen from outside.

    It does one thing at a time; :meth:`wait` for that to end while others are measured.
    """

    def __init__(self, target: Target):
        context = get_context("spawn")
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(target, theirs), daemon=True)
        self._process.start()

    def tell(self, order: str, *arguments: object) -> None:
        """Have it do something: the name of a method of its members, and what that takes."""
        self._orders.send((order, arguments))

    def wait(self, meanwhile: Callable[[], object]) -> Any:
        """
        Wait until it has done that.

        :param meanwhile: called again and again.
        :raises OSError: it could not.
        """
        while not self._orders.poll(0):
            meanwhile()
        answer = self._orders.recv()
        if isinstance(answer, OSError):
            raise answer
        return answer

    def leave(self) -> None:
        """End it, and with it all connections."""
        self._orders.send(("leave", ()))
        self._process.join()
