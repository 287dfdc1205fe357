"""What is known of one artifact: the sidecar beside its bytes."""

from __future__ import annotations

import json
import re
from typing import Self

import attrs

from menderproxy.wire.remote import RemoteObject

FORMAT = 1
KEY = re.compile(r"[0-9a-f]{64}\Z")


@attrs.frozen
class ArtifactMeta:
    """
    One version of one artifact.

    :param key: the cache's name for it (hex digest over the store's host and path).
    :param source: the store URL without its query, which would be a credential.
    :param name: the artifact's name, for people.
    :param length: bytes.
    :param etag: the store's entity tag, as it came.
    :param last_modified: the store's Last-Modified, as it came.
    :param content_type: the store's Content-Type, as it came.
    :param store_md5: hex digest of the whole as the store gave it, empty when it gave none.
    :param store_sha256: the same, SHA-256.
    :param changed_at: Unix time at which this version certainly was at the store: when it was
        seen *in place of another*, or had been made by the store's account, whichever is later;
        0 when neither is known. Links issued before that may belong to another.
    :param sha256: hex digest of the whole, once it is whole.
    :param stored_at: Unix time at which it became whole.
    :param verified: what the inspection found: empty before it, then ``good``, ``signed`` or why
        nothing can be said.
    """

    key: str
    source: str
    name: str
    length: int
    etag: str | None = None
    last_modified: str | None = None
    content_type: str | None = None
    store_md5: str = ""
    store_sha256: str = ""
    changed_at: float = 0.0
    sha256: str = ""
    stored_at: float = 0.0
    verified: str = ""

    @classmethod
    def of(
        cls,
        remote: RemoteObject,
        length: int,
        *,
        key: str,
        source: str,
        name: str,
        changed_at: float,
    ) -> Self:
        """What a store's answer says of an artifact; see the class for the rest."""
        return cls(
            key=key,
            source=source,
            name=name,
            length=length,
            etag=remote.etag,
            last_modified=remote.last_modified,
            content_type=remote.content_type,
            store_md5=(remote.md5 or b"").hex(),
            store_sha256=(remote.sha256 or b"").hex(),
            changed_at=changed_at,
        )

    @property
    def remote(self) -> RemoteObject:
        """The artifact as the store described it."""
        return RemoteObject(
            status=200,
            length=self.length,
            etag=self.etag,
            last_modified=self.last_modified,
            content_type=self.content_type,
            md5=bytes.fromhex(self.store_md5) or None,
            sha256=bytes.fromhex(self.store_sha256) or None,
        )

    def to_json(self, **more: object) -> bytes:
        """
        The sidecar's content.

        :param more: further entries, which :meth:`from_json` gives back.
        """
        return json.dumps({"format": FORMAT, **attrs.asdict(self), **more}, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> tuple[Self, dict[str, object]]:
        """
        Read a sidecar: the values, and what else was in it.

        :raises ValueError: it is no sidecar of ours, or a damaged one.
        """
        document = json.loads(text)
        if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
            raise ValueError("not a sidecar of this format")
        values = {name: document.pop(name) for name in _TYPES if name in document}
        try:
            meta = cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None
        meta._check_types()
        return meta, document

    def _check_types(self) -> None:
        for name, types in _TYPES.items():
            if type(getattr(self, name)) not in types:
                raise ValueError(f"{name}: a value of the wrong type")
        if self.length < 0:
            raise ValueError("length: negative")
        for digest in (self.store_md5, self.store_sha256, self.sha256):
            bytes.fromhex(digest)


_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_NUMBER = (int, float)
_TYPES: dict[str, tuple[type, ...]] = {
    "key": _TEXT,
    "source": _TEXT,
    "name": _TEXT,
    "length": (int,),
    "etag": _TEXT_OR_NONE,
    "last_modified": _TEXT_OR_NONE,
    "content_type": _TEXT_OR_NONE,
    "store_md5": _TEXT,
    "store_sha256": _TEXT,
    "changed_at": _NUMBER,
    "sha256": _TEXT,
    "stored_at": _NUMBER,
    "verified": _TEXT,
}
"""Of each value, what JSON may give for it."""
