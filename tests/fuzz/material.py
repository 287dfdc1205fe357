"""What readers are fed with: pieces of the real thing, put together wrongly."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tests.wire.properties import examples

plenty = settings(examples, max_examples=examples.max_examples if "EXAMPLES" in os.environ else 200)
"""To decorate each ``@given`` test with."""

Edit = tuple[float, float, bytes]

_ODD = (b"\x00", b"\n", b"\r\n", b"\r", b"\t", b" ", b"\x0b", b"\x1b", b"\x7f", b"\x85", b"\xff")
_TEXT = (b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b":", b",", b"%", b"..", b"/")
_NUMBERS = (b"-", b"0", b"1e999", b"9" * 400, b"NaN", b"null", b"true")

odd_bytes = st.sampled_from((*_ODD, *_TEXT, *_NUMBERS)) | st.binary(max_size=5)
"""A few bytes that mean something to one reader or another."""


def mutated(originals: Sequence[bytes], most: int = 4) -> st.SearchStrategy[bytes]:
    """
    Give one of these, with pieces of it replaced, left out or said again.

    :param most: how many pieces.
    """
    place = st.floats(0, 1)
    words = sorted({word for original in originals for word in original.split()})[:200]
    new = odd_bytes | st.sampled_from(words or [b""])
    edits = st.lists(st.tuples(place, place | st.just(0.0), new), max_size=most)
    return st.tuples(st.sampled_from(originals), edits).map(lambda drawn: _edited(*drawn))


def _edited(original: bytes, edits: list[Edit]) -> bytes:
    for start, length, new in edits:
        first = int(start * len(original))
        # Short pieces are what gets far: the square keeps most of them so.
        last = first + int(length**4 * (len(original) - first))
        repeated = original[first:last] if length > 0.7 else b""
        original = original[:first] + new + repeated + repeated + original[last:]
    return original


def pieces(data: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Give bytes as they may come from a line: cut at any places."""
    cuts = st.lists(st.floats(0, 1), max_size=3)
    return st.tuples(data, cuts).map(lambda drawn: _cut(*drawn))


def _cut(data: bytes, places: list[float]) -> list[bytes]:
    offsets = sorted({0, len(data), *(int(place * len(data)) for place in places)})
    return [data[a:b] for a, b in pairwise(offsets)]


def json_values(keys: Sequence[str], texts: Sequence[str]) -> st.SearchStrategy[Any]:
    """
    Give any value of JSON, and some of Python's that it takes for JSON.

    :param keys: that objects often have.
    :param texts: that strings often are.
    """
    leaf = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.sampled_from((10**400, -(10**30), 0, 1))
        | st.text(max_size=20)
        | st.sampled_from(texts)
    )
    key = st.sampled_from(keys) | st.text(max_size=5)
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(key, inner, max_size=4),
        max_leaves=12,
    )


def json_texts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Write values as JSON, in one of the ways that there are, and perhaps damage it."""
    written = st.tuples(values, st.booleans(), st.sampled_from((None, 1))).map(
        lambda drawn: json.dumps(drawn[0], ensure_ascii=drawn[1], indent=drawn[2]).encode(
            "utf-8", "surrogatepass"
        )
    )
    return written | written.flatmap(lambda text: mutated([text]))


def nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    """Write so many brackets within each other."""
    return opening * depth + closing * depth


depths = st.sampled_from((1, 30, 33, 400, 500, 700, 990, 1000, 5000, 100_000))
"""Levels of nesting, around what Python and our own limits allow."""
