"""What is read from tokens, and what from anything else."""

from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.device_token import bearer_token, claims, device_id
from tests.wire.properties import examples


def token(said: object) -> str:
    """Make a token that says something."""
    payload = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


class BearerTokenTests(SynchronousTestCase):
    """The token in a header."""

    def test_spellings(self) -> None:
        """The scheme may be spelled in any way."""
        for header in (b"Bearer abc", b"bearer abc", b" BEARER  abc "):
            self.assertEqual(bearer_token(header), b"abc")

    def test_none(self) -> None:
        """Other headers hold none."""
        for header in (None, b"", b"Bearer", b"Bearer ", b"Basic abc", b"abc"):
            self.assertIsNone(bearer_token(header))


class ClaimsTests(SynchronousTestCase):
    """What a token says."""

    def test_device(self) -> None:
        """Its subject is the device."""
        self.assertEqual(device_id(token({"sub": "d1", "exp": 1}).encode()), "d1")

    def test_alphabet(self) -> None:
        """It is written in the alphabet for URLs."""
        shown = token({"sub": "<<???>>"})
        self.assertIn("_Pz8-", shown)
        self.assertEqual(device_id(shown.encode()), "<<???>>")

    def test_too_long(self) -> None:
        """One that is longer than any of a device's says nothing."""
        self.assertEqual(claims(token({"sub": "d" * 16 * 1024})), {})

    def test_nothing(self) -> None:
        """What is no token says nothing."""
        for text in ("", "a", "a.b", "..", "a.!!.c", token([1]), token("x"), "e30." * 9000):
            self.assertEqual(claims(text), {}, text[:50])
        for said in ({}, {"sub": 7}, {"sub": ""}, {"sub": None}):
            self.assertIsNone(device_id(token(said).encode()))

    def test_deep(self) -> None:
        """Neither does one that nests too deeply."""
        payload = base64.urlsafe_b64encode(b"[" * 9000).decode()
        self.assertEqual(claims(f"a.{payload}.c"), {})

    @examples
    @given(st.binary())
    def test_anything(self, data: bytes) -> None:
        """Nothing that may come makes it fail."""
        device_id(data)
