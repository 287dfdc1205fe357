"""The manifests of a Mender artifact: which files it has, and their SHA-256 digests."""

from __future__ import annotations

import re

import attrs

from menderproxy.cache.verification.tar_stream import Malformed

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_AUGMENTABLE = re.compile(r"header-augment\.tar(\.\w+)?|data/.+")


@attrs.define
class Manifest:
    """
    The files that an artifact must have and that were not met yet.

    :ivar digests: of each file, by its path.
    """

    digests: dict[str, bytes]

    @classmethod
    def parse(cls, raw: bytes, name: str = "manifest") -> Manifest:
        """
        Read lines as ``sha256sum`` writes them.

        :raises Malformed: calling the file by its name.
        """
        digests: dict[str, bytes] = {}
        *lines, rest = raw.decode("utf-8", "surrogateescape").split("\n")
        if rest:
            raise Malformed(f"{name} breaks off in a line")
        for line in lines:
            match = _LINE.fullmatch(line)
            if match is None:
                raise Malformed(f"{name} has a garbled line")
            digest, path = match.groups()
            if path in digests:
                raise Malformed(f"{name} lists {path!a} twice")
            digests[path] = bytes.fromhex(digest)
        return cls(digests)

    def augment(self, raw: bytes) -> None:
        """
        Take in ``manifest-augment``.

        Nobody signs it: it may add payload files and a header of its own, and say nothing
        about what the signed manifest speaks of.

        :raises Malformed: when it does.
        """
        for path, digest in Manifest.parse(raw, "manifest-augment").digests.items():
            if path in self.digests or not _AUGMENTABLE.fullmatch(path):
                raise Malformed(f"manifest-augment must not speak of {path!a}")
            self.digests[path] = digest

    def confirm(self, path: str, digest: bytes) -> None:
        """
        Tick off a file that the artifact has.

        :raises Malformed: when it is not listed, or with another digest.
        """
        expected = self.digests.pop(path, None)
        if expected is None:
            raise Malformed(f"{path!a} is not in the manifest")
        if digest != expected:
            raise Malformed(f"{path!a} is not what the manifest says")

    def give_up(self, directory: str) -> None:
        """Tick off what is listed in a directory that can't be looked into."""
        for path in [path for path in self.digests if path.startswith(directory)]:
            del self.digests[path]

    def finish(self) -> None:
        """
        Say that the artifact has no more files.

        :raises Malformed: when some were listed that it does not have.
        """
        if self.digests:
            raise Malformed(f"the manifest lists {min(self.digests)!a}, which is not there")
