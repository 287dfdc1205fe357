"""What is wrong with what a gateway forwarded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from menderproxy.wire.headers import CONTROL
from tests.security.differential.contest import Outcome
from tests.security.differential.grammar import Case
from tests.security.differential.reading import Request, read_all

GATEWAY = "gateway"
"""The one that is judged; the others are there to compare."""

_END_TO_END = (b"authorization", b"x-men-signature", b"content-type")
_OF_A_CONNECTION = (
    b"connection",
    b"keep-alive",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"expect",
    b"http2-settings",
    b"proxy-authorization",
    b"proxy-connection",
)

EXCUSED: Mapping[str, str] = {}
"""Oddities that only we let through, and why that does no harm."""


def faults(case: Case, outcome: Outcome, authority: bytes) -> Iterator[str]:
    """
    Find what must not be.

    :param authority: what the upstream is called.
    """
    readings = read_all(case.raw)
    for garbled in outcome.garbled:
        yield f"no request: {garbled[:200]!r}"
    unmatched = iter(readings)
    for request in outcome.requests:
        yield from _faults_of_form(request, authority)
        if not any(_is_same(request, reading) for reading in unmatched):
            yield f"not what was sent, or not there: {request.raw[:400]!r}"
    if not case.oddities and len(outcome.requests) < len(readings):
        yield f"{len(outcome.requests)} forwarded of {len(readings)} with nothing odd about them"


def _faults_of_form(request: Request, authority: bytes) -> Iterator[str]:
    lines = b"".join(b"%b: %b\r\n" % header for header in request.headers)
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (request.method, request.target, lines)
    if request.raw != head + request.body:
        yield f"framed in another way than ours: {request.raw[:400]!r}"
    if request.values(b"host") != [authority]:
        yield f"Host: {request.values(b'host')}"
    for name in _OF_A_CONNECTION:
        if request.values(name):
            yield f"passed on: {name!r}"
    if CONTROL.search(head.replace(b"\r\n", b"")):
        yield f"control bytes: {head[:400]!r}"
    claims = [name for name, _ in request.headers if b"forwarded" in name.lower()]
    if claims != [b"X-Forwarded-For", b"X-Forwarded-Proto"]:
        yield f"claims: {claims}"


def _is_same(forwarded: Request, reading: Request) -> bool:
    """Whether a request that was sent is the one that was forwarded."""
    return (
        (forwarded.method, forwarded.target, forwarded.body)
        == (reading.method, reading.target, reading.body)
    ) and all(
        forwarded.values(name)
        == [each for each in reading.values(name) if not CONTROL.search(each)]
        for name in _END_TO_END
    )


def is_only_ours(case: Case, outcomes: Mapping[str, Outcome]) -> bool:
    """
    Whether we forwarded what all others object to.

    With several oddities in a case each of the others may object to another one: it does not count.
    """
    if len(case.oddities) != 1:
        return False
    ours, *others = (outcomes[GATEWAY], *(outcomes[name] for name in outcomes if name != GATEWAY))
    return bool(others) and all(each.refused and each.forwarded < ours.forwarded for each in others)
