"""The host and port of a URL, read so strictly that no two programs can read them differently."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

import attrs

_SHAPE = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>.*))?", re.DOTALL)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LONGEST_NAME = 253


@attrs.frozen
class Authority:
    """
    A host with an optional port.

    :param host: lower-case A-label, or an IP address literal in its usual spelling, without
        brackets.
    :param port: ``None`` when the text names none.
    """

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Authority:
        """
        Read ``host``, ``host:port``, ``[IPv6]`` or ``[IPv6]:port``.

        Spellings that some resolvers understand and others do not (``127.1``, ``0x7f000001``,
        ``example.com.``, percent-encoding) are refused: what we check against a whitelist must
        be what we connect to.

        :raises ValueError: with the reason.
        """
        if not text.isascii():
            raise ValueError("the host holds non-ASCII characters; write its xn-- form")
        if "@" in text:
            raise ValueError("user information before the host is not allowed")
        if "%" in text:
            raise ValueError("'%' is not allowed in a host")
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            raise ValueError("the host is malformed")
        ipv6, name, port = shape.group("ipv6", "name", "port")
        host = _host_name(name.lower()) if ipv6 is None else _ipv6_literal(ipv6)
        return cls(host, None if port is None else _port_number(port))


def _host_name(name: str) -> str:
    if not name:
        raise ValueError("the host is empty")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"the host is longer than {_LONGEST_NAME} characters")
    labels = name.split(".")
    # inet_aton() takes any such name for a number: 127.1, 2130706433 and 0x7f.1 are loopback.
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        return _ipv4_literal(name)
    for label in labels:
        if not label:
            raise ValueError("the host has an empty label or a trailing dot")
        if not _LABEL.fullmatch(label):
            raise ValueError(f"host label {label!r} is not letters, digits and hyphens")
    return name


def _ipv4_literal(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError("an IPv4 address must be four plain decimal numbers") from None


def _ipv6_literal(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise ValueError("the text in brackets is not an IPv6 address") from None


def _port_number(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError("the port is not a number from 1 to 65535")
    return int(text)
