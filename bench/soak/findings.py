"""What went wrong in a run, and what was done to make it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TextIO

_SHOWN = 5


class Findings:
    """
    Says each violation at once, and all of them again at the end.

    :param seconds: since the run began.
    :ivar counts: of things that are no violations, for the summary.
    """

    def __init__(self, seconds: Callable[[], float], stream: TextIO):
        self.counts: Counter[str] = Counter()
        self._seconds = seconds
        self._stream = stream
        self._violations: dict[str, list[str]] = {}

    def say(self, text: str) -> None:
        """Write a line of the run's diary."""
        print(f"{self._seconds():7.1f} {text}", file=self._stream, flush=True)

    def violation(self, rule: str, detail: str) -> None:
        """
        Something happened that must not.

        :param rule: what it breaks, in the same words each time.
        """
        details = self._violations.setdefault(rule, [])
        details.append(f"{self._seconds():.1f}: {detail}")
        if len(details) <= _SHOWN:
            self.say(f"VIOLATION {rule}: {detail}")

    @property
    def are_none(self) -> bool:
        """Whether all went well."""
        return not self._violations

    def summary(self) -> list[str]:
        """Give the lines for the end of the run."""
        lines = [f"  {name}: {count}" for name, count in sorted(self.counts.items())]
        for rule, details in self._violations.items():
            lines.append(f"VIOLATION {rule}, {len(details)} times")
            lines += [f"    {detail}" for detail in details[:_SHOWN]]
        return lines
