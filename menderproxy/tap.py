"""``twistd mender-gateway``: from the command line to the service."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import ILogObserver, Logger
from twisted.python import usage

from menderproxy._version import __version__
from menderproxy.config.load import DEFAULT_PATH, ConfigError, load_config
from menderproxy.listen.inherited import passed_descriptors, sockets_by_listener, take_sockets
from menderproxy.ops.logs import FORMATS, LEVELS, observer
from menderproxy.ops.memory import keep_freed_memory, settle
from menderproxy.ops.supervisor import Supervisor
from menderproxy.ops.timers import run_monotonically

if TYPE_CHECKING:
    from menderproxy.service import GatewayService


class Options(usage.Options):
    """The official gateway's flags."""

    synopsis = "[--config FILE] [--log-level LEVEL] [--log-format FORMAT] [--version]"
    longdesc = (
        "The gateway between a Mender Server and devices that must not touch the Internet."
        " The file is the official mender-gateway.conf; environment variables win over it."
    )
    optParameters = [  # noqa: RUF012 - the name and shape are Twisted's
        ["config", None, None, f"configuration file [default: {DEFAULT_PATH}]"],
        ["log-level", None, "info", "one of " + ", ".join(LEVELS)],
        ["log-format", None, "auto", "one of auto, text, json; auto is text on a terminal only"],
    ]

    def opt_version(self) -> NoReturn:
        """Show the version and exit."""
        print(f"mender-gateway {__version__}")
        sys.exit(0)

    opt_h = usage.Options.opt_help

    def getSynopsis(self) -> str:
        """How to call it: by itself, or as a part of twistd's own command line."""
        synopsis: str = super().getSynopsis()
        return synopsis if self.parent is not None else f"Usage: mender-gateway {synopsis}"

    def postOptions(self) -> None:
        """Check what was given."""
        if self["log-level"] not in LEVELS:
            raise usage.UsageError(
                f"--log-level {self['log-level']}: must be one of {', '.join(LEVELS)}"
            )
        if self["log-format"] not in FORMATS:
            raise usage.UsageError(
                f"--log-format {self['log-format']}: must be one of {', '.join(FORMATS)}"
            )


class Foreground(MultiService):
    """
    The gateway as the only thing in its process.

    It writes the process's log, takes its signals, reports to who started it, and turns what
    keeps it from starting into one line and an exit status.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        gateway: GatewayService,
        observer: ILogObserver,
        supervisor: Supervisor,
        errors: tuple[type[Exception], ...],
    ):
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._supervisor = supervisor
        self._told_to_stop = False
        self._gateway = gateway
        self._observer = observer
        self._errors = errors
        gateway.setServiceParent(self)  # type: ignore[no-untyped-call]

    def setServiceParent(self, parent: Any) -> None:
        """Called with the application: from here on it logs as we say."""
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        if hasattr(parent, "setComponent"):
            parent.setComponent(ILogObserver, self._observer)

    def privilegedStartService(self) -> None:
        """Open the ports."""
        try:
            super().privilegedStartService()  # type: ignore[no-untyped-call]
        except self._errors as error:
            self._refuse(error)

    def startService(self) -> None:
        """Start."""
        try:
            super().startService()  # type: ignore[no-untyped-call]
        except self._errors as error:
            self._refuse(error)
        # By default it ends a process.
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._reload))
        self._reactor.callWhenRunning(self._runs)

    def stopService(self) -> Deferred[None]:
        """Stop, which takes until devices have been served."""
        self._told_to_stop = True
        self._supervisor.stopping(self._gateway.longest_stop)
        stopping: Deferred[None] = maybeDeferred(super().stopService)
        return stopping.addBoth(self._stopped)

    def _refuse(self, error: Exception) -> NoReturn:
        # Of the highest level: no other line says why there is no gateway.
        self.log.critical("{error}", error=error)
        raise SystemExit(_exit_status(error))

    def _runs(self) -> None:
        # Not before: the reactor sets its own handlers when it starts to run.
        for number in (signal.SIGTERM, signal.SIGINT):
            stop = signal.getsignal(number)
            if callable(stop):
                signal.signal(number, partial(self._stop_signal, stop))
        settle()
        self._supervisor.ready()
        self._supervisor.watch()

    def _stop_signal(self, stop: Any, number: int, frame: FrameType | None) -> None:
        """The first one drains the gateway, the next cuts that short."""
        if self._told_to_stop:
            self._reactor.callFromThread(self._gateway.hasten)
        else:
            self._told_to_stop = True
            stop(number, frame)

    def _reload(self) -> None:
        """Do what SIGHUP means to daemons."""
        if not self.running:
            return
        self.log.info("SIGHUP: reading certificates and revocation lists again")
        self._supervisor.reloading()
        reloading = self._gateway.reload()
        reloading.addErrback(lambda failure: self.log.failure("reload", failure))
        reloading.addCallback(lambda _: self._supervisor.ready() if self.running else None)

    def _stopped(self, result: Any) -> Any:
        self._supervisor.unwatch()
        return result


def refuse(error: Exception) -> NoReturn:
    """End the process, which has no log yet, with one line and an exit status."""
    print(f"mender-gateway: {error}", file=sys.stderr)
    raise SystemExit(_exit_status(error))


def _exit_status(error: Exception) -> int:
    """
    Give a wrong configuration a status of its own: to try again would not mend it.

    All else may pass by itself, such as a port that is taken.
    """
    return os.EX_CONFIG if isinstance(error, ConfigError) else 1


def makeService(options: Options) -> IService:
    """
    Make the service for twistd.

    :raises SystemExit: the gateway can't run so; one line on standard error says why.
    """
    from twisted.internet import reactor

    keep_freed_memory()
    run_monotonically(reactor)
    supervisor = Supervisor.from_environment(reactor, os.environ, os.getpid())
    try:
        config = load_config(options["config"])
    except ConfigError as error:
        refuse(error)
    # Not at the top: see menderproxy.gateway_service.
    from menderproxy.service import START_ERRORS, World, build

    level = "debug" if config.debug_log else options["log-level"]
    try:
        sockets = take_sockets(os.environ, passed_descriptors())
        world = World(sockets=sockets_by_listener(sockets, config))
        gateway = build(config, reactor, world)
    except START_ERRORS as error:
        refuse(error)
    log = observer(level, form=options["log-format"])
    return Foreground(reactor, gateway, log, supervisor, START_ERRORS)
