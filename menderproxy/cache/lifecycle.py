"""The lifecycle of a download: which phase may follow which."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder


class Phase(enum.Enum):
    """Where a download is."""

    STARTING = "starting"
    STREAMING = "streaming"
    BROKEN = "broken"
    RESUMING = "resuming"
    CHECKING = "checking"
    WHOLE = "whole"
    FAILED = "failed"


class Lifecycle(Protocol):
    """What can happen to a download."""

    def answered(self) -> None:
        """The store sends bytes that we can use."""

    def broke(self) -> None:
        """The store can't be had, or broke off: another try later."""

    def retried(self) -> None:
        """The store is asked again."""

    def received(self) -> None:
        """Every byte is in the file."""

    def rejected(self) -> None:
        """The bytes are not what the store said they would be: all over again."""

    def published(self) -> None:
        """The artifact has its final name."""

    def failed(self) -> None:
        """It is given up."""


@attrs.define
class _Core:
    enter: Callable[[Phase], None]


def _machine() -> Callable[[_Core], Lifecycle]:
    builder = TypeMachineBuilder(Lifecycle, _Core)
    states = {phase: builder.state(phase.value) for phase in Phase}
    moves = [
        (Phase.STARTING, Lifecycle.answered, Phase.STREAMING),
        (Phase.STARTING, Lifecycle.broke, Phase.BROKEN),
        (Phase.STARTING, Lifecycle.received, Phase.CHECKING),
        (Phase.STREAMING, Lifecycle.broke, Phase.BROKEN),
        (Phase.STREAMING, Lifecycle.received, Phase.CHECKING),
        (Phase.BROKEN, Lifecycle.retried, Phase.RESUMING),
        (Phase.RESUMING, Lifecycle.answered, Phase.STREAMING),
        (Phase.RESUMING, Lifecycle.broke, Phase.BROKEN),
        (Phase.CHECKING, Lifecycle.rejected, Phase.BROKEN),
        (Phase.CHECKING, Lifecycle.published, Phase.WHOLE),
        *(
            (phase, Lifecycle.failed, Phase.FAILED)
            for phase in Phase
            if phase not in (Phase.WHOLE, Phase.FAILED)
        ),
    ]
    for before, happening, after in moves:
        states[before].upon(happening).to(states[after])(_entering(after))
    return builder.build()


def _entering(phase: Phase) -> Callable[[Lifecycle, _Core], None]:
    def enter(_: Lifecycle, core: _Core) -> None:
        core.enter(phase)

    return enter


_build = _machine()


def lifecycle(enter: Callable[[Phase], None]) -> Lifecycle:
    """
    A machine in :attr:`Phase.STARTING`; anything out of order raises.

    :param enter: called with each phase as it is entered.
    """
    return _build(_Core(enter))
