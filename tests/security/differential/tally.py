"""What a run of many cases has found."""

from __future__ import annotations

from collections import Counter

import attrs

from tests.security.differential.contest import Lane, Outcome
from tests.security.differential.grammar import Case
from tests.security.differential.verdict import EXCUSED, GATEWAY, faults, is_only_ours


@attrs.define
class Tally:
    """
    Judges case by case.

    :ivar found: what must not be, each with its case.
    :ivar forwarded: how many requests each server forwarded.
    :ivar only_ours: how often only we forwarded a case with this oddity.
    :ivar by_oddity: for each oddity and server, what became of cases with nothing else odd.
    """

    found: list[str] = attrs.field(factory=list)
    forwarded: Counter[str] = attrs.field(factory=Counter)
    only_ours: Counter[str] = attrs.field(factory=Counter)
    by_oddity: dict[str, dict[str, Counter[str]]] = attrs.field(factory=dict)

    def take(self, case: Case, lane: Lane, outcomes: dict[str, Outcome]) -> None:
        """Judge a case."""
        where = f"case {case.number}, {', '.join(sorted(case.oddities)) or 'nothing odd'}"
        for fault in faults(case, outcomes[GATEWAY], lane.authorities[GATEWAY]):
            self.found.append(f"{where}: {fault}")
        if is_only_ours(case, outcomes):
            (oddity,) = case.oddities
            self.only_ours[oddity] += 1
            if oddity not in EXCUSED:
                self.found.append(f"{where}: all others refuse it")
        for name, outcome in outcomes.items():
            self.forwarded[name] += outcome.forwarded
            if len(case.oddities) == 1:
                (oddity,) = case.oddities
                row = self.by_oddity.setdefault(oddity, {})
                row.setdefault(name, Counter())[_summary(outcome)] += 1


def _summary(outcome: Outcome) -> str:
    if outcome.forwarded:
        return "forwards"
    return str(max(outcome.statuses)) if outcome.refused else "drops"
