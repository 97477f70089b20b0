"""What answering together saves: scikit-learn models at 64 connections and at one, batching on and off.

Run: ``python -m bench.serving.batching [--rounds N] [--seconds N] [--json FILE]``. The models are
classes that a user would write around scikit-learn's ``predict``; a request has one row. A server whose model costs
next to nothing (the logistic regression in numpy, alone) tells the most that joining could save: the model's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.serving import work
from bench.serving.contest import COLUMNS, Case, Measured, contest, cpu_of, figure_of, rows_of
from bench.serving.report import Report, arguments, finish, ratio
from bench.serving.servers import NUMPY, own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.serving.servers import Entry

ALONE, CROWD = Case(1, 1), Case(1, 64)
TREES = 100
_MODELS: tuple[tuple[str, dict[str, Any], int, float], ...] = (
    ("logistic regression", {"model": "models:Rows"}, 0, 6.0),
    ("random forest", {"model": "forest:Forest", "with": {"trees": TREES}}, TREES, 15.0),
)
"""Name, route, trees, goal."""
_LEAST = "next to no model"
_TWINS = 3


def entries(model: str, route: Mapping[str, Any]) -> dict[str, Entry]:
    """Return a server without and one with batching, and one with hardly a model."""
    ways = {f"{model}, batching {way}": own({**route, "batch": way}, work.ROWS) for way in ("off", "on")}
    least = {_LEAST: own({**route, "batch": "off"}, work.ROWS, **NUMPY)} if "with" not in route else {}
    return ways | least


def main(arguments_given: Sequence[str] | None = None) -> Report:
    parser = arguments(__doc__, rounds=3, seconds=2)
    options = parser.parse_args(arguments_given)
    result = Report("batching", COLUMNS)
    for model, route, trees, goal in _MODELS:
        with contest(work.make_work(trees=trees), entries(model, route), twins=_TWINS) as arena:
            measured = arena.measure((ALONE, CROWD), rounds=options.rounds, seconds=options.seconds)
            result.notes += [f"{name}: {why}" for name, why in arena.refused.items()] + arena.notes
        for row in rows_of(measured):
            result.add(*row)
        _goals(result, measured, model, goal)
    return finish(result, options)


def _goals(result: Report, measured: Measured, model: str, goal: float) -> None:
    off, on = f"{model}, batching off", f"{model}, batching on"
    gain = ratio(cpu_of(measured, off, CROWD), cpu_of(measured, on, CROWD))
    result.at_least(f"{model}, 64 connections: CPU off / on", gain, goal)
    most = ratio(cpu_of(measured, off, CROWD), cpu_of(measured, _LEAST, CROWD))
    if most is not None:
        result.notes.append(f"{model}, 64 connections: without any time of the model CPU would be {most:.1f} x less")
    alone, alone_batched = (figure_of(measured, name, ALONE, "p50_ms") for name in (off, on))
    result.at_most(f"{model}, one connection: p50 on / off", ratio(alone_batched, alone), 1.1)


if __name__ == "__main__":
    main()
