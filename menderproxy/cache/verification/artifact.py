"""
Verification of a file as a Mender artifact.

An artifact is a tar archive with the files ``version``, ``manifest``, ``manifest.sig`` (if it is
signed), ``manifest-augment`` (seldom), ``header.tar``, ``header-augment.tar`` (together with its
manifest) and ``data/0000.tar``, ``data/0001.tar`` and so on, in this order. Tar files in it may be
compressed. The manifests hold the SHA-256 digests of version, headers and of each file inside of
the data.

Good means: whoever made the manifest would find each file it lists just as it was, no file more
and none less. What no manifest speaks of may have changed: times, owners and modes in tar headers,
the padding of tar blocks, how strongly a payload is compressed.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import attrs

from menderproxy.cache.verification.manifest import Manifest
from menderproxy.cache.verification.signature import PublicKey, is_signed_by, load_verify_keys
from menderproxy.cache.verification.tar_stream import (
    NAME_LIMIT,
    ByteSource,
    Malformed,
    TarEntry,
    drain,
    read_entries,
)
from menderproxy.cache.verification.unpacked import Allowance, Uncheckable, unpack

__all__ = ["Outcome", "PublicKey", "Verification", "load_verify_keys", "verify"]

UNPACKED_LIMIT = 64 << 30
"""Bytes that all compressed parts of an artifact may unpack to."""

VERSION_LIMIT = 4096
SIGNATURE_LIMIT = 16 * 1024
MANIFEST_LIMIT = 1 << 20
HEADER_INFO_LIMIT = 1 << 20
"""Bytes of the files that are held in memory."""

DETAIL_LIMIT = 300
"""Characters of a reason: a hostile file may have long names."""

_HEADER = r"header\.tar(\.gz|\.xz|\.zst)?"
_HEADER_AUGMENT = r"header-augment\.tar(\.gz|\.xz|\.zst)?"
_PAYLOAD = r"data/([0-9]{4})\.tar(\.gz|\.xz|\.zst)?"


class Outcome(enum.Enum):
    """What a verification found."""

    GOOD = "good"
    """Whole, and all as its manifest says."""

    BAD = "bad"
    """A Mender artifact that no device should get."""

    NOT_MENDER = "not a Mender artifact"
    """Something else, about which nothing can be said."""

    UNCHECKED = "unchecked"
    """A Mender artifact without a fault in what can be checked here; a part can't."""


@attrs.frozen
class Verification:
    """
    The result of a verification.

    :param detail: the reason in one line; it holds no control characters.
    :param artifact_name: as the artifact calls itself, empty when that was not reached. Only with
        the outcome good can it be believed.
    :param signed: one of the keys signed its manifest. Never so when there are no keys.
    """

    outcome: Outcome
    detail: str
    artifact_name: str = ""
    signed: bool = False


def verify(
    file: BinaryIO, keys: Sequence[PublicKey] = (), *, unpacked_limit: int = UNPACKED_LIMIT
) -> Verification:
    """
    Read a file from where it stands to its end, and judge it; this blocks.

    :param keys: one of them must have signed the artifact; without keys a signature is not
        checked.
    :param unpacked_limit: see :data:`UNPACKED_LIMIT`; an artifact beyond it is bad.
    :raises OSError: when the file can't be read; the content raises nothing.
    """
    entries = read_entries(file)
    try:
        raw_version = _read_version(entries)
    except Malformed as fault:
        return Verification(Outcome.NOT_MENDER, str(fault)[:DETAIL_LIMIT])
    artifact = _Artifact(keys, Allowance(unpacked_limit))
    try:
        artifact.check(raw_version, _Sequence(entries))
        outcome, detail = Outcome.GOOD, "all is as its manifest says"
    except Malformed as fault:
        outcome, detail = Outcome.BAD, str(fault)
    except Uncheckable as reason:
        outcome, detail = Outcome.UNCHECKED, str(reason)
    return Verification(outcome, detail[:DETAIL_LIMIT], artifact.name, artifact.signed)


def _read_version(entries: Iterator[TarEntry]) -> bytes:
    """Read the file that tells Mender artifacts from all else."""
    entry = next(entries, None)
    if entry is None or entry.name != "version":
        raise Malformed("its first file is not a version")
    raw = entry.read_whole(VERSION_LIMIT)
    if _json_object(raw, "version").get("format") != "mender":
        raise Malformed("its version names another format than Mender's")
    return raw


@attrs.define
class _Sequence:
    """Files that have to come in a certain order."""

    _entries: Iterator[TarEntry]
    _next: TarEntry | None = None

    def peek(self) -> TarEntry | None:
        """Return the next file, none at the end."""
        if self._next is None:
            self._next = next(self._entries, None)
        return self._next

    def take(self, pattern: str) -> TarEntry | None:
        """Go past the next file and return it, if it has such a name."""
        entry = self.peek()
        if entry is None or entry.is_directory or not re.fullmatch(pattern, entry.name):
            return None
        self._next = None
        return entry

    def require(self, pattern: str, what: str) -> TarEntry:
        """Go past the next file, which must have such a name."""
        entry = self.take(pattern)
        if entry is None:
            raise Malformed(f"there is no {what} in its place")
        return entry


