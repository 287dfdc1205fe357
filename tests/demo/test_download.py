"""Tests of demo.download."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from menderproxy.demo.download import Download, DownloadError

_DATA = bytes(range(256)) * 20
_HALF = len(_DATA) // 2


class FakeResponse:
    """An answer whose body the test sends, and cuts, itself."""

    def __init__(self, code: int, length: object = len(_DATA), **headers: str):
        self.code = code
        self.length = length
        self.headers = Headers({n.replace("_", "-"): [v] for n, v in headers.items()})
        self.aborted = False
        self._body: IProtocol | None = None

    def deliverBody(self, protocol: IProtocol) -> None:
        """Remember who wants the body."""
        self._body = protocol

    def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        assert self._body is not None
        self._body.dataReceived(data)

    def end(self) -> None:
        """End the body well."""
        assert self._body is not None
        self._body.connectionLost(Failure(ResponseDone()))

    def cut(self) -> None:
        """Break the body off."""
        self.aborted = True
        if self._body is not None:
            self._body.connectionLost(Failure(ConnectionLost()))


class DownloadTests(SynchronousTestCase):
    """A download whose server is this test."""

    def setUp(self) -> None:
        """Begin a download; each answer comes from the list."""
        self.clock = Clock()
        self.asked: list[Headers] = []
        self.answers: list[FakeResponse | Exception] = []
        self.download = Download(
            self.clock, self.get, "https://gw/x", pause=60, attempts=3, stall=300
        )

    async def get(self, url: str, headers: Headers) -> tuple[IResponse, Callable[[], None]]:
        """Give the next answer."""
        self.asked.append(headers)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast(IResponse, answer), answer.cut

    def run_with(self, *answers: FakeResponse | Exception) -> Deferred[str]:
        """Start to download."""
        self.answers = [*answers]
        return Deferred.fromCoroutine(self.download.run())

    def refusal(self, *answers: FakeResponse | Exception) -> str:
        """Run into what ends a deployment, and give the reason."""
        failure = self.failureResultOf(self.run_with(*answers), DownloadError)
        return str(failure.value)

    def test_straight(self) -> None:
        """An undisturbed download gives the checksum and the times."""
        response = FakeResponse(200)
        running = self.run_with(response)
        self.clock.advance(2)
        response.send(_DATA[:10])
        self.clock.advance(3)
        response.send(_DATA[10:])
        response.end()
        self.assertEqual(self.successResultOf(running), hashlib.sha256(_DATA).hexdigest())
        self.assertEqual((self.download.first_byte, self.download.seconds), (2, 5))
        self.assertEqual((self.download.received, self.download.retries), (len(_DATA), 0))
        self.assertFalse(self.asked[0].hasHeader("authorization"))
        self.assertFalse(self.asked[0].hasHeader("range"))
        self.assertTrue(response.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_resumed(self) -> None:
        """A broken download goes on after a pause from the byte where it broke."""
        first = FakeResponse(200)
        total = len(_DATA)
        second = FakeResponse(
            206, total - _HALF, content_range=f"bytes {_HALF}-{total - 1}/{total}"
        )
        running = self.run_with(first, second)
        first.send(_DATA[:_HALF])
        first.cut()
        self.assertEqual(len(self.asked), 1)
        self.clock.advance(60)
        self.assertEqual(self.asked[1].getRawHeaders("range"), [f"bytes={_HALF}-"])
        second.send(_DATA[_HALF:])
        second.end()
        self.assertEqual(self.successResultOf(running), hashlib.sha256(_DATA).hexdigest())
        self.assertEqual(self.download.retries, 1)

    def test_refused_connection(self) -> None:
        """Without a connection the same is asked again after a pause, as often as allowed."""
        running = self.run_with(ConnectError(), ConnectError(), ConnectError())
        self.clock.pump([60, 60])
        self.failureResultOf(running, DownloadError)
        self.assertEqual([h.hasHeader("range") for h in self.asked], [False] * 3)

    def test_stalled(self) -> None:
        """Silence counts as a broken connection, and each byte gives it more time."""
        response = FakeResponse(200)
        running = self.run_with(response, ConnectError(), ConnectError())
        self.clock.advance(299)
        response.send(_DATA[:1])
        self.clock.advance(299)
        self.assertFalse(response.aborted)
        self.clock.advance(1)
        self.assertTrue(response.aborted)
        self.assertNoResult(running)

    def test_first_refused(self) -> None:
        """Any first answer but 200 with a length of 4096 or more ends the deployment."""
        self.assertIn("503", self.refusal(FakeResponse(503)))
        self.assertIn("206", self.refusal(FakeResponse(206)))
        self.assertIn("unknown image size", self.refusal(FakeResponse(200, UNKNOWN_LENGTH)))
        self.assertIn("4096", self.refusal(FakeResponse(200, 4095)))
        self.assertIn("compressed", self.refusal(FakeResponse(200, content_encoding="gzip")))

    def test_resume_refused(self) -> None:
        """A resumed download takes nothing but a 206 with exactly the missing bytes."""
        total = len(_DATA)
        for answer in (
            FakeResponse(200, content_range=f"bytes 10-{total - 1}/{total}"),
            FakeResponse(403),
            FakeResponse(206),
            FakeResponse(206, content_range=f"bytes 0-{total - 1}/{total}"),
            FakeResponse(206, content_range=f"bytes 10-{total - 2}/{total}"),
            FakeResponse(206, content_range=f"bytes 10-{total - 1}/{total + 1}"),
            FakeResponse(206, content_range=f"bytes 10-{total - 1}/*"),
        ):
            self.setUp()
            first = FakeResponse(200)
            running = self.run_with(first, answer)
            first.send(_DATA[:10])
            first.cut()
            self.clock.advance(60)
            self.failureResultOf(running, DownloadError)
            self.assertTrue(answer.aborted)
