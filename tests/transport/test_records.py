"""TLS records as they are taken from OpenSSL."""

from __future__ import annotations

import socket

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.transport.records import RECORD, RECORDS_PER_TURN, receive
from tests.cache.fakes import content
from tests.certificates import root


class ReceiveTests(SynchronousTestCase):
    """One end sends, the other one takes."""

    def setUp(self) -> None:
        """Shake hands over a pair of sockets."""
        left, right = socket.socketpair()
        for sock in (left, right):
            self.addCleanup(sock.close)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        context = root().issue("server").server_options().getContext()
        self.sender = SSL.Connection(context, left)
        self.sender.set_accept_state()
        self.taker = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), right)
        self.taker.set_connect_state()
        self.sockets = left, right
        for end in (self.taker, self.sender, self.taker, self.sender):
            try:
                end.do_handshake()
            except SSL.WantReadError:
                continue
        self.assertEqual(receive(self.taker), (b"", None))

    def send(self, data: bytes) -> None:
        """Send records, as long ones as there are."""
        for start in range(0, len(data), RECORD):
            self.sender.sendall(data[start : start + RECORD])

    def test_little(self) -> None:
        """What is shorter than a record is all there is, until more comes."""
        for data in (b"a", b"more"):
            self.send(data)
            self.assertEqual(receive(self.taker), (data, None))
        self.assertEqual(receive(self.taker), (b"", None))

    def test_many(self) -> None:
        """Many records come in order; above a limit others have their turn."""
        data = content((RECORDS_PER_TURN + 2) * RECORD + 1)
        self.send(data)
        first, error = receive(self.taker)
        self.assertIsNone(error)
        self.assertEqual(len(first), RECORDS_PER_TURN * RECORD)
        rest, error = receive(self.taker)
        self.assertIsNone(error)
        self.assertTrue(first + rest == data)

    def test_whole_records(self) -> None:
        """Whole records with nothing behind them are no end."""
        data = content(2 * RECORD)
        self.send(data)
        received, error = receive(self.taker)
        self.assertTrue(received == data)
        self.assertIsNone(error)

    def test_goodbye(self) -> None:
        """What came before the goodbye is not lost."""
        data = content(RECORD)
        self.send(data)
        self.sender.shutdown()
        received, error = receive(self.taker)
        self.assertTrue(received == data)
        self.assertIsInstance(error, SSL.ZeroReturnError)

    def test_cut(self) -> None:
        """An end without a goodbye is none of TLS's."""
        data = content(RECORD)
        self.send(data)
        self.sockets[0].close()
        received, error = receive(self.taker)
        self.assertTrue(received == data)
        self.assertIsInstance(error, SSL.SysCallError)

    def test_damaged(self) -> None:
        """What somebody else put between is an error, and the next connection knows none of it."""
        self.sockets[0].send(b"\x17\x03\x03\x00\x20" + bytes(32))
        received, error = receive(self.taker)
        self.assertEqual((received, type(error)), (b"", SSL.Error))
        self.setUp()
        self.send(b"fine")
        self.assertEqual(receive(self.taker), (b"fine", None))
