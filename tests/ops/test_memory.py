"""What the process does with its memory."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.ops.memory import KEPT, keep_freed_memory, settle


class AllocatorTests(SynchronousTestCase):
    """What the allocator is told."""

    def test_told(self) -> None:
        """It keeps some MiB, and takes large pieces from there, too."""
        told: list[tuple[int, int]] = []

        class Library:
            def mallopt(self, option: int, value: int) -> None:
                told.append((option, value))

        self.patch(ctypes, "CDLL", lambda name: Library())
        keep_freed_memory()
        self.assertEqual(told, [(-1, KEPT), (-3, KEPT)])

    def test_another_library(self) -> None:
        """One without these options is left alone."""

        asked: list[Any] = []

        def missing(name: Any) -> object:
            asked.append(name)
            return object()

        self.patch(ctypes, "CDLL", missing)
        keep_freed_memory()
        self.assertEqual(asked, [None])


class CollectorTests(SynchronousTestCase):
    """What the garbage collector looks through."""

    def test_settled(self) -> None:
        """What is here when the process has started is never looked through again."""
        self.addCleanup(gc.unfreeze)
        before = gc.get_freeze_count()
        thing: list[object] = []
        settle()
        self.assertGreater(gc.get_freeze_count(), before)
        self.assertFalse(any(each is thing for each in gc.get_objects()))
