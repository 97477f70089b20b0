"""CPU time of a server per request: ours beside raw granian and beside other model servers.

Run: ``python -m bench.serving.http [--peers] [--rounds N] [--seconds N] [--json FILE]``.

All serve the same model (``work.py``), and a server whose answers differ is not measured. Peers run scikit-learn's own
``predict``; so do ours unless the name says numpy or lowered. "same body" is the peers' body ``{"inputs": …}``, which
ours hands to the user's model as one row; "rows" are objects by column name at ``/``, "V2" is the Open Inference
Protocol. There are several contests: raw granian and ours with the same predict in numpy, three processes of each; the
peers, with ours; and one for each entry of Ray, whose daemons work even when idle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.serving import work
from bench.serving.contest import COLUMNS, Case, Measured, contest, cpu_of, rows_of
from bench.serving.report import Report, arguments, finish, ratio
from bench.serving.servers import BATCHING_PEERS, NUMPY, PEERS, RAW, RAW_SKLEARN, Entry, own

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

CASES = (Case(1, 1), Case(1, 32), Case(100, 32))
MANY = Case(1, 32)
_TWINS = 3
_COLUMNS = {"columns": list(work.COLUMNS)}
_OFF, _ON = {"batch": "off", "lower": "off"}, {"batch": "on", "lower": "off"}

OWN_NUMPY: dict[str, Entry] = {
    "graphship, numpy, same body": own({"model": "models:Inputs", **_OFF}, work.OURS_INPUTS, **NUMPY),
    "graphship, numpy, rows": own({"model": "models:Rows", **_OFF}, work.ROWS, **NUMPY),
    "graphship, numpy, V2": own({"model": "models:Rows", **_OFF}, work.V2, **NUMPY),
}
OWN_SKLEARN: dict[str, Entry] = {
    "graphship": own({"model": "models:Inputs", **_OFF}, work.OURS_INPUTS),
    "graphship, rows": own({"model": "models:Rows", **_OFF}, work.ROWS),
    "graphship, skops file": own({"model": "iris.skops", **_COLUMNS, **_OFF}, work.ROWS),
    "graphship, batching": own({"model": "models:Inputs", **_ON}, work.OURS_INPUTS),
    "graphship, lowered": own({"model": "iris.skops", **_COLUMNS, "batch": "off"}, work.ROWS),
    "graphship, lowered, batching": own({"model": "iris.skops", **_COLUMNS, "batch": "on"}, work.ROWS),
}
_GOALS = {
    "KServe": (2.6, 10.0, 14.5),
    "MLServer": (3.4, 10.0, 19.0),
    "LitServe": (5.8, 10.0, 32.0),
    "BentoML": (8.5, 10.0, 47.0),
    "BentoML, async method": (8.5, 10.0, 47.0),
    "Ray Serve": (10.0, 10.0, None),
    "FastAPI": (1.4, None, 8.0),
}
"""Peer → how many times our CPU it needs: without batching; with ours on; lowered, without batching."""


def main(arguments_given: Sequence[str] | None = None) -> Report:
    parser = arguments(__doc__, rounds=3, seconds=3)
    parser.add_argument("--peers", action="store_true", help="measure other servers, too; installs them first")
    parser.add_argument("--servers", nargs="+", help="only these, and raw granian")
    options = parser.parse_args(arguments_given)
    result = Report("http", ("contest", *COLUMNS))
    for number, entries in enumerate(_groups(options), start=1):
        _hold(number, entries, options, result, twins=_TWINS if entries.keys() <= (RAW | OWN_NUMPY).keys() else 1)
    return finish(result, options)


def _groups(options: argparse.Namespace) -> list[dict[str, Entry]]:
    everybody = PEERS | BATCHING_PEERS if options.peers else {}
    ray = {name: entry for name, entry in everybody.items() if entry.peer == "ray"}
    others = {name: entry for name, entry in everybody.items() if entry.peer != "ray"}
    reference = {"raw granian": RAW["raw granian"]}
    groups = [
        RAW | OWN_NUMPY,
        reference | RAW_SKLEARN | OWN_SKLEARN | others,
        *[reference | OWN_SKLEARN | {name: entry} for name, entry in ray.items()],
    ]
    chosen = [_chosen(group, options) for group in groups]
    return [group for group in chosen if group.keys() != reference.keys()]


def _chosen(entries: dict[str, Entry], options: argparse.Namespace) -> dict[str, Entry]:
    if not options.servers:
        return entries
    return {name: entry for name, entry in entries.items() if name == "raw granian" or name in options.servers}


def _hold(
    number: int, entries: Mapping[str, Entry], options: argparse.Namespace, result: Report, *, twins: int
) -> None:
    with contest(work.make_work(), entries, twins=twins) as arena:
        measured = arena.measure(CASES, rounds=options.rounds, seconds=options.seconds)
        for row in rows_of(measured):
            result.add(number, *row)
        result.notes += [f"{name}: {why}" for name, why in arena.refused.items()] + arena.notes
    _raw_goals(result, measured)
    _peer_goals(result, measured, entries)


def _raw_goals(result: Report, measured: Measured) -> None:
    for case in CASES:
        for ours, raw in zip(OWN_NUMPY, RAW, strict=True):
            mine = cpu_of(measured, ours, case)
            if mine is not None:
                result.at_most(f"{ours} / {raw}, {case}", ratio(mine, cpu_of(measured, raw, case)), 1.15)


def _peer_goals(result: Report, measured: Measured, entries: Mapping[str, Entry]) -> None:
    for peer, (plain, batching, lowered) in _GOALS.items():
        against = [
            (peer, "graphship", plain),
            (peer, "graphship, batching", batching),
            (f"{peer}, batching", "graphship, batching", batching),
            (peer, "graphship, lowered", lowered),
        ]
        for theirs, ours, bound in against:
            if bound is not None and theirs in entries:
                measured_ratio = ratio(cpu_of(measured, theirs, MANY), cpu_of(measured, ours, MANY))
                result.at_least(f"{theirs} / {ours}", measured_ratio, bound)
    alone, joined = "graphship, lowered", "graphship, lowered, batching"
    if alone in entries and joined in entries:
        gain = ratio(cpu_of(measured, alone, MANY), cpu_of(measured, joined, MANY))
        result.at_least(f"{alone} / {joined}", gain, 1.0)


if __name__ == "__main__":
    main()
