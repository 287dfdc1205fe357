"""Tests of choosing the headers for the next hop."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.headers import (
    Headers,
    forwarded_request_headers,
    returned_response_headers,
    store_request_headers,
)

OURS = [
    (b"Host", b"mender.example"),
    (b"X-Forwarded-For", b"10.0.0.7"),
    (b"X-Forwarded-Proto", b"https"),
]
HOP_BY_HOP = [
    (b"Connection", b"close"),
    (b"Keep-Alive", b"timeout=5"),
    (b"Proxy-Connection", b"close"),
    (b"Proxy-Authorization", b"Basic x"),
    (b"TE", b"trailers"),
    (b"trailer", b"X-Checksum"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Upgrade", b"websocket"),
    (b"HTTP2-Settings", b"AAMA"),
    (b"Content-Length", b"7"),
    (b"CONTENT-LENGTH", b"8"),
]


def forwarded(headers: Headers) -> Headers:
    """Give the headers that a server gets for a device's *headers*."""
    return forwarded_request_headers(
        headers, host=b"mender.example", client="10.0.0.7", secure=True
    )


class RequestTests(SynchronousTestCase):
    """What a server hears of a device's headers."""

    def test_kept(self) -> None:
        """Order, duplicates and spelling of the device's own headers stay."""
        own = [
            (b"X-Men-Signature", b"abc="),
            (b"Authorization", b"Bearer x"),
            (b"x-custom", b"1"),
            (b"Accept-Encoding", b"gzip"),
            (b"X-Custom", b"2\t3"),
        ]
        self.assertEqual(forwarded(own), [OURS[0], *own, *OURS[1:]])

    def test_hop_by_hop(self) -> None:
        """Headers about the connection and the framing end here."""
        self.assertEqual(forwarded([*HOP_BY_HOP, (b"Expect", b"100-continue")]), OURS)

    def test_named_in_connection(self) -> None:
        """Headers named in any Connection header end here."""
        self.assertEqual(
            forwarded(
                [
                    (b"Connection", b"close, X-Hop ,,"),
                    (b"connection", b"x-other"),
                    (b"X-Hop", b"1"),
                    (b"x-HOP", b"2"),
                    (b"X-Other", b"3"),
                ]
            ),
            OURS,
        )

    def test_security_is_end_to_end(self) -> None:
        """No Connection header removes what authentication and signatures rest on."""
        kept = [
            (b"Authorization", b"Bearer x"),
            (b"X-MEN-Signature", b"abc="),
            (b"Content-Type", b"application/json"),
            (b"Cookie", b"a=b"),
        ]
        named = b", ".join(name for name, _ in kept) + b", Host"
        self.assertEqual(forwarded([(b"Connection", named), *kept]), [OURS[0], *kept, *OURS[1:]])

    def test_one_host(self) -> None:
        """Exactly one Host goes on, ours, however many the device sent."""
        self.assertEqual(forwarded([(b"Host", b"gateway"), (b"host", b"gateway:443")]), OURS)

    def test_claims(self) -> None:
        """A device cannot say who it is in the name of a proxy."""
        for name in (
            b"X-Forwarded-For",
            b"x-forwarded-proto",
            b"X-Forwarded-Host",
            b"X-Forwarded-Client-Cert",
            b"X_Forwarded_For",
            b"Forwarded",
            b"X-Real-IP",
            b"X_Real-Ip",
            b"X-Client-Cert",
            b"X-Client-Cert-Serial",
            b"X-SSL-Client-CN",
        ):
            self.assertEqual(forwarded([(name, b"127.0.0.1")]), OURS, name)

    def test_control_bytes(self) -> None:
        """A header that another program could take for two does not go on."""
        self.assertEqual(forwarded([(b"X-A", b"1\x0bHost: x"), (b"X\x00", b"1")]), OURS)

    def test_without(self) -> None:
        """Headers that are not wanted are left out, however they are spelled."""
        kept = [(b"Accept", b"x")]
        headers = forwarded_request_headers(
            [(b"Accept-ENCODING", b"gzip"), *kept, (b"Connection", b"X-Hop"), (b"X-Hop", b"1")],
            host=b"mender.example",
            client="10.0.0.7",
            secure=True,
            without=frozenset((b"accept-encoding",)),
        )
        self.assertEqual(headers, [OURS[0], *kept, *OURS[1:]])

    def test_client(self) -> None:
        """The server is told the device's address, and how it came."""
        for client in ("10.0.0.7", "fd00::7"):
            headers = forwarded_request_headers([], host=b"h", client=client, secure=False)
            self.assertIn((b"X-Forwarded-For", client.encode()), headers)
            self.assertIn((b"X-Forwarded-Proto", b"http"), headers)


class ResponseTests(SynchronousTestCase):
    """What a device hears of an answer's headers."""

    def test_kept(self) -> None:
        """Headers that clients depend on come through as they are spelled."""
        headers = [
            (b"Retry-After", b"30"),
            (b"X-MEN-RequestID", b"1"),
            (b"Content-Type", b"application/jwt"),
            (b"Set-Cookie", b"a"),
            (b"Set-Cookie", b"b"),
        ]
        self.assertEqual(returned_response_headers(headers), headers)

    def test_hop_by_hop(self) -> None:
        """Headers about the connection and the framing end here, named ones too."""
        named = [(b"Connection", b"X-Hop, Content-Type"), (b"X-Hop", b"1")]
        kept = [(b"Content-Type", b"text/plain")]
        self.assertEqual(returned_response_headers([*HOP_BY_HOP, *named, *kept]), kept)

    def test_control_bytes(self) -> None:
        """A header whose value holds any kind of line end is dropped."""
        for byte in (
            *(b"\r", b"\n", b"\x00", b"\x0b", b"\x0c"),
            *(b"\x1c", b"\x1d", b"\x1e", b"\x7f", b"\x85"),
        ):
            bad = (b"X-A", b"1" + byte + b"2")
            good = [(b"X-B", b"1"), (b"X-C", b"\t\xe9")]
            self.assertEqual(returned_response_headers([bad, *good, bad]), good, byte)


class StoreRequestTests(SynchronousTestCase):
    """What a store is asked with."""

    def test_whole(self) -> None:
        """A store hears its own name and that we want the bytes as they are."""
        self.assertEqual(
            store_request_headers(b"s3.example:9000", None),
            [
                (b"Host", b"s3.example:9000"),
                (b"User-Agent", b"menderproxy"),
                (b"Accept-Encoding", b"identity"),
            ],
        )

    def test_part(self) -> None:
        """A range is asked for by one more header."""
        whole = store_request_headers(b"s3.example", None)
        self.assertEqual(
            store_request_headers(b"s3.example", b"bytes=5-"), [*whole, (b"Range", b"bytes=5-")]
        )
