"""JSON, tokens and compressed data of devices and servers."""

from __future__ import annotations

import base64
import gzip
import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.auth_request import AuthRequest
from menderproxy.wire.compression import gunzip
from menderproxy.wire.deployment import (
    gateway_origin_link,
    rewrite_download_link,
    rewrite_instructions,
)
from menderproxy.wire.device_token import device_id, shown_tokens
from menderproxy.wire.inventory import (
    MOST_BYTES,
    Attributes,
    add_attributes,
    attribute_names,
)
from tests.fuzz.material import depths, json_texts, json_values, mutated, nested, plenty
from tests.wire.auth_requests import PEM, body

LINK = "https://gateway.example/artifacts/x"
INSTRUCTIONS = json.dumps(
    {
        "id": "w81s4fae-7dec-11d0-a765-00a0c91e6bf6",
        "artifact": {
            "artifact_name": "my-app-0.1",
            "source": {"uri": "https://aws.my_update_bucket.com/image_123?x=y", "expire": "x"},
            "device_types_compatible": ["rspi", "rspi2"],
        },
    }
).encode()
KEYS = ("artifact", "artifact_name", "source", "uri", "id", "name", "value", "id_data", "pubkey")
TEXTS = ("https://s3.example.com/b/c?X=%2f", "mac", PEM, '{"mac":"1"}', "\ud800", "\x00", "../..")
ADDED: Attributes = {"mender_gateway_system_id": "x" * 50, "list": [1.5, 2]}
TOKEN = b"Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"

values = json_values(KEYS, TEXTS)
wild = json_texts(values) | st.binary(max_size=30)
brackets = st.sampled_from(
    ((b"[", b"]"), (b'{"artifact":', b"}"), (b'{"source":[', b"]}"), (b'{"uri":', b""))
)


class DeploymentTests(SynchronousTestCase):
    """Instructions of a server."""

    def check(self, text: bytes) -> None:
        """Rewrite them: with fewer bytes than each of their own could have been a link for."""
        links = 0

        def relink(uri: str, name: str) -> str:
            nonlocal links
            links += 1
            gateway_origin_link(uri, "https://gateway.example")
            return LINK

        for new in (
            rewrite_instructions(text, relink),
            rewrite_download_link(text, relink),
        ):
            if new is not None:
                self.assertEqual(type(json.loads(new)), type(json.loads(text)))
                self.assertLessEqual(len(new), len(text) + links * len(LINK))

    @plenty
    @given(wild | mutated([INSTRUCTIONS]))
    def test_any(self, text: bytes) -> None:
        """Any text."""
        self.check(text)

    @plenty
    @given(depths, brackets)
    def test_deep(self, depth: int, pair: tuple[bytes, bytes]) -> None:
        """Brackets in brackets."""
        self.check(nested(depth, *pair))


class InventoryTests(SynchronousTestCase):
    """Inventories of devices."""

    def check(self, text: bytes) -> None:
        """Complete one: it is refused, or holds what it held and no more than we add."""
        try:
            completed = add_attributes(text, ADDED)
        except ValueError:
            return
        before, after = json.loads(text), json.loads(completed.body)
        self.assertEqual(repr(after[: len(before)]), repr(before))
        self.assertLess(len(completed.body), max(len(text) + 200, MOST_BYTES))
        self.assertLessEqual(attribute_names(text), attribute_names(completed.body))

    @plenty
    @given(wild | mutated([b'[{"name":"mac","value":"00:11"},{"name":"list","value":[1,2]}]']))
    def test_any(self, text: bytes) -> None:
        """Any text."""
        self.check(text)

    @plenty
    @given(depths, brackets)
    def test_deep(self, depth: int, pair: tuple[bytes, bytes]) -> None:
        """Brackets in brackets."""
        self.check(nested(depth, *pair))


class AuthRequestTests(SynchronousTestCase):
    """Requests for a token."""

    def check(self, text: bytes) -> None:
        """Read one: it is refused in a few words, or can be written again."""
        try:
            request = AuthRequest.parse(text)
        except ValueError as error:
            self.assertTrue(str(error).isprintable())
            self.assertLess(len(str(error)), 100)
        else:
            self.assertEqual(json.loads(request.identity_text), request.identity)

    @plenty
    @given(wild | mutated([body(), body(tenant_token="x")]))
    def test_any(self, text: bytes) -> None:
        """Any text."""
        self.check(text)

    @plenty
    @given(st.fixed_dictionaries({"id_data": wild, "pubkey": mutated([PEM.encode()])}))
    def test_fields(self, fields: dict[str, bytes]) -> None:
        """Any texts in the two places that are read further."""
        texts = {name: value.decode("utf-8", "replace") for name, value in fields.items()}
        self.check(json.dumps(texts).encode())

    @plenty
    @given(depths, brackets)
    def test_deep(self, depth: int, pair: tuple[bytes, bytes]) -> None:
        """Brackets in brackets, outside and in the identity."""
        self.check(nested(depth, *pair))
        self.check(body('{"mac":' + nested(depth, *pair).decode() + "}"))


class TokenTests(SynchronousTestCase):
    """Headers with tokens."""

    headers = st.lists(mutated([TOKEN, b"JWT=a.b.c; JWT=d"]) | st.binary(max_size=20), max_size=3)

    @plenty
    @given(headers, headers)
    def test_any(self, authorizations: list[bytes], cookies: list[bytes]) -> None:
        """Any bytes: no token is longer than where it was found, and each is read or is not."""
        longest = max(map(len, (*authorizations, *cookies)), default=0)
        for token in shown_tokens(authorizations, cookies):
            self.assertLessEqual(len(token), longest)
            device_id(token)

    @plenty
    @given(depths, st.sampled_from((b"[", b'{"sub":')))
    def test_deep(self, depth: int, opening: bytes) -> None:
        """Brackets in brackets."""
        payload = base64.urlsafe_b64encode(nested(depth, opening, b"1"))
        self.assertIsNone(device_id(b"a.%b.c" % payload.rstrip(b"=")))


class CompressionTests(SynchronousTestCase):
    """Compressed bodies."""

    @plenty
    @given(mutated([gzip.compress(b"abc" * 500, mtime=0), gzip.compress(b"", mtime=0)]))
    def test_any(self, data: bytes) -> None:
        """Any bytes: they are refused, or unpack to no more than is allowed."""
        for most in (0, 100, 1500):
            try:
                plain = gunzip(data, most)
            except ValueError as error:
                self.assertLess(len(str(error)), 200)
            else:
                self.assertLessEqual(len(plain), most)
