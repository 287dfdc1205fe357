"""Tests of signing local links and telling them from forged ones."""

from __future__ import annotations

import base64
import re

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.links import PREFIX, ArtifactLink, LinkError, LinkSigner, display_name
from menderproxy.wire.store_url import StoreURL
from tests.wire.properties import examples
from tests.wire.test_store_url import TARGETS

GATEWAY = "https://gateway.example"
NOW = 1795305600.5
STORE_URL = StoreURL.parse("https://s3.amazonaws.com/bucket/7f1c?X-Amz-Signature=secret%3D")
BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def signer(secret: bytes = b"s" * 32, gateway_url: str = GATEWAY) -> LinkSigner:
    """Make a signer whose links live for half an hour."""
    return LinkSigner(gateway_url, secret, 1800.0)


def target_of(link: str) -> bytes:
    """Give what a client that has *link* sends in its request line."""
    return link.removeprefix(GATEWAY).encode("ascii")


class SigningTests(SynchronousTestCase):
    """What links look like."""

    def test_shape(self) -> None:
        """A link is the gateway's URL, the store URL in base64url, a name, and a signed query."""
        link = signer().sign(STORE_URL, "release-1", NOW)
        payload = base64.urlsafe_b64encode(str(STORE_URL).encode()).decode().rstrip("=")
        self.assertRegex(
            link,
            re.escape(f"{GATEWAY}/artifacts/{payload}/release-1")
            + r"\?issued=1795305600&expire=1795307401&signature=[A-Za-z0-9_-]{43}\Z",
        )

    def test_path_of_gateway(self) -> None:
        """A gateway URL may have a path, with or without a slash at its end."""
        link = signer().sign(STORE_URL, "a", NOW)
        for prefix in ("http://g:8080/mender", "http://g:8080/mender/"):
            prefixed = signer(gateway_url=prefix).sign(STORE_URL, "a", NOW)
            self.assertEqual(prefixed, link.replace(GATEWAY, "http://g:8080/mender"))

    def test_small(self) -> None:
        """A store URL of 900 characters makes a link of at most 2 KiB."""
        url = StoreURL.parse("https://s3.amazonaws.com/".ljust(900, "a"))
        self.assertLessEqual(len(signer().sign(url, "n" * 200, NOW)), 2048)

    @examples
    @given(TARGETS, st.text())
    def test_round_trip(self, target: str, name: str) -> None:
        """A link is read back as what was signed, and holds nothing that clients stumble over."""
        url = StoreURL.parse("http://store.example:9000" + target)
        signed = target_of(signer().sign(url, name, NOW))
        self.assertRegex(signed, rb"\A[A-Za-z0-9._/?=&-]+\Z")
        self.assertEqual(
            signer().verify(signed),
            ArtifactLink(url, display_name(name), issued=1795305600, expires=1795307401),
        )


class DisplayNameTests(SynchronousTestCase):
    """What is shown of an artifact's name."""

    def test_unsafe_characters(self) -> None:
        """Whatever is not harmless everywhere becomes an underscore, a leading dot too."""
        self.assertEqual(display_name("Release 1.2:x@y/%41\xe4"), "Release_1.2_x_y__41_")
        self.assertEqual(display_name("..hidden"), "_.hidden")
        self.assertEqual(display_name("a\n"), "a_")

    def test_length(self) -> None:
        """A name has 1 to 64 characters."""
        self.assertEqual(display_name("a" * 65), "a" * 64)
        self.assertEqual(display_name(""), "artifact")


