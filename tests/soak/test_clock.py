"""A clock that is set for one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from bench.soak.clock import Clock

_TELL = """
import json, ssl, time
print(json.dumps([time.time(), time.monotonic(), time.time_ns() / 1e9, time.gmtime().tm_year]))
"""
_YEAR = 366 * 24 * 3600
_SOON = 60.0


class JumpTests(SynchronousTestCase):
    """What a process sees whose clock was set."""

    def test_date_only(self) -> None:
        """The date jumps, by whichever call it is asked for; the monotonic clock goes on."""
        directory = Path(self.mktemp())
        directory.mkdir()
        clock = Clock(directory.absolute())
        if not clock.is_there:
            raise SkipTest("gcc is not installed")
        for jump in (_YEAR, -_YEAR, 0):
            clock.put(jump)
            environment = {**os.environ, **clock.environment()}
            told = subprocess.run(
                [sys.executable, "-c", _TELL], env=environment, check=True, capture_output=True
            ).stdout
            date, monotonic, nanoseconds, year = json.loads(told)
            self.assertLess(abs(date - time.time() - jump), _SOON)
            self.assertLess(abs(nanoseconds - time.time() - jump), _SOON)
            self.assertLess(abs(monotonic - time.monotonic()), _SOON)
            self.assertEqual(year, time.gmtime(date).tm_year)
