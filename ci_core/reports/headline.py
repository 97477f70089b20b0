"""The first lines of a report: did it get better, may it merge, what changed, what will happen (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.behaviour_section import behaviour_sentence
from ci_core.reports.document import Banner, Mark, Strong, Tile, code
from ci_core.reports.gate_section import GATE_TONES, WORST_FIRST
from ci_core.reports.prose import prose
from ci_core.reports.text import ABSENT, arrow, pair, plural, shorten, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.document import Inline, Line, Tone
    from ci_core.reports.report import Direction, MetricRow, Plan, Report

DIRECTION_TONES: dict[Direction, Tone] = {"better": "good", "worse": "bad", "neutral": "muted"}
MOST_TILES = 4
_ENDS = {"source", "response"}
_MOST_METRICS_IN_HEADLINE = 3
_MOST_PLANS_IN_HEADLINE = 5


def banner(report: Report) -> Banner:
    """Return the answer to the reviewer's questions."""
    behaviour = behaviour_sentence(report.behaviour) if report.behaviour and report.behaviour.requests else ()
    plans = [plan_sentence(plan) for plan in report.plans[:_MOST_PLANS_IN_HEADLINE]]
    lines = [_better(report), behaviour, what_changed(report), *plans]
    has_answer = bool(report.gates) or report.verdict != "pass" or _has_failed(report)
    return Banner(
        tone=GATE_TONES[report.verdict] if has_answer else "muted",
        eyebrow=_eyebrow(report),
        title=_title(report),
        lines=tuple(line for line in lines if line),
    )


def _eyebrow(report: Report) -> Line:
    head: tuple[Inline, ...] = (Strong(shorten(report.project, 60)),)
    if report.title:
        head += (" · ", shorten(report.title, 120))
    if report.base is None:
        return (*head, " · ", code(report.head.label))
    return (*head, " · ", code(report.head.label), " against ", code(report.base.label))


def _has_failed(report: Report) -> bool:
    return report.pipeline is not None and report.pipeline.failure is not None


def _title(report: Report) -> str:
    if report.pipeline is not None and report.pipeline.failure is not None:
        return f"The stage {shorten(report.pipeline.failure.stage, 60)} failed"
    if report.behaviour is not None and report.behaviour.head_failure is not None:
        return "The serving graph cannot be loaded"
    if not report.gates and report.verdict != "fail":
        return _title_without_gates(report)
    # A green light that compared nothing must not look like any other.
    return _title_of_gates(report) + ("; there was nothing to compare with" if report.base is None else "")


def _title_of_gates(report: Report) -> str:
    failed = [gate for gate in report.gates if gate.state == "fail"]
    warned = [gate for gate in report.gates if gate.state == "warn"]
    if failed and len(failed) == len(report.gates):
        return f"{_all_gates(len(failed))} fail{'s' if len(failed) == 1 else ''}"
    if failed:
        return f"{len(failed)} of {plural(len(report.gates), 'gate')} {'fails' if len(failed) == 1 else 'fail'}"
    if report.verdict == "fail":
        return "This cannot be merged"
    if warned:
        return f"Every gate holds, {plural(len(warned), 'with a warning', 'with warnings')}"
    return f"{_all_gates(len(report.gates))} pass{'es' if len(report.gates) == 1 else ''}"


def _all_gates(count: int) -> str:
    return {1: "The gate", 2: "Both gates"}.get(count, f"All {count} gates")


def _title_without_gates(report: Report) -> str:
    """Return what the metrics say: a difference that nobody judges has a title, too."""
    counts = [
        (sum(bool(row.difference) and row.direction == direction for row in report.metrics), direction)
        for direction in ("better", "worse")
    ]
    said = " and ".join(f"{plural(count, 'metric')} {direction}" for count, direction in counts if count)
    if said:
        title = said
    elif report.base is None:
        title = "Nothing to compare with"
    elif any(row.old != row.new for row in report.metrics):
        title = "Metrics changed"
    elif report.metrics or report.unchanged_texts:
        title = "No metric changed"
    else:
        changed = _changed_plots(report)
        title = f"{plural(changed, 'plot')} changed" if changed else "No metrics"
    return f"{title}; no gate is set" if report.run.event == "change-request" else title


def main_metrics(report: Report) -> list[MetricRow]:
    """Return the metrics to see first: those with a gate, the worst gate first, then those known to be good or bad."""
    gates = sorted(report.gates, key=lambda gate: WORST_FIRST.index(gate.state))
    gated = {gate.key: index for index, gate in enumerate(gates)}
    known = [row for row in report.metrics if row.key in gated or row.direction != "neutral"]
    return sorted(known, key=lambda row: gated.get(row.key, len(gated)))


def lead_metrics(report: Report) -> list[MetricRow]:
    """Return the metrics for the first screen: those with a gate and others of their files; all known ones without."""
    gated = {gate.key for gate in report.gates}
    files = {_file(row.key) for row in report.metrics if row.key in gated}
    return [row for row in main_metrics(report) if not files or _file(row.key) in files]


def _file(key: str) -> str:
    return key.rpartition(":")[0]


