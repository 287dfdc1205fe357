"""
Measure the gateway beside its peers: ``python -m bench``, as root.

Each round goes through all scenarios, and in each through all servers, so that what else happens on
the machine hits all of them. Peers that no goal compares with are in the first round only, unless
--servers names them.
"""

from __future__ import annotations

import resource
import shutil
import signal
import sys
from collections.abc import Sequence

from bench.about import about
from bench.devices import ToolMissing
from bench.guard import compare, ratios, read_baseline, write_baseline
from bench.laboratory import laboratory
from bench.options import Options, read_options
from bench.page import goals_text, text, write_page
from bench.results import Results, Row, merge, read
from bench.rounds import measure

_TOOLS = ("ip", "tc", "ss", "setpriv", "taskset", "gcc", "nginx")
_FILES = 32768


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what was measured; the exit status is 1 if a check fails."""
    options = read_options(__doc__, arguments)
    try:
        results = merge(map(read, options.render)) if options.render else _run(options)
    except (ToolMissing, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(text(results))
    if not (options.quick or options.small):
        print(goals_text(results))
    if options.page:
        write_page(results, options.page)
    if options.baseline:
        write_baseline(ratios(results))
    return _check(results) if options.check else 0


def _run(options: Options) -> Results:
    """Measure; what there is of it is in the file all the time."""
    _prepare()
    rows = _earlier_rows(options)
    skipped = [
        f"{server.name}: {server.program} is not installed"
        for server in options.chosen_servers
        if not server.path
    ]
    description = about(options.scale, options.chosen_servers)
    first = max((row.round for row in rows), default=0) + 1
    results = Results(description, rows, skipped)
    with laboratory(options.scale.length) as place:
        for row in measure(place, options, first, skipped):
            rows.append(row)
            description["Rounds"] = str(row.round)
            if options.results:
                results.write(options.results)
    return results


def _earlier_rows(options: Options) -> list[Row]:
    if options.resume and options.results and options.results.exists():
        return list(read(options.results).rows)
    return []


def _prepare() -> None:
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise ToolMissing(f"not installed: {', '.join(missing)}")
    # So that the network is taken down when somebody's patience ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Five thousand devices take two descriptors each where a server holds the artifact open, too.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, most), most))


def _check(results: Results) -> int:
    comparisons = compare(ratios(results), read_baseline())
    print(*comparisons, sep="\n")
    return 0 if all(comparison.passed for comparison in comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
