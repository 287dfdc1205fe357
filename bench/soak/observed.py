"""
The gateway as twistd runs it, with one thing added: it counts what it holds when it is asked to.

``python -m bench.soak.observed COUNTS …`` takes twistd's own arguments after the file's name. On
SIGUSR2 it writes the numbers there, as JSON.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from socket import socket
from types import CoroutineType
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.protocol import BaseProtocol
from twisted.scripts import twistd

_KINDS: dict[str, type] = {
    "socket objects": socket,
    "TLS connections": SSL.Connection,
    "protocols": BaseProtocol,
    "Deferreds": Deferred,
    "coroutines": CoroutineType,
}


def census(reactor: Any) -> dict[str, object]:
    """
    Count what could leak, once all that nobody needs is collected.

    :return: numbers by kind; ``classes`` has those of our own classes, by name.
    """
    # What one round frees may have kept something else until then.
    while gc.collect():
        pass
    # Classes, not objects, are asked: some objects claim to be what they are not.
    classes = Counter(map(type, gc.get_objects()))
    kinds = {
        name: sum(count for each, count in classes.items() if issubclass(each, kind))
        for name, kind in _KINDS.items()
    }
    return {
        "timers": len(reactor.getDelayedCalls()),
        "selectables": len(reactor.getReaders()) + len(reactor.getWriters()),
        **kinds,
        "objects": classes.total(),
        "classes": {
            f"{each.__module__}.{each.__qualname__}": count
            for each, count in classes.items()
            if str(each.__module__).startswith("menderproxy.")
        },
    }


def _count_on_request(path: Path) -> None:
    from twisted.internet import reactor

    def count() -> None:
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(census(reactor)))
        os.replace(unfinished, path)

    def ask(*_: object) -> None:
        # Between two events, not in the middle of one.
        reactor.callFromThread(count)  # type: ignore[attr-defined]

    signal.signal(signal.SIGUSR2, ask)


def main() -> None:
    """Be twistd."""
    counts, *arguments = sys.argv[1:]
    _count_on_request(Path(counts))
    sys.argv = ["twistd", *arguments]
    twistd.run()


if __name__ == "__main__":
    main()
