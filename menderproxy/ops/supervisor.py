"""What systemd is told of the process, by its notification protocol (``sd_notify``)."""

from __future__ import annotations

import socket
import time
from collections.abc import MutableMapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

_PATIENCE = 1.0
"""Seconds that a message may wait for room; systemd reads them all the time."""


class Supervisor:
    """
    Whoever started this process and wants to know how it is; often nobody.

    What can't be sent is lost: the gateway serves devices, supervised or not.

    :param address: of its datagram socket, ``@`` in front for an abstract one; empty for nobody.
    :param watchdog: seconds without a sign of life after which the process is taken for hung, if
        any.
    """

    log = Logger()

    def __init__(self, reactor: Any, address: str = "", watchdog: float | None = None):
        self._address = address
        self._watchdog = watchdog
        self._is_deaf = False
        self._signs_of_life = LoopingCall(self._tell, WATCHDOG=1)
        self._signs_of_life.clock = reactor

    @classmethod
    def from_environment(
        cls, reactor: Any, environ: MutableMapping[str, str], pid: int
    ) -> Supervisor:
        """
        Find it by its variables, and take them out: they are not for children of ours.

        :param pid: of this process: a watchdog may be meant for another one.
        """
        address = environ.pop("NOTIFY_SOCKET", "")
        interval = environ.pop("WATCHDOG_USEC", "")
        watched = environ.pop("WATCHDOG_PID", str(pid))
        is_watched = watched == str(pid) and interval.isdecimal() and int(interval) > 0
        return cls(reactor, address, int(interval) / 1e6 if is_watched else None)

    def ready(self) -> None:
        """The gateway serves devices (again)."""
        self._tell(READY=1, STATUS="serving devices")

    def reloading(self) -> None:
        """It reads its files again; :meth:`ready` ends that."""
        # systemd compares it with its own time, to tell this reload from the one before.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell(RELOADING=1, MONOTONIC_USEC=now, STATUS="reading certificates again")

    def stopping(self, longest: float) -> None:
        """
        It stops.

        :param longest: for how many seconds that may take, whatever systemd is used to.
        """
        status = f"draining, for {longest:g} s at most"
        self._tell(STOPPING=1, EXTEND_TIMEOUT_USEC=round(longest * 1e6), STATUS=status)

    def watch(self) -> None:
        """Give signs of life from now on, as long as the event loop turns."""
        if self._watchdog is not None:
            self._signs_of_life.start(self._watchdog / 2)

    def unwatch(self) -> None:
        """Give no more of them."""
        if self._signs_of_life.running:
            self._signs_of_life.stop()

    def _tell(self, **state: object) -> None:
        if self._address:
            self._send("\n".join(f"{name}={value}" for name, value in state.items()))

    def _send(self, message: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
                notifications.settimeout(_PATIENCE)
                notifications.sendto(message.encode(), _system_address(self._address))
        except OSError as error:
            if not self._is_deaf:
                self.log.warn(
                    "NOTIFY_SOCKET: {address}: {reason}",
                    address=self._address,
                    reason=error.strerror or str(error),
                )
            self._is_deaf = True
        else:
            self._is_deaf = False


def _system_address(address: str) -> str:
    return f"\0{address[1:]}" if address.startswith("@") else address
