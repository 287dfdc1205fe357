"""What Twisted's client fails with, in the words of an operator."""

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
from twisted.web.client import ResponseFailed, ResponseNeverReceived

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


def nested(*errors: Exception) -> ResponseFailed:
    """Wrap errors as Twisted does, twice."""
    return ResponseFailed([Failure(ResponseFailed([Failure(error)])) for error in errors])


class KindTests(SynchronousTestCase):
    """Each error becomes the one that a device is told."""

    def test_kinds(self) -> None:
        """Timeouts are told from the rest, and lost requests from lost answers."""
        for error, kind in (
            (ConnectionRefusedError(), UpstreamUnavailable),
            (DNSLookupError(), UpstreamUnavailable),
            (TimeoutError(), UpstreamTimeout),
            (TCPTimedOutError(), UpstreamTimeout),
            (nested(ValueError("x"), TimeoutError()), UpstreamTimeout),
            (nested(ValueError("x")), UpstreamUnavailable),
            (ResponseNeverReceived([Failure(ValueError("x"))]), Unanswered),
            (ResponseFailed([]), UpstreamUnavailable),
        ):
            self.assertIs(type(sorted_out(error)), kind)

    def test_ours(self) -> None:
        """An error of ours stays what it is, however deep it is wrapped."""
        ours = UpstreamTimeout("no answer within 60 s")
        self.assertIs(sorted_out(nested(ValueError(), ours)), ours)

    def test_cancelled(self) -> None:
        """What we gave up ourselves is no error of the upstream."""
        self.assertRaises(CancelledError, sorted_out, nested(CancelledError()))


class TextTests(SynchronousTestCase):
    """One line says what and where."""

    def test_all_reasons_once(self) -> None:
        """Every reason is named, none twice."""
        error = sorted_out(nested(ValueError("one"), ValueError("two"), ValueError("one")))
        self.assertEqual(str(error), "https://a.example:443: ValueError: one, ValueError: two")

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
