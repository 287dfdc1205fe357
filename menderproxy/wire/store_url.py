"""URLs of the stores that hold artifacts: one parser for the check and for the fetch."""

from __future__ import annotations

import hashlib
import re

import attrs

from menderproxy.wire.authority import Authority

_FORBIDDEN = re.compile(r"[^!-~]|[#\\]")
_SHAPE = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _path_of(target: str) -> str:
    return target.partition("?")[0]


@attrs.frozen
class StoreURL:
    """
    The address of an artifact, with every byte that its signature may cover kept as it came.

    A presigned URL's query is as good as a password: neither ``repr`` nor :attr:`redacted`
    shows it.

    :param scheme: ``http`` or ``https``.
    :param host: lower-case A-label or IP address literal, without brackets.
    :param port: the port to connect to, the scheme's own when the URL names none.
    :param authority: host and port as the URL writes them, for the ``Host`` header.
    :param target: raw path and query, for the request line.
    """

    scheme: str
    host: str
    port: int
    authority: str
    target: str = attrs.field(repr=_path_of)

    @classmethod
    def parse(cls, text: str) -> StoreURL:
        """
        Read an absolute URL.

        :raises ValueError: with a reason that does not quote the URL.
        """
        if _FORBIDDEN.search(text):
            raise ValueError(
                "a control byte, white space, backslash, '#' or non-ASCII character in the URL"
            )
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            raise ValueError("not an absolute http or https URL")
        scheme, raw_authority, target = shape[1].lower(), shape[2], shape[3]
        authority = Authority.parse(raw_authority)
        return cls(
            scheme=scheme,
            host=authority.host,
            port=authority.port or _DEFAULT_PORTS[scheme],
            authority=raw_authority,
            target=target if target.startswith("/") else "/" + target,
        )

    def __str__(self) -> str:
        """Write the URL as it was read, its scheme in lower case and its path never empty."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return _path_of(self.target)

    @property
    def redacted(self) -> str:
        """The URL without its query, fit for logs."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def cache_key(self) -> str:
        """
        Name the artifact in 64 hexadecimal digits.

        The query is no part of it: a server signs a new one for every poll. The path holds what
        tells tenants and artifacts apart.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return hashlib.sha256(f"{host}{port}{self.path}".encode("ascii")).hexdigest()