class VerifyingTests(SynchronousTestCase):
    """Which links are refused."""

    def setUp(self) -> None:
        """Sign one link."""
        self.target = target_of(signer().sign(STORE_URL, "release-1", NOW))

    def test_one_bit(self) -> None:
        """A link with one bit flipped anywhere is refused."""
        for position in range(len(self.target)):
            for bit in range(8):
                forged = bytearray(self.target)
                forged[position] ^= 1 << bit
                self.assertRaises(LinkError, signer().verify, bytes(forged))

    def test_other_encoding_of_signature(self) -> None:
        """Another base64 text that decodes to the right signature is refused."""
        last = BASE64URL.index(self.target[-1:])
        other = self.target[:-1] + BASE64URL[last ^ 1 : (last ^ 1) + 1]
        signatures = [
            base64.urlsafe_b64decode(target[-43:] + b"=") for target in (self.target, other)
        ]
        self.assertEqual(*signatures)
        error = self.assertRaises(LinkError, signer().verify, other)
        self.assertEqual(str(error), "wrong signature")

    def test_malformed(self) -> None:
        """Anything but the exact form of a link is refused."""
        path, _, query = self.target.partition(b"?")
        for target in (
            b"",
            PREFIX,
            path,
            path + b"?",
            b"/mender" + self.target,
            b"http://gateway.example" + self.target,
            self.target + b"=",
            self.target + b"\n",
            self.target + b"&extra=1",
            self.target[:-1],
            path + b"?" + b"&".join(reversed(query.split(b"&"))),
            self.target.replace(b"issued=", b"issued=+"),
            self.target.replace(b"issued=", b"issued=0"),
            self.target.replace(b"issued=", b"issued=00000"),
            self.target.replace(b"expire=1", "expire=\N{ARABIC-INDIC DIGIT ONE}".encode()),
            self.target.replace(b"/release-1", b"/"),
        ):
            self.assertRaises(LinkError, signer().verify, target)

    def test_parts_do_not_flow(self) -> None:
        """Characters moved from one part to its neighbour break the signature."""
        moved = re.sub(rb"(.)/(release-1)", rb"/\1\2", self.target)
        self.assertEqual(len(moved), len(self.target))
        self.assertRaises(LinkError, signer().verify, moved)

    def test_other_secret(self) -> None:
        """A link signed by somebody else is refused."""
        forged = target_of(signer(secret=b"t" * 32).sign(STORE_URL, "release-1", NOW))
        self.assertRaises(LinkError, signer().verify, forged)

    def test_unusable_url(self) -> None:
        """A signed link whose store URL we would not fetch is refused without quoting it."""
        url = attrs.evolve(STORE_URL, authority="user@s3.amazonaws.com")
        error = self.assertRaises(
            LinkError, signer().verify, target_of(signer().sign(url, "", NOW))
        )
        self.assertNotIn("secret", str(error))


class SignerTests(SynchronousTestCase):
    """What a signer is made of."""

    def test_short_secret(self) -> None:
        """A secret that could be guessed is refused."""
        for secret in (b"", b"s" * 15):
            self.assertRaises(ValueError, signer, secret)
        signer(b"s" * 16)

    def test_lifetime(self) -> None:
        """A lifetime that is no positive time is refused."""
        for lifetime in (0.0, -1.0, float("inf"), float("nan")):
            self.assertRaises(ValueError, LinkSigner, GATEWAY, b"s" * 16, lifetime)

    def test_repr(self) -> None:
        """The secret is not in the repr."""
        self.assertNotIn("ssss", repr(signer()))


class ExpiryTests(SynchronousTestCase):
    """How long a link is good for what."""

    link = ArtifactLink(STORE_URL, "a", issued=1000, expires=2000)

    def test_expiry(self) -> None:
        """A link starts downloads until the second it expires."""
        self.assertFalse(self.link.expired(1999.9))
        self.assertTrue(self.link.expired(2000.0))

    def test_grace(self) -> None:
        """A link continues downloads until its grace is over."""
        self.assertTrue(self.link.within_grace(1500.0, 60.0))
        self.assertTrue(self.link.within_grace(2059.9, 60.0))
        self.assertFalse(self.link.within_grace(2060.0, 60.0))

    def test_lives_as_long_as_promised(self) -> None:
        """Rounding to whole seconds never shortens a link's life."""
        link = signer().verify(target_of(signer().sign(STORE_URL, "a", NOW)))
        self.assertLessEqual(link.issued, NOW)
        self.assertFalse(link.expired(NOW + 1799.9))
