"""Rows of results, as tests need them."""

from __future__ import annotations

from bench.results import Row


def row(scenario: str, server: str = "menderproxy", number: int = 1, **figures: float) -> Row:
    """
    Make a row.

    :param number: of the round.
    """
    return Row(number, scenario, server, figures)
