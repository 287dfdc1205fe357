"""Small Mender artifacts made by the standard library, whole or with chosen faults."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping

PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".zst": lambda data: b"\x28\xb5\x2f\xfd" + data,
}
"""How to compress for each suffix; what we call zstd only begins like it."""

FILES = {"firmware.bin": bytes(range(256)) * 5, "empty": b""}


def tar(files: Iterable[tuple[str, bytes]], *, format: int = tarfile.USTAR_FORMAT) -> bytes:
    """Return an archive of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, type: bytes) -> bytes:
    """Return an archive of one entry without content that is not a file."""
    member = tarfile.TarInfo(name)
    member.type = type
    member.linkname = "elsewhere"
    return member.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)


def rewritten(data: bytes, place: int, field: bytes, *, header: int = 0) -> bytes:
    """
    Return an archive with one field of a header changed and the header's checksum made right.

    :param place: of the field in the header.
    :param header: where it begins in the archive.
    """
    block = bytearray(data[header : header + 512])
    block[place : place + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return data[:header] + bytes(block) + data[header + 512 :]


def listing(digested: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a manifest of files."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in digested]
    return "".join(lines).encode("utf-8", "surrogateescape")


def header_info(name: str = "release-1", version: int = 3) -> bytes:
    """Return a header's first file."""
    if version == 2:
        return json.dumps({"updates": [{"type": "file"}], "artifact_name": name}).encode()
    provides = {"artifact_name": name}
    return json.dumps({"payloads": [{"type": "file"}], "artifact_provides": provides}).encode()


def parts(
    suffix: str = ".gz",
    *,
    version: int = 3,
    files: Mapping[str, bytes] = FILES,
    augment: Mapping[str, bytes] | None = None,
    header: bytes | None = None,
    payload: bytes | None = None,
    sign: Callable[[bytes], bytes] | None = None,
) -> dict[str, bytes]:
    """
    Return the files of an artifact in their order, by their names.

    :param files: in the payload.
    :param augment: more files in it, which no signature covers.
    :param header: the header's tar archive, when it should be another.
    :param payload: the payload's tar archive, when it should be another.
    :param sign: from manifest to signature.
    """
    pack = PACKERS[suffix]
    if header is None:
        header = tar([("header-info", header_info(version=version)), ("scripts/x", b"#!")])
    if payload is None:
        payload = tar([*files.items(), *(augment or {}).items()])
    made = {"version": json.dumps({"format": "mender", "version": version}).encode()}
    packed_header = pack(header)
    digested = [(f"data/0000/{name}", data) for name, data in files.items()]
    made["manifest"] = listing(
        [*digested, (f"header.tar{suffix}", packed_header), ("version", made["version"])]
    )
    if sign is not None:
        made["manifest.sig"] = sign(made["manifest"])
    if augment is not None:
        augmented = [(f"data/0000/{name}", data) for name, data in augment.items()]
        augment_header = pack(tar([("header-info", b'{"payloads": [{"type": "delta"}]}')]))
        augmented.append((f"header-augment.tar{suffix}", augment_header))
        made["manifest-augment"] = listing(augmented)
    made[f"header.tar{suffix}"] = packed_header
    if augment is not None:
        made[f"header-augment.tar{suffix}"] = augment_header
    made[f"data/0000.tar{suffix}"] = pack(payload)
    return made


def artifact(made: Mapping[str, bytes]) -> bytes:
    """Return the artifact that has these files."""
    return tar(made.items())


def contents(data: bytes) -> list[tuple[str, bytes]]:
    """Return, by the standard library's readers, all that the manifests of an artifact cover."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            if not member.name.startswith("data/"):
                found.append((member.name, file.read()))
                continue
            with tarfile.open(fileobj=io.BytesIO(file.read()), mode="r:*") as payload:
                for inner in payload:
                    file = payload.extractfile(inner)
                    assert file is not None
                    found.append((f"{member.name}/{inner.name}", file.read()))
    return found
