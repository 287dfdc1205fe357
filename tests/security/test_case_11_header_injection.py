"""A server or a store puts what other programs take for line ends into its headers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.remote import RemoteObject
from tests.web.fakes import FakeAnswer
from tests.web.testcase import API, SiteTestCase

SEPARATORS = (b"\x00", b"\x0b", b"\x0c", b"\r", b"\x1c", b"\x1d", b"\x1e", b"\x7f", b"\x85")
INJECTED = b"X-Injected: 1"


class ServerTests(SiteTestCase):
    """Answers of the Mender Server."""

    def test_dropped(self) -> None:
        """Such a header is left out of the answer, whatever it is called; the others stay."""
        for separator in SEPARATORS:
            value = b'attachment; filename="a%b%b"' % (separator, INJECTED)
            device = self.device()
            device.ask(b"GET", API)
            headers = ((b"Content-Disposition", value), (b"X-Good", b"yes"))
            self.agent.asked.pop().answer(FakeAnswer(200, *headers, length=0)).end()
            self.assertNotIn(INJECTED, device.received, separator)
            self.assertEqual(device.reply()[b"X-Good"], b"yes", separator)
            device.hang_up()


class StoreTests(SynchronousTestCase):
    """Answers of a store, of which few headers go on to devices."""

    def test_unknown(self) -> None:
        """A description with such bytes is as good as none."""
        for name in (b"ETag", b"Last-Modified", b"Content-Type"):
            for separator in SEPARATORS:
                headers = [(name, b'"a%b%b"' % (separator, INJECTED))]
                remote = RemoteObject.from_headers(200, headers, 1000)
                self.assertEqual(remote, RemoteObject(200, 1000), (name, separator))

    def test_encoding(self) -> None:
        """What says how the body is encoded is not passed over for that."""
        headers = [(b"Content-Encoding", b"gz\x0bip")]
        self.assertRaises(ValueError, RemoteObject.from_headers, 200, headers, 1000)