def _better(report: Report) -> Line:
    """Return how the main metrics moved: ``auc 0.7412 → 0.7631 (better)``."""
    rows = [row for row in lead_metrics(report) if row.old is not None][:_MOST_METRICS_IN_HEADLINE]
    line: tuple[Inline, ...] = ()
    for row in rows:
        old, new = pair(row.old, row.new)
        before = "" if row.difference == 0 else f"{shorten(old, 24)} → "
        name = code(_name(row, report.metrics))
        line += (*((", ",) if line else ()), name, f" {before}", Strong(shorten(new, 24)))
        if row.difference and row.direction != "neutral":
            line += (f" ({row.direction})",)
        elif row.difference == 0:
            line += (" (unchanged)",)
    return line


def what_changed(report: Report) -> Line:
    """Return how much of what differs, in one line; nothing without a base."""
    if report.base is None:
        return ()
    counts = (
        (len(report.params), "param", "params"),
        (sum(row.change != "same" for row in report.data), "data file", "data files"),
        (sum(row.change != "same" for row in report.models), "model", "models"),
        (len(report.stages), "stage", "stages"),
        (_changed_plots(report), "plot", "plots"),
    )
    said = [plural(count, one, many) for count, one, many in counts if count]
    said += _changed_graph(report)
    if report.environment:
        said.append(plural(len(report.environment), "part of the environment", "parts of the environment"))
    if said:
        return (f"Changed: {', '.join(said)}.",)
    return ("What DVC tracks (params, data, models, stages) and the environment are as at the base.",)


def _changed_graph(report: Report) -> list[str]:
    """Return how many boxes of the serving graph changed; that there was none before, or is none any more."""
    changes = [node.change for node in report.graph.nodes if node.kind not in _ENDS] if report.graph else []
    for change, words in (("added", "a serving graph (new)"), ("removed", "the serving graph (removed)")):
        if changes and all(one == change for one in changes):
            return [words]
    count = sum(change != "same" for change in changes)
    return [plural(count, "graph node", "graph nodes")] if count else []


def _changed_plots(report: Report) -> int:
    """Return how many plots are another than at the base, or are there on one side only."""
    return sum(plot.change not in {None, "same"} for plot in report.plots)


def _name(row: MetricRow, metrics: Sequence[MetricRow]) -> str:
    """Return the shortest name that tells a metric from all others."""
    short = short_key(row.key)
    return short if sum(short_key(other.key) == short for other in metrics) == 1 else row.key


def short_key(key: str) -> str:
    """Return a metric's key without the file: ``metrics.json:auc`` → ``auc``."""
    return key.rpartition(":")[2] or key


def plan_sentence(plan: Plan) -> Line:
    """Return what merging does to one environment, as one sentence."""
    place = Strong(shorten(plan.environment, 60))
    when = "Merging" if plan.trigger == "merge" else f"Deploying on {shorten(plan.trigger, 30)}"
    release = code((plan.release or "?")[:12])
    if plan.action == "create":
        return (f"{when} deploys release ", release, " to ", place, ", its first.")
    if plan.action == "replace":
        return (f"{when} deploys release ", release, " to ", place, " in place of ", code((plan.live or "?")[:12]), ".")
    if plan.action == "refused":
        reason = prose(plan.notes[0], 300) if plan.notes else ("see the plan",)
        return (f"{when} will not deploy to ", place, ": ", *reason, ".")
    return (f"{when} changes nothing in ", place, ": release ", release, " is live already.")


def change_text(row: MetricRow) -> str:
    """Return how a metric moved: ``▲ +0.0219``, or what happened to it when there is no difference."""
    if row.difference is not None:
        return f"{arrow(row.difference)} {signed(row.difference)}" if row.difference else "="
    if row.old is None and row.new is not None:
        return "new"
    if row.new is None and row.old is not None:
        return "gone"
    return "=" if row.old == row.new else "not comparable"


def change_line(row: MetricRow) -> Line:
    """Return how a metric moved with its meaning: a mark with ``better`` or ``worse`` when that is known."""
    text = change_text(row)
    note: Line = prose(row.note, 200)
    if row.difference and row.direction != "neutral":
        mark = Mark(tone=DIRECTION_TONES[row.direction], text=f"{text} {row.direction}", is_state=False)
        return (mark, ", ", *note) if note else (mark,)
    if note and row.difference is None:
        return note
    return (text, ", ", *note) if note else (text,)


def tiles(report: Report) -> tuple[Tile, ...]:
    """Return the main metrics as large numbers."""
    has_base = report.base is not None
    rows = [row for row in lead_metrics(report) if row.new is not None][:MOST_TILES]
    return tuple(_tile(row, _name(row, report.metrics), has_base=has_base) for row in rows)


def _tile(row: MetricRow, name: str, *, has_base: bool) -> Tile:
    old, new = pair(row.old, row.new)
    return Tile(
        label=shorten(name, 40),
        value=shorten(new, 14),
        change=change_text(row) if has_base else "",
        tone=DIRECTION_TONES[row.direction] if row.difference else "muted",
        before="" if old == ABSENT else f"was {shorten(old, 14)}",
    )