@attrs.define
class _Artifact:
    """
    An artifact as far as it has been read.

    :ivar manifest: of the files that were not met yet.
    :ivar unchecked: the reason for each part that could not be looked into.
    """

    keys: Sequence[PublicKey]
    allowance: Allowance
    name: str = ""
    signed: bool = False
    manifest: Manifest = attrs.field(factory=lambda: Manifest({}))
    unchecked: dict[str, str] = attrs.field(factory=dict)

    def check(self, raw_version: bytes, sequence: _Sequence) -> None:
        """Go through the files after the version to the end."""
        version = self._format_version(raw_version)
        raw_manifest = sequence.require("manifest", "manifest").read_whole(MANIFEST_LIMIT)
        self._check_signature(raw_manifest, sequence.take(r"manifest\.sig"))
        self.manifest = Manifest.parse(raw_manifest)
        self.manifest.confirm("version", hashlib.sha256(raw_version).digest())
        augment = sequence.take("manifest-augment") if version == 3 else None
        if augment is not None:
            self.manifest.augment(augment.read_whole(MANIFEST_LIMIT))
        info = self._check_header(sequence.require(_HEADER, "header"))
        self.name = _artifact_name(info, version)
        if augment is not None:
            self._check_header(sequence.require(_HEADER_AUGMENT, "header-augment"))
        self._check_payloads(sequence)
        if self.unchecked:
            raise Uncheckable("; ".join(f"{part}: {why}" for part, why in self.unchecked.items()))

    def _format_version(self, raw_version: bytes) -> int:
        version = _json_object(raw_version, "version").get("version")
        if type(version) is not int:
            raise Malformed("its format version is not a number")
        if version in (2, 3):
            return version
        if self.keys:
            raise Malformed("a signature in a format version unknown here can't be checked")
        raise Uncheckable("its format version is unknown here")

    def _check_signature(self, manifest: bytes, entry: TarEntry | None) -> None:
        if not self.keys:
            return
        if entry is None:
            raise Malformed("it is not signed")
        signature = entry.read_whole(SIGNATURE_LIMIT)
        self.signed = any(is_signed_by(key, manifest, signature) for key in self.keys)
        if not self.signed:
            raise Malformed("none of the configured keys made its signature")

    def _check_header(self, entry: TarEntry) -> dict[str, Any]:
        """Compare a header with the manifest; return its header-info, empty if unreadable."""
        hashed = _Hashed(entry)
        info = {}
        try:
            info = _read_header_info(unpack(hashed, _suffix(entry), self.allowance))
        except Uncheckable as reason:
            self.unchecked[entry.name] = str(reason)
        drain(hashed)
        self.manifest.confirm(entry.name, hashed.digest())
        return info

    def _check_payloads(self, sequence: _Sequence) -> None:
        """Compare each file of each payload with the manifest, which must not list one more."""
        directories = set()
        while entry := sequence.take(_PAYLOAD):
            directory = entry.name[: len("data/0000")] + "/"
            if directory in directories:
                raise Malformed(f"{directory[:-1]!a} is there twice")
            directories.add(directory)
            self._check_payload(entry, directory)
        if stray := sequence.peek():
            raise Malformed(f"{stray.name!a} has no place there")
        self.manifest.finish()

    def _check_payload(self, entry: TarEntry, directory: str) -> None:
        try:
            for file in read_entries(unpack(entry, _suffix(entry), self.allowance)):
                if file.is_directory:
                    raise Malformed(f"{entry.name!a} has the directory {file.name!a} in it")
                hashed = _Hashed(file)
                drain(hashed)
                self.manifest.confirm(directory + file.name, hashed.digest())
        except Uncheckable as reason:
            self.unchecked[entry.name] = str(reason)
            self.manifest.give_up(directory)


@attrs.define
class _Hashed:
    """A source that hashes what is read of it."""

    _source: ByteSource
    _sha256: Any = attrs.field(init=False, factory=hashlib.sha256)

    def read(self, size: int, /) -> bytes:
        piece = self._source.read(size)
        self._sha256.update(piece)
        return piece

    def digest(self) -> bytes:
        return bytes(self._sha256.digest())


def _suffix(entry: TarEntry) -> str:
    return entry.name.rpartition(".tar")[2]


def _read_header_info(source: ByteSource) -> dict[str, Any]:
    """Read the first file of a header, and go through the others."""
    entries = read_entries(source)
    first = next(entries, None)
    if first is None or first.name != "header-info":
        raise Malformed("a header does not begin with header-info")
    info = _json_object(first.read_whole(HEADER_INFO_LIMIT), "header-info")
    for _ in entries:
        pass
    return info


def _artifact_name(info: dict[str, Any], version: int) -> str:
    provides = info if version == 2 else info.get("artifact_provides")
    name = provides.get("artifact_name") if isinstance(provides, dict) else None
    if isinstance(name, str) and name.isprintable() and len(name) <= NAME_LIMIT:
        return name
    return ""


def _json_object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Malformed(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not a JSON object")
    return value
