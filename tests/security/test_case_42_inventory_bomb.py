"""A device reports an inventory that unpacks to far more than it takes on the wire."""

from __future__ import annotations

import gzip
import tracemalloc

from tests.web.test_inventory import GZIP, InventoryTestCase


class MemoryTests(InventoryTestCase):
    """What it costs."""

    def test_bounded(self) -> None:
        """No more memory is taken for it than for the largest good one, and it goes on packed."""
        bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        asked = self.sent(bomb, GZIP)
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 10_000_000)
        self.assertEqual(asked.body, bomb)
