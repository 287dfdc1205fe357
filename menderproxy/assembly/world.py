"""What the gateway takes from outside besides its reactor."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence

import attrs


@attrs.frozen
class World:
    """
    Clock, chance and open sockets; tests give their own.

    :param now: Unix time.
    :param jitter: a random number from 0 to 1.
    :param sockets: those that listen already, for ``http``, ``https`` and ``metrics``.
    """

    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    sockets: Mapping[str, Sequence[socket.socket]] = attrs.field(factory=dict)
