"""What testssl.sh may find."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.soak.testssl import EXPECTED, Finding, read_findings


class FindingTests(SynchronousTestCase):
    """Which of its findings count."""

    def test_severity(self) -> None:
        """Whatever is worse than LOW counts; what could not be tested does not."""
        for severity in ("MEDIUM", "HIGH", "CRITICAL", "FATAL"):
            self.assertTrue(Finding("cipher", severity, "").counts, severity)
        for severity in ("OK", "INFO", "LOW", "WARN", "DEBUG"):
            self.assertFalse(Finding("cipher", severity, "").counts, severity)

    def test_expected(self) -> None:
        """What a private authority is to blame for does not count."""
        for name in EXPECTED:
            self.assertFalse(Finding(name, "CRITICAL", "").counts, name)

    def test_read(self) -> None:
        """They are read from its file."""
        path = Path(self.mktemp())
        entry = {"id": "BEAST", "ip": "x", "port": "1", "severity": "LOW", "finding": "some"}
        path.write_text(json.dumps([entry]))
        self.assertEqual(list(read_findings(path)), [Finding("BEAST", "LOW", "some")])
