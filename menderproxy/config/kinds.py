"""The kinds of values that settings have: what the file may hold for each, and what it means."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from menderproxy.config.units import (
    parse_bool,
    parse_count,
    parse_domain,
    parse_duration,
    parse_gateway_url,
    parse_grace,
    parse_interval,
    parse_listen_address,
    parse_origin,
    parse_proxy,
    parse_secret,
    parse_size,
    split_list,
)

InventoryValue = str | float | tuple[str | float, ...]
"""What the inventory of a Mender Server takes as a value."""


@attrs.frozen
class Kind:
    """
    A kind of setting: what the file may hold for it, and what that means.

    :param expects: what the file should hold, for error messages.
    :param json_types: the types it may have in the file; a bool is no int here.
    :param read: makes the value.
    """

    expects: str
    json_types: tuple[type, ...]
    read: Callable[[Any], object]

    def from_json(self, value: object) -> object:
        """
        Make the value from what the file holds.

        :raises ValueError: with the reason.
        """
        if type(value) not in self.json_types:
            raise ValueError(f"expected {self.expects}, got {_type_name(value)}")
        return self.read(value)

    def from_text(self, text: str) -> object:
        """
        Make the value from an environment variable.

        :raises ValueError: with the reason.
        """
        return self.read(split_list(text) if list in self.json_types else text)


_LIST = (list, tuple)


def _type_name(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "an object"
    names = {str: "text", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), type(value).__name__)


def _as_text(parse: Callable[[str], object]) -> Callable[[object], object]:
    """Read a bool or a number of the file as if it had been written as text."""
    return lambda value: parse(str(value))


def _positive(parse: Callable[[Any], object]) -> Callable[[Any], object]:
    def positive(value: object) -> object:
        number = parse(value)
        if number == 0:
            raise ValueError("must be more than zero")
        return number

    return positive


def _each(parse: Callable[[str], str]) -> Callable[[Sequence[object]], tuple[str, ...]]:
    def read_all(values: Sequence[object]) -> tuple[str, ...]:
        for value in values:
            if not isinstance(value, str):
                raise ValueError(f"expected a list of texts, got one with {_type_name(value)}")
        return tuple(parse(str(value)) for value in values)

    return read_all


def _text(text: str) -> str:
    text.encode("utf-8")  # A lone surrogate fails here, not in the middle of a request.
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("a control character or line break is not allowed")
    return text


def _tls_version(text: str) -> str:
    if text not in ("1.0", "1.1", "1.2", "1.3"):
        raise ValueError("not one of 1.0, 1.1, 1.2 and 1.3")
    return text


def _crl_policy(text: str) -> str:
    if text not in ("strict", "lenient"):
        raise ValueError("neither strict nor lenient")
    return text


def _attribute_name(text: str) -> str:
    if not 1 <= len(text.encode("utf-8")) <= 1024:
        raise ValueError("a name has 1 to 1024 bytes")
    return text


def _attribute_value(value: str | float | Sequence[object]) -> object:
    """Check as the server does, which else refuses the whole inventory of every device."""
    values = [value] if isinstance(value, str | int | float) else value
    if not all(type(each) in (str, int, float) for each in values):
        raise ValueError("the server takes lists of text or of numbers, nothing else")
    if len({isinstance(each, str) for each in values}) > 1:
        raise ValueError("the server takes no list with both text and numbers")
    for each in values:
        if isinstance(each, int | float) and not abs(each) <= sys.float_info.max:
            raise ValueError("the number is too large")
        str(each).encode("utf-8")
    return tuple(values) if type(value) in _LIST else value


_ATTRIBUTE = "text, a number or a list of either, which is all that the server takes"
_DURATION = 'a duration such as "30m"'

BOOLEAN = Kind("true or false", (bool,), _as_text(parse_bool))
TEXT = Kind("text", (str,), _text)
TEXTS = Kind("a list of texts", _LIST, _each(_text))
NUMBER = Kind("a whole number", (int,), _as_text(parse_count))
COUNT = Kind(NUMBER.expects, NUMBER.json_types, _positive(NUMBER.read))
DURATION = Kind(_DURATION, (str,), parse_duration)
POSITIVE_DURATION = Kind(_DURATION, (str,), _positive(parse_duration))
INTERVAL = Kind(f'{_DURATION}, or "off"', (str,), parse_interval)
GRACE = Kind(f"{_DURATION}, true or false", (str, bool), _as_text(parse_grace))
SIZE = Kind('a size such as 1048576 or "10GiB"', (int, str), _as_text(parse_size))
POSITIVE_SIZE = Kind(SIZE.expects, SIZE.json_types, _positive(SIZE.read))
LISTEN_ADDRESS = Kind('an address such as ":443"', (str,), parse_listen_address)
TLS_VERSION = Kind('a version such as "1.2"', (str,), _tls_version)
CRL_POLICY = Kind('"strict" or "lenient"', (str,), _crl_policy)
ORIGIN = Kind("a URL", (str,), parse_origin)
GATEWAY_URL = Kind("a URL", (str,), parse_gateway_url)
PROXY = Kind("a URL", (str,), parse_proxy)
DOMAINS = Kind("a list of hosts", _LIST, _each(parse_domain))
SECRET = Kind("base64 text", (str,), parse_secret)
OBJECTS = Kind("a list of objects", _LIST, tuple)
ATTRIBUTE_NAME = Kind("text", (str,), _attribute_name)
ATTRIBUTE_VALUE = Kind(_ATTRIBUTE, (str, int, float, *_LIST), _attribute_value)
