"""A stand-in for S3: presigned links, ranges, a thin line, and faults on demand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import cast
from urllib.parse import unquote
from xml.sax.saxutils import escape

import attrs
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.web import http, resource, server

from menderproxy.demo.content import Content, Keystream, Literal, sha256
from menderproxy.demo.faults import Changed, Cut, Fault, NoLength, Refuse, Stall, Whole
from menderproxy.demo.pacing import Link, PacedBody
from menderproxy.demo.presigned import Denied, Presigner

# Bytes sent right before a cut get so many seconds to leave the socket's buffers.
_FLUSH = 0.1
_PART_SIZE = 8 << 20
_SINGLE_RANGE = re.compile(rb"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


@attrs.frozen
class DemoObject:
    """
    One object of the store.

    :param key: its name, a path without a leading slash.
    :param content: its bytes.
    :param etag: with its quotes, as in the header.
    :param modified: seconds since the epoch.
    """

    key: str
    content: Content
    etag: str
    modified: float

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.content.length

    def sha256(self) -> str:
        """Compute the checksum by reading all of it: for big objects, in a thread."""
        return sha256(self.content)


@attrs.define
class StoreRequest:
    """
    A request that the store got, and what became of it.

    :param path: without the query, which is a secret.
    :param range: the ``Range`` header as it came.
    :param status: 0 until answered.
    :param sent: bytes of an object that were handed to the connection so far.
    """

    method: str
    path: str
    range: str | None
    status: int = 0
    sent: int = 0


@attrs.frozen
class _Reply:
    """What to send of which object, once nothing speaks against it."""

    status: int
    span: tuple[int, int]


UPLOADED_BEFORE = 60.0
"""Seconds for which a new object seems to have been there when it is stored."""


class DemoArtifactStore(resource.Resource):
    """
    Serves objects to whoever has a presigned link, as S3 does.

    Like SeaweedFS it ignores ``If-Range``; like AWS it refuses an ``Authorization`` beside the
    signature in the query. :attr:`faults` are consumed one a request, from the first on, and
    :attr:`requests` tells what was asked.

    :param clock: paces bodies.
    :param rate: bytes a second over all connections together, ``None`` for no limit.
    :param now: gives the Unix time that links expire by, and that objects are dated with; by
        default *clock* does, which must not be a monotonic one then.
    """

    isLeaf = True

    def __init__(
        self,
        clock: IReactorTime,
        *,
        rate: float | None = None,
        now: Callable[[], float] | None = None,
    ):
        super().__init__()  # type: ignore[no-untyped-call]
        self.faults: list[Fault] = []
        self.requests: list[StoreRequest] = []
        self.objects: dict[str, DemoObject] = {}
        self._clock = clock
        self._now: Callable[[], float] = clock.seconds if now is None else now
        self._link = Link(clock, rate)
        self._presigner = Presigner()
        self._overwritten = 0

    @property
    def bytes_sent(self) -> int:
        """Bytes of objects handed to connections so far, errors and headers not counted."""
        return sum(request.sent for request in self.requests)

    def put(self, key: str, length: int) -> DemoObject:
        """
        Store *length* made-up bytes; a second object of the same name has other bytes.

        Its ETag is that of an upload in parts, as big artifacts have: not an MD5 of anything.
        """
        if key in self.objects:
            self._overwritten += 1
        content = Keystream(f"{key}#{self._overwritten}", length)
        digest = hashlib.md5(content.name.encode(), usedforsecurity=False).hexdigest()
        parts = -(-length // _PART_SIZE) or 1
        return self._store(key, content, f'"{digest}-{parts}"')

    def put_bytes(self, key: str, data: bytes) -> DemoObject:
        """Store *data*; its ETag is its MD5, as after an upload in one piece."""
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return self._store(key, Literal(data), f'"{digest}"')

    def presign(self, base_url: str, key: str, expires_in: int) -> str:
        """
        Make a link to an object; no two are alike.

        :param base_url: ``scheme://host:port`` under which clients know the store.
        :param expires_in: seconds.
        """
        return self._presigner.sign(base_url, f"/{key}", expires_in, self._now())

    def render(self, request: server.Request) -> int:
        """Answer one request."""
        path = request.uri.decode("latin-1").partition("?")[0]
        wanted = request.getHeader(b"range")
        record = StoreRequest(
            request.method.decode("latin-1"),
            path,
            None if wanted is None else wanted.decode("latin-1"),
        )
        self.requests.append(record)
        request.notifyFinish().addErrback(lambda _: None)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Refuse):
            if fault.retry_after is not None:
                request.setHeader(b"retry-after", b"%d" % fault.retry_after)
            self._refuse(request, record, fault.status, "ServiceFault", "A fault was ordered")
            return server.NOT_DONE_YET
        try:
            self._check(request)
        except Denied as denied:
            status = http.BAD_REQUEST if denied.code == "InvalidArgument" else http.FORBIDDEN
            self._refuse(request, record, status, denied.code, str(denied))
            return server.NOT_DONE_YET
        self._answer(request, record, fault)
        return server.NOT_DONE_YET

    def _store(self, key: str, content: Content, etag: str) -> DemoObject:
        # Artifacts are uploaded before they are deployed; who overwrites one does so now.
        age = 0.0 if key in self.objects else UPLOADED_BEFORE
        stored = DemoObject(key, content, etag, self._now() - age)
        self.objects[key] = stored
        return stored

    def _check(self, request: server.Request) -> None:
        if request.getHeader(b"x-forwarded-host") is not None:
            # Stores behind a proxy sign with the forwarded name in place of the Host.
            raise Denied("SignatureDoesNotMatch", "The request signature does not match")
        target = request.uri.decode("latin-1")
        if request.getHeader(b"authorization") is not None:
            raise Denied("InvalidArgument", "Only one auth mechanism allowed")
        host = (request.getHeader(b"host") or b"").decode("latin-1")
        self._presigner.check(request.method.decode("latin-1"), host, target, self._now())

    def _answer(self, request: server.Request, record: StoreRequest, fault: Fault | None) -> None:
        key = unquote(record.path[1:])
        if isinstance(fault, Changed) and key in self.objects:
            length = self.objects[key].length if fault.length is None else fault.length
            self.put(key, length)
        found = self.objects.get(key)
        if found is None:
            self._refuse(request, record, http.NOT_FOUND, "NoSuchKey", "No such key")
            return
        wanted = None if isinstance(fault, Whole) else request.getHeader(b"range")
        reply = _reply(wanted, found.length)
        if reply is None:
            request.setHeader(b"content-range", b"bytes */%d" % found.length)
            status = http.REQUESTED_RANGE_NOT_SATISFIABLE
            self._refuse(request, record, status, "InvalidRange", "Range not satisfiable")
            return
        record.status = reply.status
        request.setResponseCode(reply.status)
        _describe(request, found, reply, chunked=isinstance(fault, NoLength))
        self._send(request, record, found, reply, fault)

    def _send(
        self,
        request: server.Request,
        record: StoreRequest,
        found: DemoObject,
        reply: _Reply,
        fault: Fault | None,
    ) -> None:
        first, end = reply.span
        ended: Callable[[], object] = request.finish
        if isinstance(fault, Cut | Stall):
            end = min(end, first + fault.after)
            ended = partial(self._cut, request) if isinstance(fault, Cut) else _stay_silent
            # The headers go out even when no byte of the body does.
            request.write(b"")

        def sent(size: int) -> None:
            record.sent += size

        PacedBody(
            request, found.content, (first, end), self._link, self._clock, sent, ended
        ).start()

    def _cut(self, request: server.Request) -> None:
        self._clock.callLater(_FLUSH, _abort, request)

    def _refuse(
        self, request: server.Request, record: StoreRequest, status: int, code: str, message: str
    ) -> None:
        record.status = status
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        ).encode()
        request.setResponseCode(status)
        request.setHeader(b"content-type", b"application/xml")
        request.setHeader(b"content-length", b"%d" % len(body))
        request.write(body)
        request.finish()


def _reply(wanted: bytes | None, length: int) -> _Reply | None:
    """Choose between the whole, a part, and (``None``) a range that the object does not have."""
    match = None if wanted is None else _SINGLE_RANGE.fullmatch(wanted)
    if match is None or match.groups() == (b"", b""):
        return _Reply(http.OK, (0, length))
    first, last = match.groups()
    if not first:
        span = (max(0, length - int(last)), length)
    else:
        span = (int(first), min(length, int(last) + 1) if last else length)
    return _Reply(http.PARTIAL_CONTENT, span) if span[0] < span[1] else None


def _describe(request: server.Request, found: DemoObject, reply: _Reply, *, chunked: bool) -> None:
    first, end = reply.span
    request.setHeader(b"content-type", b"application/vnd.mender-artifact")
    request.setHeader(b"accept-ranges", b"bytes")
    request.setHeader(b"etag", found.etag.encode())
    request.setHeader(b"last-modified", formatdate(found.modified, usegmt=True).encode())
    if not chunked:
        request.setHeader(b"content-length", b"%d" % (end - first))
    if reply.status == http.PARTIAL_CONTENT:
        request.setHeader(b"content-range", b"bytes %d-%d/%d" % (first, end - 1, found.length))


def _abort(request: server.Request) -> None:
    if request.channel is not None:
        connection = cast(ITCPTransport, request.channel.transport)
        connection.abortConnection()


def _stay_silent() -> None:
    """Leave the answer unfinished: that is the fault."""
