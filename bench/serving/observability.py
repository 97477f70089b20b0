"""What it costs to be seen: captures of every event, and ids and metrics.

Run: ``python -m bench.serving.observability [--rounds N] [--seconds N] [--json FILE]``.

Captures are switched on and off between two servers of the same model: a class that a user would write around numpy,
whose rows are copied for the capture, and a file, whose columns are there anyway. Ids and metrics are always on, so
their share is measured in this process: an event's id, and what the metrics do for one request of five steps and a
model.
"""

from __future__ import annotations

import http.client
import re
import statistics
import time
from typing import TYPE_CHECKING, Any

from bench.serving import work
from bench.serving.contest import COLUMNS, Case, Contest, contest, cpu_of, rows_of
from bench.serving.report import Report, arguments, finish, ratio
from bench.serving.servers import NUMPY, own

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.serving.servers import Entry

CASES = (Case(1, 32), Case(100, 32))
_ROUTES: dict[str, dict[str, Any]] = {
    "own class": {"model": "models:Rows", "lower": "off"},
    "lowered file": {"model": "iris.skops", "columns": list(work.COLUMNS)},
}
STEPS = 5
_EVENTS = 20_000
_TWINS = 3


def main(arguments_given: Sequence[str] | None = None) -> Report:
    parser = arguments(__doc__, rounds=4, seconds=2)
    options = parser.parse_args(arguments_given)
    result = Report("observability", COLUMNS)
    entries: dict[str, Entry] = {}
    for model, route in _ROUTES.items():
        entries[_off(model)] = own({**route, "batch": "off"}, work.ROWS, **NUMPY)
        entries[_on(model)] = own({**route, "batch": "off"}, work.ROWS, "--captures", "{folder}/captures", **NUMPY)
    with contest(work.make_work(), entries, twins=_TWINS) as arena:
        measured = arena.measure(CASES, rounds=options.rounds, seconds=options.seconds)
        result.notes += [f"{name}: {why}" for name, why in arena.refused.items()] + arena.notes
        result.notes += _captured(arena)
    for row in rows_of(measured):
        result.add(*row)
    for model in _ROUTES:
        for case in CASES:
            share = ratio(cpu_of(measured, _on(model), case), cpu_of(measured, _off(model), case))
            result.at_most(f"{model}, {case}: capture on / off", share, 1.1)
    parts = {name: _microseconds(run, options.rounds) for name, run in _parts().items()}
    result.notes += [f"{name}: {spent:.2f} us" for name, spent in parts.items()]
    result.at_most("id and metrics of an event", sum(parts.values()), 4.0, "us")
    return finish(result, options)


def _off(model: str) -> str:
    return f"{model}, capture off"


def _on(model: str) -> str:
    return f"{model}, capture on"


def _captured(arena: Contest) -> list[str]:
    """Return what became of the rows: that nothing was dropped is part of the measurement."""
    told = []
    for name in map(_on, _ROUTES):
        if name not in arena.running:
            continue
        host = arena.running[name].url.removeprefix("http://").partition("/")[0]
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        counts = re.findall(r'^graphship_capture_rows_total\{.*?result="(\w+)".*?\} (\d+)', text, re.MULTILINE)
        told.append(f"{name}: rows " + ", ".join(f"{count} {result}" for result, count in counts))
    return told


def _parts() -> dict[str, Callable[[], object]]:
    """Return what is done for an event of :data:`STEPS` steps and one model to be told from others, and counted."""
    from ci_core.serving.base import ModelCall
    from ci_core.serving.event import Event, new_event_id
    from ci_core.serving.metrics import Metrics

    metrics = Metrics()
    metrics.steps.describe([f"s{index}" for index in range(STEPS)])
    metrics.models.describe(["m"])
    event, call = Event({"x": 1.0}), ModelCall(answers=[1], columns={"x": [1.0]}, outputs=[1.0])

    def steps() -> None:
        if metrics.steps.wants_times():
            for index in range(STEPS):
                metrics.steps.took(index, 0.001)

    return {
        "id": new_event_id,
        "request counted": lambda: metrics.count_request(200, 0.001),
        "model call counted": lambda: metrics.models.answered(event, "m", call, 0.001),
        f"{STEPS} steps counted": steps,
    }


def _microseconds(run: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(max(3, rounds)):
        started = time.process_time_ns()
        for _ in range(_EVENTS):
            run()
        times.append((time.process_time_ns() - started) / _EVENTS / 1e3)
    return statistics.median(times)


if __name__ == "__main__":
    main()
