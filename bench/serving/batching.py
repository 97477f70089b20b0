"""What answering together saves: scikit-learn models at 64 connections and at one, batching on and off.

Run: ``python -m bench.serving.batching [--rounds N] [--seconds N] [--json FILE]``. Models are skops files as they were
fitted, not lowered, of one row a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.serving import work
from bench.serving.contest import COLUMNS, Case, Measured, contest, cpu_of, figure_of, rows_of
from bench.serving.report import Report, arguments, finish, ratio
from bench.serving.servers import own

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.serving.servers import Entry

ALONE, CROWD = Case(1, 1), Case(1, 64)
_MODELS = (("logistic regression", 0, 6.0), ("random forest", 100, 15.0))
"""Name, trees, goal."""


def entries(model: str) -> dict[str, Entry]:
    """Return a server without and one with batching."""
    route = {"model": "iris.skops", "columns": list(work.COLUMNS), "lower": "off"}
    return {
        f"{model}, batching {switch}": own({**route, "batch": switch}, work.ROWS) for switch in ("off", "on", "auto")
    }


def main(arguments_given: Sequence[str] | None = None) -> Report:
    parser = arguments(__doc__, rounds=3, seconds=4)
    options = parser.parse_args(arguments_given)
    result = Report("batching", COLUMNS)
    for model, trees, goal in _MODELS:
        with contest(work.make_work(trees=trees), entries(model)) as arena:
            measured = arena.measure((ALONE, CROWD), rounds=options.rounds, seconds=options.seconds)
            result.notes += [f"{name}: {why}" for name, why in arena.refused.items()]
        for row in rows_of(measured):
            result.add(*row)
        _goals(result, measured, model, goal)
    return finish(result, options)


def _goals(result: Report, measured: Measured, model: str, goal: float) -> None:
    off, on = f"{model}, batching off", f"{model}, batching on"
    gain = ratio(cpu_of(measured, off, CROWD), cpu_of(measured, on, CROWD))
    result.at_least(f"{model}, 64 connections: CPU off / on", gain, goal)
    alone, alone_batched = (figure_of(measured, name, ALONE, "p50_ms") for name in (off, on))
    result.at_most(f"{model}, one connection: p50 on / off", ratio(alone_batched, alone), 1.1)


if __name__ == "__main__":
    main()
