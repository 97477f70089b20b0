"""Memory of one more worker with scikit-learn loaded: proportional set size of the server's whole process tree.

Run: ``python -m bench.serving.workers [--rounds N] [--json FILE]``. The model is a skops file, not lowered; every
server answers requests on many connections first, so that every worker has touched what it touches when it works.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench.serving import processes, work
from bench.serving.contest import Case, contest
from bench.serving.report import Report, arguments, finish
from bench.serving.servers import own

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.serving.servers import Entry

WORKERS = (1, 2, 3, 4)
_LOAD = Case(1, 64)


def entries() -> dict[int, Entry]:
    """Return servers by their number of workers."""
    route = {"model": "iris.skops", "columns": list(work.COLUMNS), "batch": "off", "lower": "off"}
    return {count: own(route, work.ROWS, "--workers", str(count)) for count in WORKERS}


def main(arguments_given: Sequence[str] | None = None) -> Report:
    options = arguments(__doc__, rounds=2).parse_args(arguments_given)
    found: dict[int, float] = {}
    result = Report("workers", ("workers", "processes", "PSS MB"))
    for count, entry in entries().items():
        # one server at a time: servers that run together would share the pages of the libraries' files
        with contest(work.make_work(), {str(count): entry}) as arena:
            result.notes += [f"{name} workers: {why}" for name, why in arena.refused.items()]
            if str(count) not in arena.running:
                continue
            arena.measure((_LOAD,), rounds=options.rounds, seconds=2)
            family = processes.tree(arena.pid(str(count)))
            found[count] = processes.pss_mb(family)
            result.add(count, len(family), found[count])
    steps = [found[count + 1] - found[count] for count in WORKERS[1:-1] if {count, count + 1} <= found.keys()]
    more = statistics.mean(steps) if steps else None
    result.at_most("one more worker (mean of the third and the fourth)", more, 10.0, "MB")
    return finish(result, options)


if __name__ == "__main__":
    main()
