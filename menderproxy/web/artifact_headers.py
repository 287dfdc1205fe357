"""The heads of a request for an artifact and of its answer, from the cache or not."""

from __future__ import annotations

from menderproxy.web.request import GatewayRequest
from menderproxy.wire.ranges import ByteRange, if_range_holds, is_resume

MEDIA_TYPE = b"application/vnd.mender-artifact"


def ranges_wanted(request: GatewayRequest) -> list[bytes]:
    """Give the values of ``Range``, which has a meaning for GET only."""
    if request.method != b"GET":
        return []
    return list(request.requestHeaders.getRawHeaders(b"range", []))


def ranges_hold(request: GatewayRequest, etag: str | None, last_modified: str | None) -> bool:
    """Whether this is the object whose ranges the request means."""
    values = request.requestHeaders.getRawHeaders(b"if-range", [])
    return if_range_holds(values, etag, last_modified)


def resumes_blindly(request: GatewayRequest) -> bool:
    """Whether the device goes on with what it has, without a word about what that is."""
    return is_resume(ranges_wanted(request)) and not request.values(b"if-range")


def set_artifact_headers(
    request: GatewayRequest,
    etag: str | None,
    last_modified: str | None,
    content_type: str | None,
) -> None:
    """Set the headers that describe an artifact, with the store's own validators."""
    request.setHeader(b"accept-ranges", b"bytes")
    request.setHeader(b"content-type", (content_type or "").encode("latin-1") or MEDIA_TYPE)
    if etag is not None:
        request.setHeader(b"etag", etag.encode("latin-1"))
    if last_modified is not None:
        request.setHeader(b"last-modified", last_modified.encode("latin-1"))


def set_range_headers(request: GatewayRequest, part: ByteRange | None, total: int) -> ByteRange:
    """
    Set status and length for the whole, or a part.

    :returns: the bytes to send.
    """
    if part is None:
        request.setResponseCode(200)
        part = ByteRange(0, total - 1)
    else:
        request.setResponseCode(206)
        request.setHeader(b"content-range", part.content_range(total))
    request.setHeader(b"content-length", b"%d" % part.length)
    return part
