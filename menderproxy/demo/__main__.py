"""``mender-gateway-demo``: the gateway at work on this machine, in one command."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from menderproxy.config.units import parse_size
from menderproxy.demo.network import Network
from menderproxy.demo.outcome import SceneOutcome
from menderproxy.demo.scene import play, scenes
from menderproxy.demo.screen import Screen, closing_table

_SMALLEST_ARTIFACT = 4096
_BITS = 8


@attrs.frozen
class Options:
    """
    What to show, and where.

    :param size: of each artifact in bytes.
    :param rate: of the WAN in bytes a second, ``None`` for no limit.
    :param devices: in the crowd.
    :param exit: whether to stop after the last scene.
    """

    size: int
    rate: float | None
    devices: int
    exit: bool
    https_port: int
    http_port: int

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Options:
        """
        Read the command line.

        :raises SystemExit: when it is wrong, or asks for help.
        """
        parser = argparse.ArgumentParser("mender-gateway-demo", description=__doc__)
        add = parser.add_argument
        add("--size", type=_size, default="64MiB", help="of each artifact (%(default)s)")
        add("--rate", type=_rate, default="100", help="of the WAN in Mbit/s, 0: no limit (100)")
        add("--devices", type=_count, default="5", help="in the crowd (%(default)s)")
        add("--https-port", type=int, default=8443, help="of the gateway (%(default)s)")
        add("--http-port", type=int, default=8080, help="of the gateway (%(default)s)")
        add("--exit", action="store_true", help="stop after the last scene; 0 if all went well")
        return cls(**vars(parser.parse_args(arguments)))


def main() -> None:
    """Run the demo and exit (the console entry point)."""
    options = Options.parse(sys.argv[1:])
    warnings = FilteringLogObserver(
        textFileLogObserver(sys.stderr), [LogLevelFilterPredicate(LogLevel.warn)]
    )
    globalLogBeginner.beginLoggingTo([warnings], redirectStandardIO=False)
    react(run, (options,))


async def run(reactor: Any, options: Options) -> None:
    """
    Show everything, then stay up until somebody stops the reactor.

    :raises SystemExit: with 1 when a promise was broken, or the demo stopped before its end.
    """
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    screen = Screen(sys.stdout, columns=columns)
    network = Network(
        reactor,
        rate=options.rate,
        https_port=options.https_port,
        http_port=options.http_port,
    )
    show = Deferred.fromCoroutine(_show(reactor, options, network, screen))
    # Ctrl-C and SIGTERM end the show; the reactor waits here until all has been put away.
    reactor.addSystemEventTrigger("before", "shutdown", show.cancel)
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromCoroutine(network.stop())
    )
    if not await show:
        raise SystemExit(1)


async def _show(reactor: Any, options: Options, network: Network, screen: Screen) -> bool:
    outcomes: list[SceneOutcome] = []
    crowd = scenes(options.devices)
    try:
        await network.start()
        _introduce(screen, options, network)
        for scene in crowd:
            outcomes.append(await play(scene, network, screen, reactor, options.size))
        for line in ["", *closing_table(outcomes)]:
            screen.say(line)
        if not options.exit:
            _invite(screen, network, outcomes[-1].link)
            await Deferred()
    except CancelledError:
        screen.say("stopped")
    return len(outcomes) == len(crowd) and all(outcome.kept_promise for outcome in outcomes)


def _introduce(screen: Screen, options: Options, network: Network) -> None:
    for wanted, port in (
        (options.https_port, network.https_port),
        (options.http_port, network.http_port),
    ):
        if wanted not in (0, port):
            screen.say(f"port {wanted} is busy: taking {port} in its place")
    screen.say(f"the gateway listens on {network.gateway_url}")


def _invite(screen: Screen, network: Network, link: str | None) -> None:
    curl = f"curl --cacert {network.authority_path}"
    screen.say("\nThe gateway stays up until Ctrl-C. Things to try:\n")
    screen.say(f"  {curl} -i {network.gateway_url}/api/internal/v1/gateway/alive")
    if link is not None:
        screen.say(f"  {curl} -o artifact '{link}'")
        screen.say(f"  {curl} -i -r 0-15 -o - '{link}' | cat -v")


def _size(text: str) -> int:
    size = parse_size(text)
    if size < _SMALLEST_ARTIFACT:
        raise argparse.ArgumentTypeError("devices refuse an artifact of less than 4096 bytes")
    return size


def _rate(text: str) -> float | None:
    megabits = float(text)
    if not megabits >= 0:
        raise argparse.ArgumentTypeError("a rate can't be negative")
    return megabits * 1e6 / _BITS if megabits else None


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least one device is needed")
    return count


if __name__ == "__main__":
    main()
