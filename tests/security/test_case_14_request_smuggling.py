"""Bodies that two programs would find different ends of."""

from __future__ import annotations

from tests.web.test_refusals import RefusalTestCase
from tests.web.testcase import API

HEAD = b"PUT %b HTTP/1.1\r\nHost: gateway.example\r\nTransfer-Encoding: chunked\r\n\r\n" % API
HIDDEN = b"GET /api/devices/v1/hidden HTTP/1.1\r\nHost: gateway.example\r\n\r\n"


class ChunkTests(RefusalTestCase):
    """Chunked bodies."""

    def test_refused(self) -> None:
        """A chunk whose length or end is not plainly written ends the connection."""
        for body in (
            b"3;%b\r\nabc\r\n0\r\n\r\n" % (b"x" * 10_000),
            b"3\nabc\r\n0\r\n\r\n",
            b"3 \r\nabc\r\n0\r\n\r\n",
            b" 3\r\nabc\r\n0\r\n\r\n",
            b"+3\r\nabc\r\n0\r\n\r\n",
            b"3_0\r\nabc\r\n0\r\n\r\n",
            b"\r\nabc\r\n0\r\n\r\n",
            b"3;a\nb\r\nabc\r\n0\r\n\r\n",
            b"3;a\x00\r\nabc\r\n0\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"3\r\nabc\n0\r\n\r\n",
        ):
            self.assert_refused(HEAD + body, 400)

    def test_trailers(self) -> None:
        """What follows the last chunk ends here: a header there counts for nobody."""
        device = self.device()
        device.send(HEAD + b"3\r\nabc\r\n0\r\nAuthorization: Bearer other\r\nHost: other\r\n\r\n")
        asked = self.agent.asked.pop()
        self.assertEqual((asked.body, asked.values(b"authorization")), (b"abc", []))
        self.assertEqual(asked.values(b"host"), [b"mender.example"])

    def test_framed_anew(self) -> None:
        """A request within a body, chunk extensions or not, stays in the body."""
        device = self.device()
        chunk = b"%x;name=value\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
        device.send(HEAD + chunk)
        [asked] = self.agent.asked
        self.assertEqual((asked.body, asked.values(b"transfer-encoding")), (HIDDEN, []))
