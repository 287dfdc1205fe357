"""One device's download of one artifact, with all the patience and suspicion of real clients."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web import http
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from menderproxy.demo.device_client import BROKEN, delivered

_MINIMUM_SIZE = 4096
_CONTENT_RANGE = re.compile(rb"bytes (\d+)-(\d+)/(\d+)")

Get = Callable[[str, Headers], Awaitable[tuple[IResponse, Callable[[], None]]]]


class DownloadError(Exception):
    """The answer was one that ends a deployment for good; the message says why."""


class Download:
    """
    Fetches one artifact and its checksum; the bytes themselves are not kept.

    A broken connection is made up for by a range request. Anything else out of the ordinary is
    refused, as strictly as the stricter one of the Go and the C++ client would.

    :param clock: for times and pauses.
    :param get: asks for a URL on a new connection.
    :param url: stays the same over all attempts.
    :param pause: seconds before a new attempt; real clients wait a minute.
    :param attempts: in all.
    :param stall: seconds without a byte of the body that count as a broken connection.

    :ivar total: the artifact's length, once known.
    :ivar received: bytes of it so far.
    :ivar first_byte: seconds from the beginning to the first byte.
    :ivar seconds: from the beginning to the last byte.
    :ivar retries: attempts beyond the first.
    :ivar sha256: the checksum, once complete.
    """

    def __init__(
        self,
        clock: IReactorTime,
        get: Get,
        url: str,
        *,
        pause: float = 1.0,
        attempts: int = 10,
        stall: float = 300.0,
    ):
        self.total: int | None = None
        self.received = 0
        self.first_byte: float | None = None
        self.seconds: float | None = None
        self.retries = 0
        self.sha256: str | None = None
        self._clock = clock
        self._get = get
        self._url = url
        self._pause = pause
        self._attempts = attempts
        self._stall = stall
        self._digest = hashlib.sha256()
        self._began = clock.seconds()

    async def run(self) -> str:
        """
        Download, resuming as often as need be.

        :return: the SHA-256 in hex.
        :raises DownloadError: when the server gave a wrong answer, or the attempts are used up.
        """
        while True:
            try:
                await self._attempt()
            except BROKEN as error:
                if self.retries + 1 >= self._attempts:
                    raise DownloadError(f"gave up after {self._attempts} attempts") from error
                self.retries += 1
                await deferLater(self._clock, self._pause)
            else:
                self.seconds = self._clock.seconds() - self._began
                self.sha256 = self._digest.hexdigest()
                return self.sha256

    async def _attempt(self) -> None:
        headers = Headers({b"Accept-Encoding": [b"gzip"]})
        if self.total is not None:
            headers = Headers({b"Range": [b"bytes=%d-" % self.received]})
        response, abort = await self._get(self._url, headers)
        stalled = self._clock.callLater(self._stall, abort)

        def take(data: bytes) -> None:
            stalled.reset(self._stall)
            self._take(data)

        try:
            self._check(response)
            await delivered(response, take)
        finally:
            if stalled.active():
                stalled.cancel()
            abort()

    def _check(self, response: IResponse) -> None:
        if self.total is None:
            self._check_first(response)
        else:
            self._check_resumed(response)

    def _check_first(self, response: IResponse) -> None:
        if response.code != http.OK:
            raise DownloadError(f"status {response.code} in place of 200")
        if response.headers.hasHeader(b"content-encoding"):
            raise DownloadError("the artifact came compressed")
        if response.length is UNKNOWN_LENGTH:
            raise DownloadError("will not continue with unknown image size")
        if response.length < _MINIMUM_SIZE:
            raise DownloadError(f"less than {_MINIMUM_SIZE} bytes")
        self.total = response.length

    def _check_resumed(self, response: IResponse) -> None:
        if response.code != http.PARTIAL_CONTENT:
            raise DownloadError(f"status {response.code} in place of 206")
        assert self.total is not None
        expected = (self.received, self.total - 1, self.total)
        values = response.headers.getRawHeaders(b"content-range") or [b""]
        match = _CONTENT_RANGE.fullmatch(values[-1])
        if match is None or tuple(map(int, match.groups())) != expected:
            raise DownloadError(f"asked for bytes {self.received}- and was given {values[-1]!r}")

    def _take(self, data: bytes) -> None:
        if self.first_byte is None:
            self.first_byte = self._clock.seconds() - self._began
        self.received += len(data)
        self._digest.update(data)
