"""The ``mender-gateway`` command: the official flags, in the foreground."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from twisted.python import usage
from twisted.scripts import twistd

from menderproxy.tap import Options


def main(argv: Sequence[str] | None = None) -> None:
    """
    Run the gateway until it is told to stop.

    :param argv: arguments after the command's name; those of the process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = Options()  # type: ignore[no-untyped-call]
    try:
        options.parseOptions(arguments)  # type: ignore[no-untyped-call]
    except usage.UsageError as error:
        raise SystemExit(f"mender-gateway: {error}\n{options.getSynopsis()}") from None
    # No pid file: after a crash in a container the same number may be another process.
    sys.argv = ["mender-gateway", "--nodaemon", "--pidfile=", "mender-gateway", *arguments]
    twistd.run()
