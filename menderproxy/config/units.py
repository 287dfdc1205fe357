"""
How single values are written in a configuration: text or JSON in, checked values out.

Every reader raises ``ValueError`` with the reason alone; who calls it knows file and key.
"""

from __future__ import annotations

import base64
import math
import re
from decimal import Decimal
from ipaddress import IPv6Address

import attrs

from menderproxy.wire.authority import Authority
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Entry

_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_SECONDS_IN = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "\u00b5s": Decimal("1e-6"),  # micro sign
    "\u03bcs": Decimal("1e-6"),  # Greek letter mu
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
# What 64 bits of nanoseconds hold: Go, whose syntax this is, knows no longer duration.
_LONGEST_DURATION = Decimal(2**63 - 1).scaleb(-9)

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:([KMGTkmgt])(i?))?[Bb]?")
_LARGEST_SIZE = 2**63 - 1
_TRUE = frozenset({"1", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "n", "no"})
_LISTEN_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[^:]*)")
_PORT = re.compile(r"[0-9]{1,5}")
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")
_PROXY = re.compile(r"(?:http://)?(?:[^/?#@\s]*@)?([^/?#@\s]+)/?", re.IGNORECASE)
_SHORTEST_SECRET = 16


@attrs.frozen
class ListenAddress:
    """
    Where a server listens.

    :param host: name or IP address literal without brackets; empty for every address.
    :param port: TCP port; 0 lets the system choose one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_duration(text: str) -> float:
    """
    Read a duration in Go's syntax, such as ``1h30m``, ``1.5h`` or ``500ms``, in seconds.

    :raises ValueError: for a negative one, a number without a unit, and what is no duration.
    """
    if text.startswith("-"):
        raise ValueError("a duration cannot be negative")
    unsigned = text.removeprefix("+")
    if unsigned == "0":
        return 0.0
    parts = _DURATION_PART.findall(unsigned)
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        raise ValueError(_why_no_duration(unsigned))
    seconds = sum((Decimal(number) * _SECONDS_IN[unit] for number, unit in parts), Decimal(0))
    if seconds > _LONGEST_DURATION:
        raise ValueError("the duration is longer than 292 years")
    return float(seconds)


def _why_no_duration(text: str) -> str:
    if re.fullmatch(r"[0-9]+\.?[0-9]*", text):
        return f'the unit is missing, write for example "{text}s" or "{text}m"'
    return 'not a duration such as "30m", "1h30m" or "500ms"'


def parse_grace(text: str) -> float | None:
    """
    Read a duration that may be infinite, written ``true``; ``false``, ``off`` and 0 are none.

    :raises ValueError: for what is neither.
    """
    try:
        return math.inf if parse_bool(text) else None
    except ValueError:
        return parse_interval(text)


def parse_interval(text: str) -> float | None:
    """
    Read a duration that ``off`` or 0 turns off.

    :raises ValueError: for what is neither.
    """
    return None if text.lower() == "off" else parse_duration(text) or None


def parse_size(text: str) -> int:
    """
    Read a number of bytes: ``1048576``, ``500MB`` (powers of 1000) or ``10GiB`` (of 1024).

    :raises ValueError: for what is no size, or no whole number of bytes.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[2] and text[-1] not in "Bb"):
        raise ValueError('not a size such as 1048576, "500MB" or "10GiB"')
    power = " KMGT".index(match[2].upper()) if match[2] else 0
    size = Decimal(match[1]) * (1024 if match[3] else 1000) ** power
    if size != int(size):
        raise ValueError("not a whole number of bytes")
    if size > _LARGEST_SIZE:
        raise ValueError("larger than any disk")
    return int(size)


def parse_count(text: str) -> int:
    """
    Read a whole number.

    :raises ValueError: for anything but a few decimal digits.
    """
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError("not a whole number")
    return int(text)


def parse_bool(text: str) -> bool:
    """
    Read true, false, yes, no, their first letters, 1 or 0, in any case.

    :raises ValueError: for any other text: a misspelt ``false`` must not mean true.
    """
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("not true or false")
    return word in _TRUE


def split_list(text: str) -> tuple[str, ...]:
    """Split a list separated by commas, white space, or both."""
    return tuple(re.sub(r"[,\s]+", " ", text).split())


