"""How an artifact gets its final name, so that a power cut at any point does no harm."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from tests.cache.test_directory import DATA, KEY, DirectoryTestCase
from tests.cache.test_meta import META


class Killed(BaseException):
    """The process is gone."""


class PublishTests(DirectoryTestCase):
    """Publishing."""

    def setUp(self) -> None:
        """Have a whole artifact in flight, and write down what the system is asked for."""
        super().setUp()
        self.fd = self.directory.create_partial(KEY, len(DATA))
        self.addCleanup(os.close, self.fd)
        os.write(self.fd, DATA)
        self.directory.save_partial(attrs.evolve(META, sha256=""), 0)
        self.calls: list[str] = []
        self.dies_before: int | None = None
        for name in ("fsync", "rename"):
            self.record(name)

    def record(self, name: str) -> None:
        """Write down calls of one function."""
        call: Callable[..., Any] = getattr(os, name)

        def recorded(*arguments: Any) -> Any:
            if self.dies_before == len(self.calls):
                raise Killed
            self.calls.append(" ".join([name, *map(self.described, arguments)]))
            return call(*arguments)

        self.patch(os, name, recorded)

    def described(self, argument: int | Path) -> str:
        """A file by its path in the directory, whether it comes as a path or as a descriptor."""
        if isinstance(argument, int):
            argument = Path(os.readlink(f"/proc/self/fd/{argument}"))
        where = str(argument.absolute().relative_to(self.path.absolute()))
        return where.replace(KEY, "KEY").replace(KEY[:2], "KK")

    def test_order(self) -> None:
        """The bytes are safe before their name, and the sidecar before that; then the names."""
        self.directory.publish(self.fd, META)
        self.assertEqual(
            self.calls,
            [
                "fsync objects",
                "fsync partial/KEY.part",
                "fsync objects/KK/KEY.json.tmp",
                "rename objects/KK/KEY.json.tmp objects/KK/KEY.json",
                "fsync objects/KK",
                "rename partial/KEY.part objects/KK/KEY",
                "fsync objects/KK",
                "fsync partial",
            ],
        )

    def test_result(self) -> None:
        """Afterwards there is the artifact and its sidecar, and nothing else."""
        self.directory.publish(self.fd, META)
        self.assertEqual(set(self.files()), {self.object, self.object.with_suffix(".json")})
        self.assertEqual(self.object.read_bytes(), DATA)
        self.assertEqual([stored.meta for stored in self.directory.scan()], [META])

    def test_killed_anywhere(self) -> None:
        """A process killed at any of these steps leaves the whole artifact, or its partial file."""
        for step in range(8):
            self.calls.clear()
            self.assertRaises(Killed, self.publish_and_die, step)
            found = [stored.meta for stored in self.directory.scan()]
            leftovers = [leftover.key for leftover in self.directory.leftovers()]
            here = self.object if found else self.partial
            self.assertEqual((found, leftovers), ([META], []) if found else ([], [KEY]), step)
            self.assertEqual(here.read_bytes(), DATA)

    def publish_and_die(self, step: int) -> None:
        """Publish anew, and die before one of the steps."""
        self.directory.delete(KEY)
        fd = self.directory.create_partial(KEY, len(DATA))
        self.addCleanup(os.close, fd)
        os.write(fd, DATA)
        self.directory.save_partial(META, 0)
        self.calls.clear()
        if self.object.parent.exists():
            self.object.parent.rmdir()
        self.dies_before = step
        try:
            self.directory.publish(fd, META)
        finally:
            self.dies_before = None

    def test_older_bytes(self) -> None:
        """A sidecar never stands beside other bytes than its own, even of the same length."""
        self.put(self.object, DATA[::-1], attrs.evolve(META, sha256="33" * 32).to_json())
        self.dies_before = 4
        self.assertRaises(Killed, self.directory.publish, self.fd, META)
        self.assertEqual(list(self.directory.scan()), [])
