"""
TLS by OpenSSL on the socket itself.

Twisted's own TLS keeps OpenSSL away from the socket, and carries each record there and back as
bytes objects: that is several copies and calls for each 16 KiB, and a handshake that costs more
than twice as much.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet import main
from twisted.internet.interfaces import IHandshakeListener
from twisted.python.failure import Failure

from menderproxy.transport.eager import EagerWriting
from menderproxy.transport.records import receive

PARTIAL_WRITE = 0x1
"""
OpenSSL's ``SSL_MODE_ENABLE_PARTIAL_WRITE``, for which pyOpenSSL has no public name, and which it
sets: each call would then take one record only.
"""

PIECE = 64 * 1024
"""
Bytes given to OpenSSL at once.

When the socket takes only some of a piece, OpenSSL wants the same piece again, or a longer one
with the same beginning. So a piece may not be longer than what a producer writes before it is
paused, which is more than this.
"""


class Secure(EagerWriting):
    """
    A TCP connection that speaks TLS from :meth:`begin_tls` on.

    To protocols it looks as Twisted's TLS does: it tells those that want to know when the
    handshake is over, :meth:`loseConnection` says goodbye and waits for the peer's (for ever: who
    uses it has a timer), and without the peer's goodbye the connection counts as lost.
    """

    tls: SSL.Connection
    _shaken_hands = False
    _handshake_writes = False
    _held_back = False
    _unfinished = 0
    _waits_for_read = False
    _said_goodbye = False
    _is_over = False

    def begin_tls(self, tls: SSL.Connection, *, speaks_first: bool) -> None:
        """
        Speak TLS.

        :param speaks_first: whether this is the client.
        :param tls: on this connection's socket, client or server. Its context must be without
            the mode :data:`PARTIAL_WRITE`.
        """
        self.tls = tls
        if speaks_first:
            self.startReading()
            self._handshake_writes = True
            self.startWriting()

    # What protocols ask

    def getHandle(self) -> Any:
        """Give OpenSSL's connection, as Twisted's TLS does."""
        return self.tls

    def getPeerCertificate(self) -> Any:
        """Give the peer's certificate, if it showed one."""
        return self.tls.get_peer_certificate()

    @property
    def negotiatedProtocol(self) -> bytes | None:
        """What ALPN agreed on, if anything."""
        return self.tls.get_alpn_proto_negotiated() or None

    # From the reactor

    def doRead(self) -> Any:
        """Called by the reactor when there is something to read."""
        if not self._shaken_hands:
            lost = self._shake_hands()
            if lost is not None or not self._shaken_hands:
                return lost
        if self._waits_for_read:
            self._waits_for_read = False
            self.startWriting()
        data, error = receive(self.tls)
        lost = None if error is None else self._not_received(error)
        # Behind loseConnection() nobody wants it, but the goodbye comes after it.
        if data and not self.disconnecting:
            self.protocol.dataReceived(data)
        return lost

    def _not_received(self, error: SSL.Error) -> Exception | None:
        if isinstance(error, SSL.WantWriteError):
            self.startWriting()
            return None
        return self._lost(error)

    def doWrite(self) -> Any:
        """Called by the reactor when the socket takes more."""
        if self._shaken_hands:
            return super().doWrite()
        if self._handshake_writes:
            return self._shake_hands()
        # What is to be sent has to wait for the handshake, and that for the peer.
        self._held_back = True
        self.stopWriting()
        return None

    def writeSomeData(self, data: Any) -> Any:
        """Called by Twisted with what is to be sent."""
        if not self._shaken_hands:
            return 0
        view = memoryview(data)[: self.SEND_LIMIT]
        total = len(view)
        if total < self._unfinished:
            # The rest of the piece is about to be written.
            self.stopWriting()
            return 0
        while view:
            count = self.send_piece(view[:PIECE])
            if isinstance(count, Exception):
                return count
            view = view[count:]
            if not count:
                break
        return total - len(view)

    def send_piece(self, piece: memoryview) -> int | Exception:
        """
        Give a piece to OpenSSL.

        :returns: its length; 0 when it has to be given again, or why the connection is lost.
        """
        try:
            self.tls.send(piece)
        except SSL.WantWriteError:
            self._unfinished = len(piece)
            return 0
        except SSL.WantReadError:
            self._unfinished = len(piece)
            self._waits_for_read = True
            self.stopWriting()
            return 0
        except SSL.Error as error:
            return self._lost(error)
        self._unfinished = 0
        return len(piece)

    # The beginning and the end

    def _shake_hands(self) -> Exception | None:
        self._handshake_writes = False
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            return None
        except SSL.WantWriteError:
            self._handshake_writes = True
            self.startWriting()
            return None
        except SSL.Error as error:
            return self._lost(error)
        self._shaken_hands = True
        if self._held_back:
            # What was written meanwhile goes out, and a producer may have its turn.
            self.startWriting()
        if IHandshakeListener.providedBy(self.protocol):
            self.protocol.handshakeCompleted()
        return None

    def loseConnection(self) -> None:
        """Send what was written, say goodbye, and wait for the peer's goodbye."""
        if not self.connected or self.disconnecting:
            return
        if not self._shaken_hands and not self._tempDataLen:
            # There is nobody to say goodbye to.
            self.abortConnection()
            return
        self.disconnecting = True
        # A goodbye is read also from a peer whose bytes nobody wants any more.
        self.startReading()
        if self._may_send and self.producer is None:
            self._say_goodbye()
        if self._is_over or not self._said_goodbye:
            # Nobody is told of the end from within this call.
            self.startWriting()

    def _postLoseConnection(self) -> Exception | None:
        """Called by Twisted when all is sent."""
        if not self._said_goodbye:
            self._say_goodbye()
        return main.CONNECTION_DONE if self._is_over else None

    def _say_goodbye(self) -> None:
        self._said_goodbye = True
        try:
            # The peer may have said it before.
            self._is_over = self.tls.shutdown()
        except SSL.WantWriteError:
            self._said_goodbye = False
            self.startWriting()
        except SSL.Error:
            self._is_over = True

    def _lost(self, error: SSL.Error) -> Exception:
        if isinstance(error, SSL.ZeroReturnError):
            if not self._said_goodbye:
                self._answer_goodbye()
            return main.CONNECTION_DONE
        if isinstance(error, SSL.SysCallError):
            # The socket's own trouble, or an end without a goodbye.
            return main.CONNECTION_LOST
        return error

    def _answer_goodbye(self) -> None:
        try:
            self.tls.shutdown()
        except SSL.Error:
            # It can't be sent any more: so be it.
            return

    def pauseProducing(self) -> None:
        """Read nothing for now; a goodbye that is awaited comes all the same."""
        if not self.disconnecting:
            super().pauseProducing()

    def readConnectionLost(self, reason: Failure) -> None:
        """Called by the reactor at the peer's goodbye: TLS can't be closed by halves."""
        self.connectionLost(reason)