def parse_listen_address(text: str) -> ListenAddress:
    """
    Read ``:443``, ``host:443`` or ``[::1]:443``.

    :raises ValueError: with a hint for a bare port and for an IPv6 address without brackets.
    """
    if _PORT.fullmatch(text):
        raise ValueError(f'a port needs a colon before it: ":{text}"')
    match = _LISTEN_ADDRESS.fullmatch(text)
    if match is None and text.count(":") > 1:
        raise ValueError('an IPv6 address needs brackets and a port, such as "[::1]:443"')
    if match is None:
        raise ValueError('the port is missing, write for example "localhost:443" or ":443"')
    if not _PORT.fullmatch(match["port"]) or int(match["port"]) > 65535:
        raise ValueError("the port is not a number from 0 to 65535")
    return ListenAddress(_listen_host(match["host"], match["ipv6"]), int(match["port"]))


def _listen_host(host: str | None, ipv6: str | None) -> str:
    if ipv6 is None:
        return Authority.parse(host).host if host else ""
    try:
        return str(IPv6Address(ipv6))
    except ValueError:
        raise ValueError("the text in brackets is not an IPv6 address") from None


def parse_origin(text: str) -> str:
    """
    Read the URL of a whole server: scheme, host and perhaps a port, given without final slash.

    :raises ValueError: for a path, a query, user information or another scheme.
    """
    url = StoreURL.parse(text)
    if url.target != "/":
        raise ValueError("a path or query is not allowed: devices ask for paths of the root")
    return f"{url.scheme}://{url.authority}"


def parse_gateway_url(text: str) -> str:
    """
    Read the URL that devices reach the gateway by, given without final slash.

    Devices cut it up with simple parsers: some take the first ``:`` after the host for the
    port's, and none expects an IPv6 address there.

    :raises ValueError: for a URL that some device would misread.
    """
    url = StoreURL.parse(text)
    if ":" in url.host:
        raise ValueError("an IPv6 address is misread by some devices; give a host name")
    if "?" in url.target:
        raise ValueError("a query is not allowed: links are made by appending to this URL")
    if not _PLAIN_PATH.fullmatch(url.target):
        raise ValueError("some devices misread a path with more than letters, digits and -._~/")
    return str(url).rstrip("/")


def parse_domain(text: str) -> str:
    """
    Check an entry of the whitelist of stores: ``host`` or ``host:port``.

    :raises ValueError: naming what to write instead of a URL or a pattern.
    """
    if "@" in text:
        raise ValueError("an entry is only a host, without user information")
    host = re.split(r"[/?#]", text.partition("://")[2] or text)[0]
    if host != text:
        raise ValueError(f"an entry is only a host, not a URL: write {host!r}")
    if host.startswith(("*.", ".")):
        bare = host.lstrip("*.")
        raise ValueError(f"an entry covers its sub-domains as it is: write {bare!r}")
    Entry.parse(text)
    return text


def parse_proxy(text: str) -> str:
    """
    Check the address of an HTTP proxy: ``[http://][user:password@]host[:port]``.

    :raises ValueError: with a reason that quotes nothing, since a password may be in it.
    """
    scheme, separator, _ = text.partition("://")
    if separator and scheme.lower() != "http":
        raise ValueError("only http:// proxies are supported")
    shape = _PROXY.fullmatch(text)
    try:
        text.encode("utf-8")  # A variable may hold any bytes.
        Authority.parse(shape[1] if shape else "")
    except ValueError:
        raise ValueError("not of the form [http://][user:password@]host[:port]") from None
    return text


def parse_secret(text: str) -> bytes:
    """
    Read a base64 key, of the standard or the URL-safe alphabet, padded or not.

    :raises ValueError: for an empty, short or malformed one, without quoting it.
    """
    bare = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    if not bare:
        raise ValueError("the secret is empty: remove the setting to have one made")
    try:
        secret = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        raise ValueError("the secret is not base64") from None
    if len(secret) < _SHORTEST_SECRET:
        raise ValueError(f"the secret has {len(secret)} of at least {_SHORTEST_SECRET} bytes")
    return secret
