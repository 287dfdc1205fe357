"""Auth requests are read as the Mender Server reads them, or not at all."""

from __future__ import annotations

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.auth_request import DEEPEST, LONGEST, AuthRequest, key_of
from tests.wire.auth_requests import KEY, PEM, body, pem_of
from tests.wire.properties import examples


class ParseTests(SynchronousTestCase):
    """What is taken."""

    def test_fields(self) -> None:
        """Identity and key are there; whatever else there is doesn't matter."""
        request = AuthRequest.parse(body(tenant_token="t", tier="standard") + b"\n")
        self.assertEqual(request.identity, {"mac": "00:11"})
        self.assertEqual(request.identity_text, '{"mac":"00:11"}')
        self.assertEqual(request.pubkey, PEM)
        der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.assertEqual(request.key, hashlib.sha256(der).digest())

    def test_equal_identities(self) -> None:
        """Order, white space and escapes make no difference between identities."""
        first = AuthRequest.parse(body('{"b": ["1", "2"], "a": "\u00fc"}'))
        second = AuthRequest.parse(body('{"a":"\\u00fc","b":["1","2"]}'))
        self.assertEqual(first, second)
        self.assertEqual(first.identity_text, '{"a":"\\u00fc","b":["1","2"]}')

    def test_other_identities(self) -> None:
        """The order within an array does."""
        first, second = (AuthRequest.parse(body(text)) for text in ('{"a":[1,2]}', '{"a":[2,1]}'))
        self.assertNotEqual(first, second)

    def test_deepest(self) -> None:
        """An identity may be nested, within reason."""
        nested = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
        request = AuthRequest.parse(body(f'{{"a":{nested}}}'))
        self.assertEqual(request.identity_text, f'{{"a":{nested}}}')

    def test_escaped_key(self) -> None:
        """Escapes in the body, as Go writes them, belong to JSON."""
        request = AuthRequest.parse(body().replace(b"+", b"\\u002b").replace(b"/", b"\\/"))
        self.assertEqual(request.pubkey, PEM)


class RefusalTests(SynchronousTestCase):
    """What is refused, with a reason that quotes nothing."""

    def assert_refused(self, content: bytes, reason: str) -> None:
        """Check that a body is refused."""
        with self.assertRaises(ValueError) as refused:
            AuthRequest.parse(content)
        self.assertEqual(str(refused.exception), reason)

    def test_not_an_object(self) -> None:
        """Only a JSON object is an auth request."""
        reason = "the auth request is not a JSON object"
        for content in (b"", b"{", b"[]", b"7", b"null", b"\xef\xbb\xbf{}", b'{"a":NaN}'):
            self.assert_refused(content, reason)
        for content in (b"[" * 50_000, b'{"a":' * 10_000):
            self.assert_refused(content, reason)

    def test_encodings(self) -> None:
        """Only UTF-8 is read: servers read nothing else."""
        self.assert_refused(body().decode().encode("utf-16"), "the auth request is not UTF-8")
        self.assert_refused(b'{"id_data":"\xff"}', "the auth request is not UTF-8")

    def test_identity(self) -> None:
        """An identity is a JSON object in a text."""
        for text in ("", "[]", '"a"', "{", '{"a":1e999}', '{"a":Infinity}', "[" * 50_000):
            self.assert_refused(body(text), "id_data is not a JSON object")
        for value in (None, 7, {"mac": "00:11"}):
            content = json.dumps({"id_data": value, "pubkey": PEM}).encode()
            self.assert_refused(content, "the auth request has no text 'id_data'")

    def test_too_deep(self) -> None:
        """An identity that could exhaust whoever writes it out again is refused."""
        text = '{"a":' + "[" * DEEPEST + "]" * DEEPEST + "}"
        self.assert_refused(body(text), "id_data is nested too deeply")

    def test_twice(self) -> None:
        """A name given twice could be read differently by the server."""
        self.assert_refused(body('{"a":1,"a":2}'), "id_data holds a name twice")
        self.assert_refused(body('{"a":{"b":1,"b":2}}'), "id_data holds a name twice")
        for twin in ("pubkey", "PubKey", "pub\u212aey", "ID_DATA", "id_\u0064ata"):
            content = body()[:-1] + b',"' + twin.encode() + b'":"x"}'
            self.assert_refused(content, "the auth request holds a name twice")

    def test_spelling(self) -> None:
        """A field by another spelling alone is missing."""
        content = body().replace(b"pubkey", b"PubKey")
        self.assert_refused(content, "the auth request has no text 'pubkey'")

    def test_pubkey(self) -> None:
        """A public key is one PEM block with a key in it."""
        pkcs1 = rsa.generate_private_key(65537, 2048).public_key()
        for pubkey in (
            "",
            "ssh-ed25519 AAAA",
            PEM + PEM,
            "see " + PEM,
            PEM.replace("PUBLIC", "PRIVATE"),
            PEM.replace("MF", "AA"),
            PEM.replace("PUBLIC KEY-----\nM", "PUBLIC KEY-----\nX: y\n\nM"),
            PEM.replace("\n", "\u2003", 1),
            pkcs1.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode(),
        ):
            self.assert_refused(body(pubkey=pubkey), "pubkey is not a public key in PEM form")

    def test_too_long(self) -> None:
        """A request far longer than any real one is not even read."""
        content = body(padding="")
        fitting = body(padding="a" * (LONGEST - len(content)))
        AuthRequest.parse(fitting)
        self.assert_refused(fitting + b" ", "an auth request as long as that is none")

    @given(st.binary() | st.text().map(str.encode))
    @examples
    def test_anything(self, content: bytes) -> None:
        """Whatever comes is an auth request or a ValueError, as identity and as body."""
        for attempt in (content, body(content.decode("latin-1"))):
            try:
                AuthRequest.parse(attempt)
            except ValueError as error:
                self.assertLess(len(str(error)), 100)


class KeyTests(SynchronousTestCase):
    """Keys are compared as keys, not as texts."""

    def test_white_space(self) -> None:
        """How the lines are broken doesn't matter."""
        for pem in (PEM.strip(), PEM.replace("\n", "\r\n"), f"\n {PEM}\n"):
            self.assertEqual(key_of(pem), key_of(PEM))

    def test_other_keys(self) -> None:
        """Another key is another key."""
        self.assertNotEqual(key_of(pem_of(ec.generate_private_key(ec.SECP256R1()))), key_of(PEM))

    def test_kinds(self) -> None:
        """All kinds of keys that devices have are read."""
        for key in (
            rsa.generate_private_key(65537, 2048),
            ed25519.Ed25519PrivateKey.generate(),
            ec.generate_private_key(ec.SECP384R1()),
        ):
            self.assertIsNotNone(key_of(pem_of(key)))

    def test_none(self) -> None:
        """What is no key has no hash."""
        self.assertIsNone(key_of("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"))
