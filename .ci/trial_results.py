"""
What came of a trial run: ``python3 .ci/trial_results.py LOG`` prints ``PASSED FAILED``.

Tests that need programs of others are skipped where those are missing; here none is, so each of
them that was skipped counts as failed, and is named on standard error with the reason.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

REQUIRED = ("tests.e2e.", "tests.test_monitoring.")
_SUMMARY = re.compile(r"^(?:PASSED|FAILED) \((?P<counts>[^)]*)\)$", re.MULTILINE)
_COUNT = re.compile(r"(\w+)=(\d+)")
_SECTION = re.compile(r"^\[SKIPPED\]\n(?P<reason>.*?)\n\n(?P<tests>(?:\S+\n)+)", re.M | re.S)


def results(log: str) -> tuple[int, int]:
    """
    Count the tests that passed and those that failed.

    :param log: what trial printed.
    :raises ValueError: trial did not come to its end.
    """
    summaries = _SUMMARY.findall(log)
    if not summaries:
        raise ValueError("trial did not come to its end")
    counts = {name: int(number) for name, number in _COUNT.findall(summaries[-1])}
    passed = counts.get("successes", 0) + counts.get("expectedFailures", 0)
    failed = sum(counts.get(name, 0) for name in ("failures", "errors", "unexpectedSuccesses"))
    return passed, failed + len(skipped(log))


def skipped(log: str) -> list[str]:
    """Name the tests that were skipped and should not have been, each with the reason."""
    return [
        f"{test}: {section['reason']}"
        for section in _SECTION.finditer(log)
        for test in section["tests"].split()
        if test.startswith(REQUIRED)
    ]


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text("utf-8", "replace")
    for line in skipped(text):
        print(f"skipped: {line}", file=sys.stderr)
    print(*results(text))
