"""``twistd mender-gateway``: from the command line to the service."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from twisted.application.service import IService, MultiService
from twisted.logger import ILogObserver
from twisted.python import usage

from menderproxy._version import __version__
from menderproxy.config.load import DEFAULT_PATH, ConfigError, load_config
from menderproxy.ops.logs import LEVELS, observer


class Options(usage.Options):
    """The official gateway's flags."""

    synopsis = "[--config FILE] [--log-level LEVEL] [--version]"
    longdesc = (
        "The gateway between a Mender Server and devices that must not touch the Internet."
        " The file is the official mender-gateway.conf; environment variables win over it."
    )
    optParameters = [  # noqa: RUF012 - the name and shape are Twisted's
        ["config", None, None, f"configuration file [default: {DEFAULT_PATH}]"],
        ["log-level", None, "info", "one of " + ", ".join(LEVELS)],
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


class Foreground(MultiService):
    """
    The gateway as the only thing in its process.

    It writes the process's log, and turns what keeps it from starting into one line and exit
    status 1.
    """

    def __init__(self, gateway: IService, log_level: str, errors: tuple[type[Exception], ...]):
        super().__init__()  # type: ignore[no-untyped-call]
        self._log_level = log_level
        self._errors = errors
        gateway.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Called with the application: from here on it logs as we say."""
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        if hasattr(parent, "setComponent"):
            parent.setComponent(ILogObserver, observer(self._log_level))

    def privilegedStartService(self) -> None:
        """Open the ports."""
        try:
            super().privilegedStartService()  # type: ignore[no-untyped-call]
        except self._errors as error:
            refuse(error)

    def startService(self) -> None:
        """Start."""
        try:
            super().startService()  # type: ignore[no-untyped-call]
        except self._errors as error:
            refuse(error)


def refuse(error: Exception) -> NoReturn:
    """End the process with one line and status 1."""
    raise SystemExit(f"mender-gateway: {error}")


def makeService(options: Options) -> IService:
    """
    Make the service for twistd.

    :raises SystemExit: the gateway can't run so; the text says why.
    """
    from twisted.internet import reactor

    try:
        config = load_config(options["config"])
    except ConfigError as error:
        refuse(error)
    # Not at the top: see menderproxy.gateway_service.
    from menderproxy.service import START_ERRORS, build

    level = "debug" if config.debug_log else options["log-level"]
    try:
        return Foreground(build(config, reactor), level, START_ERRORS)
    except START_ERRORS as error:
        refuse(error)
