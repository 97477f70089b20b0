"""The slowest answers: p99 at 32 connections, ours beside raw granian with the same predict, in long rounds.

Run: ``python -m bench.serving.tail [--rounds N] [--seconds N] [--json FILE]``. Both send the peers' body and answer
with numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.serving import work
from bench.serving.contest import COLUMNS, Case, contest, figure_of, rows_of
from bench.serving.report import Report, arguments, finish, ratio
from bench.serving.servers import NUMPY, RAW, own

if TYPE_CHECKING:
    from collections.abc import Sequence

CASE = Case(1, 32)
OURS, THEIRS = "graphship, numpy, same body", "raw granian"


def main(arguments_given: Sequence[str] | None = None) -> Report:
    parser = arguments(__doc__, rounds=3, seconds=30)
    options = parser.parse_args(arguments_given)
    ours = own({"model": "models:Inputs", "batch": "off", "lower": "off"}, work.OURS_INPUTS, **NUMPY)
    with contest(work.make_work(), {THEIRS: RAW[THEIRS], OURS: ours}) as arena:
        measured = arena.measure((CASE,), rounds=options.rounds, seconds=options.seconds)
        notes = [f"{name}: {why}" for name, why in arena.refused.items()] + arena.notes
    result = Report("tail", COLUMNS, rows=rows_of(measured), notes=notes)
    mine, raw = (figure_of(measured, name, CASE, "p99_ms") for name in (OURS, THEIRS))
    result.at_most("p99, graphship / raw granian", ratio(mine, raw), 1.2)
    return finish(result, options)


if __name__ == "__main__":
    main()
