"""Tests of demo.presigned."""

from __future__ import annotations

from urllib.parse import urlsplit

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo.presigned import Denied, Presigner

_NOW = 1_700_000_000.0
_HOST = "store.example:9000"


class PresignerTests(SynchronousTestCase):
    """What a presigned link allows."""

    def setUp(self) -> None:
        """Sign one link."""
        self.presigner = Presigner()
        self.link = self.presigner.sign(f"https://{_HOST}", "/bucket/a b", 60, _NOW)
        parts = urlsplit(self.link)
        self.target = f"{parts.path}?{parts.query}"

    def denied(
        self, target: str, *, method: str = "GET", host: str = _HOST, now: float = _NOW
    ) -> str:
        """Check a request that must be denied, and give the store's word for it."""
        with self.assertRaises(Denied) as caught:
            self.presigner.check(method, host, target, now)
        code: str = caught.exception.code
        return code

    def allowed(self, target: str, now: float = _NOW) -> bool:
        """Whether a request for a target is let through."""
        try:
            self.presigner.check("GET", _HOST, target, now)
        except Denied:
            return False
        return True

    def test_allowed(self) -> None:
        """A GET of the very link is allowed until the last second."""
        self.assertTrue(self.allowed(self.target, _NOW + 59))

    def test_expired(self) -> None:
        """A link opens nothing once its time is over."""
        self.assertEqual(self.denied(self.target, now=_NOW + 60), "AccessDenied")

    def test_bound_to_method(self) -> None:
        """A link for GET is none for HEAD."""
        self.assertEqual(self.denied(self.target, method="HEAD"), "SignatureDoesNotMatch")

    def test_bound_to_host(self) -> None:
        """A request that names another host, or leaves out the port, is denied."""
        for host in ("other.example:9000", "store.example"):
            self.assertEqual(self.denied(self.target, host=host), "SignatureDoesNotMatch")

    def test_bound_to_path(self) -> None:
        """A link for one object opens no other, in whatever spelling."""
        for path in ("/bucket/b", "/bucket/a+b", "/bucket/./a%20b"):
            target = self.target.replace("/bucket/a%20b", path)
            self.assertEqual(self.denied(target), "SignatureDoesNotMatch")

    def test_bound_to_query(self) -> None:
        """A query with one parameter more, or a longer life, is denied."""
        for target in (
            f"{self.target}&x=1",
            self.target.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        ):
            self.assertEqual(self.denied(target), "SignatureDoesNotMatch")

    def test_other_order(self) -> None:
        """The order of the parameters does not matter, as at a real store."""
        path, _, query = self.target.partition("?")
        reordered = "&".join(reversed(query.split("&")))
        self.assertTrue(self.allowed(f"{path}?{reordered}"))

    def test_unsigned(self) -> None:
        """A request without, or with a mutilated, signature is denied."""
        self.assertEqual(self.denied("/bucket/a%20b"), "AccessDenied")
        target = self.target.replace("X-Amz-Date=", "X-Amz-Date=x")
        self.assertEqual(self.denied(target), "AccessDenied")

    def test_other_secret(self) -> None:
        """A link that somebody else signed is denied."""
        with self.assertRaises(Denied):
            Presigner().check("GET", _HOST, self.target, _NOW)

    def test_never_alike(self) -> None:
        """Two links to one object differ, even in the same second."""
        again = self.presigner.sign(f"https://{_HOST}", "/bucket/a b", 60, _NOW)
        self.assertNotEqual(self.link, again)

    def test_secret(self) -> None:
        """The secret key shows in no representation."""
        self.assertNotIn(self.presigner.secret_key, repr(self.presigner))
