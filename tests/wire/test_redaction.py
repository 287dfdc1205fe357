"""Secrets that come in somebody else's words."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.redaction import redacted

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


class HiddenTests(SynchronousTestCase):
    """What is left out."""

    def check(self, text: str, shown: str) -> None:
        """Compare what is shown; to look again changes nothing."""
        self.assertEqual(redacted(text), shown)
        self.assertEqual(redacted(shown), shown)

    def test_queries(self) -> None:
        """Where presigned links and local ones have their signature."""
        self.check(
            "can't parse 'https://store.example/b/one?X-Amz-Signature=secret&x=1'",
            "can't parse 'https://store.example/b/one?[hidden]'",
        )
        self.check(
            "GET /artifacts/cGF5bG9hZA/one?expire=1&signature=secret HTTP/1.1",
            "GET /artifacts/cGF5bG9hZA/one?[hidden] HTTP/1.1",
        )

    def test_users(self) -> None:
        """The user and password of a proxy, whatever is in it."""
        for password in ("secret", "s@cret", "sec/ret", "s?cr#t", "%5B"):
            self.check(
                f"proxy http://joe:{password}@proxy.example:3128 refused",
                "proxy http://[hidden]@proxy.example:3128 refused",
            )

    def test_tokens(self) -> None:
        """Tokens, with or without the word before them."""
        self.check(f"Authorization: Bearer {TOKEN}", "Authorization: Bearer [hidden]")
        for token in ("secret-token-1", "opaquetoken"):
            self.check(f"Authorization: Bearer {token}", "Authorization: Bearer [hidden]")
        self.check(
            "{'authorization': 'basic am9lOnNlY3JldA=='}", "{'authorization': 'basic [hidden]'}"
        )
        self.check(f"no such token: {TOKEN}.", "no such token: [hidden].")

    def test_keys(self) -> None:
        """Private keys, whole or cut."""
        for kind in ("", "EC ", "RSA "):
            key = f"-----BEGIN {kind}PRIVATE KEY-----\nMIIsecret\n-----END {kind}PRIVATE KEY-----"
            self.check(f"can't load {key}: no", "can't load [hidden]: no")
            self.check(f"can't load {key[:-30]}", "can't load [hidden]")


class ShownTests(SynchronousTestCase):
    """What is nobody's secret."""

    def test_left(self) -> None:
        """Everything else stays as it is."""
        for text in (
            "https://mender.example answers with a redirect (302): is UpstreamServer.URL right?",
            "the bearer of bad news",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "release-2: going on at 4096",
            "from=192.0.2.1 user@example",
        ):
            self.assertEqual(redacted(text), text)
