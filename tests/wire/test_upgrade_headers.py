"""Tests of the headers with which two sides leave HTTP for WebSocket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.headers import (
    Headers,
    forwarded_request_headers,
    is_websocket_upgrade,
    switching_headers,
    upgrade_request_headers,
)

CONNECTION = (b"Connection", b"Upgrade")
UPGRADE = (b"Upgrade", b"websocket")


class RecognitionTests(SynchronousTestCase):
    """Which headers mean WebSocket."""

    def test_meant(self) -> None:
        """Both headers are lists, in any case, and may come in several parts."""
        for headers in (
            [CONNECTION, UPGRADE],
            [(b"connection", b"keep-alive, upgrade"), (b"upgrade", b"WebSocket")],
            [(b"Connection", b"close"), UPGRADE, CONNECTION],
            [CONNECTION, (b"Upgrade", b"h2c,websocket")],
        ):
            self.assertTrue(is_websocket_upgrade(headers), headers)

    def test_not_meant(self) -> None:
        """One without the other asks for nothing, nor does another protocol."""
        others: tuple[Headers, ...] = (
            [],
            [CONNECTION],
            [UPGRADE],
            [CONNECTION, (b"Upgrade", b"h2c")],
            [CONNECTION, (b"Upgrade", b"websocket/14")],
            [(b"Connection", b"Upgraded"), UPGRADE],
        )
        for headers in others:
            self.assertFalse(is_websocket_upgrade(headers), headers)


class RequestTests(SynchronousTestCase):
    """What the Mender Server gets."""

    def test_forwarded(self) -> None:
        """The handshake goes on, besides all that any request has; other protocols do not."""
        device: Headers = [
            (b"Connection", b"keep-alive, Upgrade"),
            (b"Upgrade", b"h2c, websocket"),
            (b"Authorization", b"Bearer x"),
            (b"X-Forwarded-For", b"10.0.0.1"),
            (b"Sec-WebSocket-Key", b"a2V5"),
            (b"Sec-WebSocket-Version", b"13"),
            (b"Sec-WebSocket-Protocol", b"protomsg/msgpack"),
        ]
        usual = forwarded_request_headers(device, host=b"mender", client="10.0.0.7", secure=True)
        self.assertEqual(
            upgrade_request_headers(device, host=b"mender", client="10.0.0.7", secure=True),
            [*usual, CONNECTION, UPGRADE],
        )
        self.assertLess(set(device[4:]), set(usual))


class AnswerTests(SynchronousTestCase):
    """What the device gets."""

    def test_handshake_only(self) -> None:
        """Only headers of the handshake are passed on, as they are spelled: nothing frames."""
        handshake: Headers = [
            UPGRADE,
            CONNECTION,
            (b"Sec-WebSocket-Accept", b"YWNjZXB0"),
            (b"sec-websocket-protocol", b"protomsg/msgpack"),
        ]
        others: Headers = [
            (b"Content-Length", b"0"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Sec-WebSocket-Evil", b"a\nContent-Length: 5"),
            (b"Server", b"x"),
        ]
        self.assertEqual(switching_headers([*others, *handshake, *others]), handshake)
