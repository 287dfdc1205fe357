"""How much the kernel is let hold, by how fast a peer is."""

from __future__ import annotations

import socket
from typing import cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.transport.unsent import FAST, HEADWAY, STRETCH, Unsent


class Socket:
    """Takes note of what it is let hold."""

    def __init__(self) -> None:
        self.held: list[int] = []

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Take note."""
        assert (level, option) == (socket.IPPROTO_TCP, 25)
        self.held.append(value)


class UnsentTests(SynchronousTestCase):
    """A peer that proves fast, and one that does not."""

    def setUp(self) -> None:
        """Let the kernel hold a thousand bytes."""
        self.clock = Clock()
        self.socket = Socket()
        self.unsent = Unsent(cast(socket.socket, self.socket), self.clock, 1000)

    def send(self, seconds: float) -> None:
        """Send a stretch in some time."""
        self.unsent.sent(STRETCH - 1)
        self.clock.advance(seconds)
        self.unsent.sent(1)

    def test_slow(self) -> None:
        """As long as a stretch takes its time, the limit is the one that was set."""
        self.send(FAST)
        self.send(60)
        self.assertEqual(self.socket.held, [1000])

    def test_fast(self) -> None:
        """A fast peer has more, from its first fast stretch to its next slow one."""
        self.send(FAST / 2)
        self.assertEqual(self.socket.held, [1000, 1000 * HEADWAY])
        self.send(FAST / 2)
        self.send(FAST)
        self.assertEqual(self.socket.held, [1000, 1000 * HEADWAY, 1000])

    def test_unlimited(self) -> None:
        """Who set no limit gets none."""
        free = Socket()
        Unsent(cast(socket.socket, free), self.clock, 0).sent(2 * STRETCH)
        self.assertEqual(free.held, [])

    def test_inherited(self) -> None:
        """What the kernel knows already it is not told, but what changes later."""
        known = Socket()
        unsent = Unsent(cast(socket.socket, known), self.clock, 1000, inherited=True)
        self.assertEqual(known.held, [])
        unsent.sent(STRETCH)
        self.assertEqual(known.held, [1000 * HEADWAY])

    def test_another_socket(self) -> None:
        """A socket that knows no such limit is left as it is."""
        left, right = socket.socketpair()
        self.addCleanup(left.close)
        self.addCleanup(right.close)
        Unsent(left, self.clock, 1000)
        left.send(b"still whole")
        self.assertEqual(right.recv(100), b"still whole")

    def test_kernel(self) -> None:
        """A TCP socket has the limit then."""
        with socket.socket() as sock:
            Unsent(sock, self.clock, 1000)
            self.assertEqual(sock.getsockopt(socket.IPPROTO_TCP, 25), 1000)
