"""Tests of replacing the links in what a server answers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.deployment import (
    gateway_origin_link,
    rewrite_download_link,
    rewrite_instructions,
)

INSTRUCTIONS = (
    rb'{"id":"d1","artifact":{"id":"a1","source":{"uri":"https://s3.example/a1?x=1\u0026y=2",'
    rb'"expire":"2026-11-23T00:00:00Z"},"device_types_compatible":["e2e"],'
    rb'"artifact_name":"release-1"},"update_control_map":{"uri":"untouched"}}'
)
LINK = r"https://s3.example/a1?x=1\u0026y=2"


class Relinks:
    """Notes what it is asked, and always answers the same."""

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def __call__(self, uri: str, name: str) -> str | None:
        """Note the question."""
        self.asked.append((uri, name))
        return self.answer


class InstructionsTests(SynchronousTestCase):
    """The answer to "is there a deployment for me?"."""

    def test_link_replaced(self) -> None:
        """The link is replaced, knowing the artifact's name, and nothing else is touched."""
        relink = Relinks("https://gateway.example/artifacts/x")
        self.assertEqual(
            rewrite_instructions(INSTRUCTIONS, relink),
            INSTRUCTIONS.replace(LINK.encode(), b"https://gateway.example/artifacts/x"),
        )
        self.assertEqual(relink.asked, [("https://s3.example/a1?x=1&y=2", "release-1")])

    def test_link_left(self) -> None:
        """Instructions whose link may not be replaced are passed on as they are."""
        self.assertIsNone(rewrite_instructions(INSTRUCTIONS, Relinks(None)))

    def test_no_name(self) -> None:
        """An artifact whose name is missing or no text is named by an empty one."""
        for name in (b'"name":"x"', b'"artifact_name":7', b'"artifact_name":null'):
            relink = Relinks("new")
            rewrite_instructions(INSTRUCTIONS.replace(b'"artifact_name":"release-1"', name), relink)
            self.assertEqual([asked for _, asked in relink.asked], [""])

    def test_other_answers(self) -> None:
        """An answer without a link, or not in JSON, is passed on as it is."""
        for body in (b"", b"{}", b'{"error":"x"}', b'{"artifact":{"source":null}}', b"<html>"):
            self.assertIsNone(rewrite_instructions(body, Relinks("new")), body)


class DownloadLinkTests(SynchronousTestCase):
    """The answer to a request for one artifact's link."""

    def test_link_replaced(self) -> None:
        """The link is replaced, the artifact's name being unknown."""
        relink = Relinks("new")
        self.assertEqual(
            rewrite_download_link(b'{"uri":"https://s3.example/a1", "expire":"2026"}', relink),
            b'{"uri":"new", "expire":"2026"}',
        )
        self.assertEqual(relink.asked, [("https://s3.example/a1", "")])

    def test_no_instructions(self) -> None:
        """Deployment instructions hold no such link."""
        self.assertIsNone(rewrite_download_link(INSTRUCTIONS, Relinks("new")))


class ConfigurationTests(SynchronousTestCase):
    """Links to configuration artifacts."""

    target = (
        "/api/devices/v1/deployments/download/configuration/d%2F1/my%20type/dev1"
        "?tenant_id=&x-men-expire=2026-11-22T00%3A00%3A00Z&x-men-signature=Zm9v-_="
    )

    def test_moved(self) -> None:
        """Path and query go to the gateway byte for byte, whatever host the link names."""
        for host in ("https://mender.example", "http://docker.mender.io:8443"):
            for gateway in ("https://gateway.example", "https://gateway.example/"):
                self.assertEqual(
                    gateway_origin_link(host + self.target, gateway),
                    "https://gateway.example" + self.target,
                )

    def test_other_links(self) -> None:
        """Any other link, and what is no URL, is none of these."""
        for uri in (
            "https://s3.example/a1?x=1",
            "https://s3.example/bucket" + self.target,
            "https://s3.example/a?" + self.target,
            self.target,
            "https://user@mender.example" + self.target,
            "",
        ):
            self.assertIsNone(gateway_origin_link(uri, "https://gateway.example"), uri)
