"""Replace strings inside JSON text and leave every other byte of it alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

# In valid JSON a string is a key exactly when a colon follows it; numbers and words are skipped.
_TOKEN = re.compile(r'(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")(?P<colon>[ \t\r\n]*:)?|[{}\[\]]')


def replace_strings(
    body: bytes, path: tuple[str, ...], new: Callable[[str], str | None]
) -> bytes | None:
    """
    Replace the string values at *path*.

    Key order, white space, escapes, number spellings and unknown keys stay as they are, and of a
    key given twice both values are replaced: whichever a reader picks, it gets the new one.

    :param path: keys from the outermost object inwards; arrays are never entered.
    :param new: given a value, returns its replacement, or ``None`` to leave it.
    :returns: the new text, or ``None`` when nothing changed or *body* is not JSON.
    """
    text = _valid_json(body)
    pieces: list[str] = []
    copied = 0
    for start, end in _spans_at(text, path):
        old = json.loads(text[start:end])
        replacement = new(old)
        if replacement is not None and replacement != old:
            pieces += text[copied:start], json.dumps(replacement)
            copied = end
    if not pieces:
        return None
    return "".join([*pieces, text[copied:]]).encode("utf-8")


def find_string(body: bytes, path: tuple[str, ...]) -> str | None:
    """
    Find the string value at *path*, the last one when a key is given twice.

    :returns: ``None`` when there is no such string or *body* is not JSON.
    """
    text = _valid_json(body)
    found: str | None = None
    for start, end in _spans_at(text, path):
        found = json.loads(text[start:end])
    return found


def _valid_json(body: bytes) -> str:
    """Decode *body* when it is JSON, and give an empty text when it is not."""
    try:
        text = body.decode("utf-8")
        # Numbers stay text: only their form matters, and int() refuses very long ones.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return ""
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _spans_at(text: str, path: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each string value at *path* in valid JSON."""
    wanted: list[str | None] = list(path)
    keys: list[str | None] = []  # the current key of each open object; None in an array
    for token in _TOKEN.finditer(text):
        if token["colon"]:
            keys[-1] = json.loads(token["string"])
        elif token["string"]:
            if keys == wanted:
                yield token.span("string")
        elif token[0] in "{[":
            keys.append(None)
        else:
            keys.pop()
