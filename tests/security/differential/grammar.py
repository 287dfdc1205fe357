"""Requests, most of them odd in one way or another, made from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tests.security.differential import oddities
from tests.security.differential.oddities import HIDDEN, ID, PLACE, by_chunks, by_length

LAST = b"GET " + PLACE + b"/last HTTP/1.1\r\nHost: gateway.example\r\nConnection: close\r\n\r\n"
"""Sent behind every other request: it shows where the server sees the end of that one."""

Oddity = tuple[str, str]
"""A part of a request, and what is odd about it."""

_BYTES = b'\x00\t\n\x0b\x0c\r\x1f ",/:;=\\\x7f\x80\x85\xa0\xff0aZ'
_PARTS: Mapping[str, Mapping[str, Any]] = {
    "method": oddities.METHODS,
    "target": oddities.TARGETS,
    "version": oddities.VERSIONS,
    "Host": oddities.HOSTS,
    "header": oddities.HEADERS,
    "connection": oddities.CONNECTIONS,
    "length": oddities.LENGTHS,
    "coding": oddities.CODINGS,
    "chunk": oddities.CHUNKS,
    "edge": oddities.EDGES,
    "byte": {f"{byte:02x}": bytes([byte]) for byte in _BYTES},
}
ALL: Sequence[Oddity] = [(part, what) for part, kinds in _PARTS.items() for what in kinds]
"""Every oddity there is."""

_FRAMING = ("length", "coding", "chunk")
_METHODS = (b"GET", b"PUT", b"POST", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS")
_USUAL = b"Authorization: Bearer token\r\nX-MEN-Signature: c2ln\r\nContent-Type: text/plain\r\n"
_BODIES = (b"", b"[]", b"0\r\n\r\n", b"x" * 300, b"\r\n" + HIDDEN, HIDDEN, b"0\r\n\r\n" + HIDDEN)


@attrs.frozen
class Case:
    """
    What is sent on one connection.

    :param pieces: the bytes, as they are written one after the other.
    :param oddities: what is odd about them, ``part: what``.
    """

    number: int
    pieces: tuple[bytes, ...] = attrs.field(repr=False)
    oddities: frozenset[str]

    @property
    def raw(self) -> bytes:
        """All bytes."""
        return b"".join(self.pieces)


def case(number: int, seed: int) -> Case:
    """
    Make one of the cases that belong to a seed, always the same.

    The first ones have one oddity each, so that none is left out; the others have any number.
    """
    dice = random.Random(f"{seed}/{number}")
    if number < len(ALL):
        chosen = [[ALL[number]]]
    else:
        chosen = [_choose(dice, amount) for amount in _amounts(dice)]
    names = (b"%d-%d" % (number, i) for i in range(len(chosen)))
    requests = [_request(dice, *each) for each in zip(names, chosen, strict=False)]
    raw = b"".join(requests) + LAST.replace(ID, b"%d" % number)
    found = frozenset(": ".join(oddity) for each in chosen for oddity in each)
    return Case(number, _cut(dice, raw), found)


def _amounts(dice: random.Random) -> list[int]:
    """Choose how many requests there are, and how many oddities each of them has."""
    first = dice.choices((0, 1, 2, 3), (1, 6, 3, 1))[0]
    more = dice.choices((0, 1, 2), (8, 3, 1))[0]
    return [first, *(dice.choices((0, 1), (4, 1))[0] for _ in range(more))]


def _choose(dice: random.Random, amount: int) -> list[Oddity]:
    """Choose oddities of different parts of a request; there is one framing."""
    chosen: list[Oddity] = []
    for part in dice.sample(list(_PARTS), amount):
        if not (part in _FRAMING and any(each in _FRAMING for each, _ in chosen)):
            chosen.append((part, dice.choice(list(_PARTS[part]))))
    return chosen


def _request(dice: random.Random, name: bytes, chosen: Sequence[Oddity]) -> bytes:
    odd = {part: _PARTS[part][what] for part, what in chosen}
    line = b"%b %b%b\r\n" % (
        odd.get("method", dice.choice(_METHODS)),
        odd.get("target", PLACE),
        odd.get("version", b" HTTP/1.1"),
    )
    headers = [
        odd.get("Host", b"Host: gateway.example\r\n"),
        odd.get("header", b""),
        odd.get("connection", b""),
        _USUAL,
    ]
    dice.shuffle(headers)
    framing = next((odd[each] for each in _FRAMING if each in odd), None)
    body = dice.choice(_BODIES[1:] if framing else _BODIES)
    framed = (framing or dice.choice((by_length, by_chunks)))(body.replace(ID, name))
    raw = line.replace(ID, name) + b"".join(headers) + framed
    raw = odd.get("edge", bytes)(raw)
    return _with_other_byte(dice, raw, odd["byte"]) if "byte" in odd else raw


def _with_other_byte(dice: random.Random, raw: bytes, byte: bytes) -> bytes:
    """Put a byte somewhere, instead of the one there or before it."""
    place = dice.randrange(len(raw))
    return raw[:place] + byte + raw[place + dice.randrange(2) :]


def _cut(dice: random.Random, raw: bytes) -> tuple[bytes, ...]:
    places = sorted(dice.sample(range(1, len(raw)), dice.choice((0, 0, 1, 2))))
    return tuple(raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True))
