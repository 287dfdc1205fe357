"""Input made to take long: twice as much of it takes twice as many steps, and no more."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.verification.artifact import verify
from menderproxy.cache.verification.tar_stream import read_entries
from menderproxy.config.load import ConfigError, load_config
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.revocation_lists import RevocationListError, RevocationLists
from menderproxy.wire.auth_request import AuthRequest
from menderproxy.wire.deployment import rewrite_download_link, rewrite_instructions
from menderproxy.wire.device_token import shown_tokens
from menderproxy.wire.headers import forwarded_request_headers
from menderproxy.wire.inventory import add_attributes
from menderproxy.wire.ranges import parse_range
from menderproxy.wire.routes import match
from menderproxy.wire.store_url import StoreURL
from tests.cache.verification.mender_artifacts import tar
from tests.wire.auth_requests import PEM

FEW, MANY = 200, 100_000
DOCUMENTED = (ValueError, ConfigError, RevocationListError)


def relink(uri: str, name: str) -> str:
    """Give a link."""
    return "https://gateway.example/artifacts/x"


def instructions(body: bytes) -> None:
    """Rewrite the answer to either question."""
    rewrite_instructions(body, relink)
    rewrite_download_link(body, relink)


def request_headers(block: bytes) -> None:
    """Choose headers of one value, many times."""
    headers = [(b"Connection", block), *((b"X-One", each) for each in block.split(b","))]
    forwarded_request_headers(headers, host=b"h", client="192.0.2.7", secure=False)


@attrs.frozen
class Growth:
    """
    Input of any size for a reader.

    :param make: gives so much of it.
    :param many: how much of it a reader has to bear in earnest.
    """

    read: Callable[[bytes], object]
    make: Callable[[int], bytes]
    many: int = MANY


GROWING: Mapping[str, Growth] = {
    "marks in a line of a blacklist": Growth(Blacklist.parse, lambda n: b"0A CN=x" + b" #" * n),
    "lines of a blacklist": Growth(Blacklist.parse, lambda n: b"0A CN=x # y\nz\n" * n, 10_000),
    "digits of a serial number": Growth(Blacklist.parse, lambda n: b"A" * n + b":z"),
    "colons of a serial number": Growth(Blacklist.parse, lambda n: b"AA:" * n + b"z"),
    "parts of a name": Growth(Blacklist.parse, lambda n: b"0A " + b"CN=x," * n, 2000),
    "beginnings of lists": Growth(
        lambda data: RevocationLists.load([("path", data)], []),
        lambda n: b"-----END X509 CRL-----" * n + b"-----BEGIN X509 CRL-----" * n,
    ),
    "links": Growth(instructions, lambda n: b"{" + b'"uri":"a",' * n + b'"uri":"b"}', 20_000),
    "objects": Growth(instructions, lambda n: b"[" + b"{}," * n + b"{}]"),
    "backslashes": Growth(instructions, lambda n: b'{"uri":"%b"}' % (b"\\\\" * n)),
    "quotation marks": Growth(instructions, lambda n: b'{"uri":"%b"}' % (b'\\"' * n)),
    "white space": Growth(instructions, lambda n: b'{"uri"%b:"x","y"%b:1}' % (b" " * n, b" " * n)),
    "digits": Growth(instructions, lambda n: b'{"uri":%b}' % (b"1" * n)),
    "attributes": Growth(
        lambda data: add_attributes(data, {"system": "x"}),
        lambda n: json.dumps([{"name": f"{each}", "value": 1} for each in range(n)]).encode(),
        20_000,
    ),
    "spaces in an inventory": Growth(
        lambda data: add_attributes(data, {"system": "x"}),
        lambda n: b"[%b]" % (b" " * n) + b" " * n,
    ),
    "members of an identity": Growth(
        AuthRequest.parse,
        lambda n: json.dumps({"id_data": json.dumps(dict.fromkeys(map(str, range(n))))}).encode(),
        3000,
    ),
    "cookies": Growth(lambda data: shown_tokens([], [data]), lambda n: b"JWT=a;b;" * n),
    "options": Growth(request_headers, lambda n: b"a,b" * n, 5000),
    "percents": Growth(match, lambda n: b"/api/devices/v1/" + b"%25" * n),
    "dots": Growth(match, lambda n: b"/api/devices/v1/" + b"..x/" * n),
    "labels": Growth(lambda data: StoreURL.parse(data.decode()), lambda n: b"http://" + b"a." * n),
    "digits of a range": Growth(
        lambda data: parse_range([data], 5), lambda n: b"bytes=0-%b" % (b"1" * n)
    ),
    "files of an archive": Growth(
        lambda data: list(read_entries(io.BytesIO(data))),
        lambda n: tar((f"{each}", b"") for each in range(n)),
        2000,
    ),
    "lines of a manifest": Growth(
        lambda data: verify(io.BytesIO(data)),
        lambda n: tar(
            [
                ("version", b'{"format":"mender","version":3}'),
                ("manifest", b"".join(b"%064x  %d\n" % (each, each) for each in range(n))),
            ]
        ),
        5000,
    ),
}


def steps(read: Callable[[bytes], object], data: bytes) -> int:
    """Count the lines of Python that are run to read something."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(*DOCUMENTED):
            read(data)
    finally:
        sys.settrace(before)
    return count


class GrowthTests(SynchronousTestCase):
    """Sizes that double."""

    def assert_linear(self, growth: Growth, what: str) -> None:
        """Assert that steps do not grow faster than input."""
        once, twice = (steps(growth.read, growth.make(size)) for size in (FEW, 2 * FEW))
        self.assertLess(twice, 2.2 * once + 200, what)

    def test_steps(self) -> None:
        """Nothing that others wrote makes a reader take more steps than there are bytes in it."""
        for what, growth in GROWING.items():
            self.assert_linear(growth, what)

    def test_much(self) -> None:
        """
        What steps of Python do not show, much input does: a search for each byte would not end.

        There is nothing to assert: whoever sees this test hang has found it.
        """
        for growth in GROWING.values():
            with contextlib.suppress(*DOCUMENTED):
                growth.read(growth.make(growth.many))

    def test_configuration(self) -> None:
        """So it is with the keys of a configuration, none of which is known."""
        path = Path(self.mktemp())

        def read(data: bytes) -> None:
            path.write_bytes(data)
            load_config(str(path), {})

        self.assert_linear(
            Growth(read, lambda n: json.dumps({f"HTT{each}": {} for each in range(n)}).encode()),
            "unknown keys",
        )

    def test_counted(self) -> None:
        """The count notices what grows faster."""

        def slow(data: bytes) -> None:
            for _ in data:
                for _ in data:
                    pass

        with self.assertRaises(self.failureException):
            self.assert_linear(Growth(slow, bytes), "slow")

    def test_deep(self) -> None:
        """Nesting is read or refused, at any depth: a little of it is read, and much refused."""
        read: dict[str, set[int]] = {"inventory": set(), "identity": set()}
        for depth in range(1, 1200, 7):
            for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
                value = opening * depth + b"0" + closing * depth
                instructions(value)
                with contextlib.suppress(ValueError):
                    add_attributes(b'[{"name":"x","value":%b}]' % value, {"system": "x"})
                    read["inventory"].add(depth)
                identity = {"id_data": '{"a":' + value.decode() + "}", "pubkey": PEM}
                with contextlib.suppress(ValueError):
                    AuthRequest.parse(json.dumps(identity).encode())
                    read["identity"].add(depth)
        for depths in read.values():
            self.assertIn(1, depths)
            self.assertLess(max(depths), 1000)
