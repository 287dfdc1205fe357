"""What a connection fails with, in the words of an operator."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.defer import CancelledError
from twisted.internet.error import (
    ConnectionRefusedError,
    DNSLookupError,
    TCPTimedOutError,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.errors import (
    Unanswered,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    sort_out,
)


def sorted_out(error: Exception) -> UpstreamError:
    """Sort an error out."""
    return sort_out(Failure(error), "https://a.example:443")


class KindTests(SynchronousTestCase):
    """Each error becomes the one that a device is told."""

    def test_kinds(self) -> None:
        """Timeouts are told from the rest."""
        for error, kind in (
            (ConnectionRefusedError(), UpstreamUnavailable),
            (DNSLookupError(), UpstreamUnavailable),
            (TimeoutError(), UpstreamTimeout),
            (TCPTimedOutError(), UpstreamTimeout),
            (ValueError("x"), UpstreamUnavailable),
        ):
            self.assertIs(type(sorted_out(error)), kind)

    def test_asked_for(self) -> None:
        """Whoever knows more than the error does says so, except of a timeout."""
        for error, kind in ((ValueError("x"), Unanswered), (TimeoutError(), UpstreamTimeout)):
            self.assertIs(type(sort_out(Failure(error), "x", Unanswered)), kind)

    def test_ours(self) -> None:
        """An error of ours stays what it is."""
        ours = UpstreamTimeout("no answer within 60 s")
        self.assertIs(sorted_out(ours), ours)

    def test_cancelled(self) -> None:
        """What we gave up ourselves is no error of the upstream."""
        self.assertRaises(CancelledError, sorted_out, CancelledError())


class TextTests(SynchronousTestCase):
    """One line says what and where."""

    def test_one_short_line(self) -> None:
        """Long texts are cut, at a line's end at the latest."""
        self.assertEqual(
            str(sorted_out(ValueError("one\ntwo"))), "https://a.example:443: ValueError: one"
        )
        self.assertLess(len(str(sorted_out(ValueError("x" * 10000)))), 300)

    def test_without_text(self) -> None:
        """An error without a text is named by its kind."""
        self.assertEqual(str(sorted_out(ValueError())), "https://a.example:443: ValueError")

    def test_tls(self) -> None:
        """OpenSSL's list of errors is told in its own words."""
        error = SSL.Error([("SSL routines", "", "certificate verify failed")])
        self.assertEqual(
            str(sorted_out(error)), "https://a.example:443: TLS: certificate verify failed"
        )
        self.assertEqual(str(sorted_out(SSL.Error())), "https://a.example:443: Error")
