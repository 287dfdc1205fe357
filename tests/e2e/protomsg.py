"""Messages that the Mender Server and mender-connect exchange: MessagePack in WebSocket frames."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum

import attrs

Packable = int | str | bytes | Mapping[str, "Packable"]


class Protocol(IntEnum):
    """What a message is about."""

    SHELL = 1
    FILE_TRANSFER = 2


@attrs.frozen
class Message:
    """
    A message.

    :param session: tells apart what goes on at the same time on one connection.
    """

    protocol: int
    type: str
    session: str
    properties: Mapping[str, Packable] = attrs.field(factory=dict)
    body: bytes = b""

    def pack(self) -> bytes:
        """Give the bytes of the message."""
        header: dict[str, Packable] = {
            "proto": self.protocol,
            "typ": self.type,
            "sid": self.session,
            "props": self.properties,
        }
        return pack({"hdr": header, "body": self.body})

    @classmethod
    def unpack(cls, packed: bytes) -> Message:
        """Read a message; what is empty may be missing."""
        # Imported here so that without msgpack the tests are skipped, not broken.
        from msgpack import unpackb  # type: ignore[import-untyped]

        message = unpackb(packed)
        header = message["hdr"]
        properties = header.get("props") or {}
        body = message.get("body") or b""
        return cls(header["proto"], header["typ"], header.get("sid", ""), properties, body)


def pack(value: Packable) -> bytes:
    """
    Give the MessagePack of a value, each number with eight bytes, as Go's library does.

    Others make small numbers small, and mender-connect takes none of those for an offset.
    """
    match value:
        case int():
            return struct.pack(">Bq", 0xD3, value)
        case str():
            text = value.encode()
            return struct.pack(">BI", 0xDB, len(text)) + text
        case bytes():
            return struct.pack(">BI", 0xC6, len(value)) + value
    items = (pack(key) + pack(item) for key, item in value.items())
    return struct.pack(">BI", 0xDF, len(value)) + b"".join(items)
