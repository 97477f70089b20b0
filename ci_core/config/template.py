"""The first ``graphship.yaml`` of a project, as text with comments (pure).

A ``#`` with a blank behind it begins prose; one without begins a setting that is off. Only what
exists is on, so that the file reads without a mistake the moment it is written. A test takes every ``#`` away and reads
the rest.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from ci_core.config.schema import SCHEMA_URL
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.config.survey import Metric, Survey

_SCORES = frozenset({"auc", "roc_auc", "accuracy", "acc", "f1", "precision", "recall", "average_precision", "r2"})
"""Metrics that lie between 0 and 1 and where more is better: a regression of 0.01 means the same for all of them."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./:-]*[A-Za-z0-9_/-]")
"""Text that YAML reads as itself without quotes, of the kind that paths and metric keys are."""

_MEANS_SOMETHING_ELSE = frozenset({"true", "false", "null"})


def render(found: Survey) -> str:
    """Return the text of the file for what was found."""
    parts = [_head(found), _pipeline(found), _graph(found), _gates(found), _environments(found), _smoke(found)]
    parts += [_capture(), _monitor(found), _retrain(found)]
    return "\n".join("\n".join(part) + "\n" for part in parts)


def _head(found: Survey) -> list[str]:
    return [
        f"# yaml-language-server: $schema={SCHEMA_URL}",
        "# What graphship does with this repository. Only `name` is required.",
        "# A `#` without a blank behind it is a setting that is off: take the `#` away to use it.",
        f"name: {_scalar(found.name)}",
    ]


def _pipeline(found: Survey) -> list[str]:
    if found.has_pipeline:
        kept = ", ".join(["dvc.yaml", *found.params_files, *found.metrics_files])
        prose = [f"# The pipeline, its params and its metrics stay where DVC keeps them: {one_line(kept)}."]
    else:
        prose = ["# There is no pipeline yet: `dvc init`, then `dvc stage add` for each step that makes the model."]
    return [
        *prose,
        "# With commit-lock CI commits a refreshed dvc.lock to the branch of a change request.",
        *_off("pipeline:", "  engine: dvc", "  commit-lock: true"),
    ]


def _graph(found: Survey) -> list[str]:
    prose = ["# The serving graph: a Graph object in a Python file. It is what gets deployed."]
    if found.graph:
        return [*prose, f"graph: {_scalar(found.graph)}"]
    if found.model:
        prose.append(f"# Your pipeline makes `{one_line(found.model)}`: a graph with one model step could serve it.")
    return [*prose, *_off("graph: serving/graph.py:graph")]


def _gates(found: Survey) -> list[str]:
    prose = [
        "# Rules that decide the colour of the check: limits of a metric, or how much worse than the base it may be.",
        "# There are more: data, behaviour, latency, model-size, pickle-scan, secrets.",
    ]
    metrics = found.metrics
    if not metrics:
        file = found.metrics_files[0] if found.metrics_files else "metrics.json"
        example = f"  {_scalar(f'{file}:auc')}: {{min: 0.8, max-regression: 0.01}}"
        return [*prose, *_off("gates:", example)]
    on = [metric for metric in metrics if _is_score(metric)]
    lines = [_gate(metric) for metric in metrics]
    if not on:
        return [*prose, *_off("gates:", *lines)]
    switched = [[line] if it in on else _off(line) for it, line in zip(metrics, lines, strict=True)]
    return [*prose, "gates:", *itertools.chain(*switched)]


def _is_score(metric: Metric) -> bool:
    return re.split(r"[.:]", metric.key)[-1].lower() in _SCORES and 0 <= metric.value <= 1


def _gate(metric: Metric) -> str:
    # Of a metric that is no score nobody said which way is better; a limit can be judged all the same.
    limit = metric.value + abs(metric.value) * 0.02
    rule = "max-regression: 0.01" if _is_score(metric) else f"max: {limit:.4g}"
    return f"  {_scalar(metric.key)}: {{{rule}}}  # now {metric.value:.4g}"


def _environments(found: Survey) -> list[str]:
    lines = ["environments:", "  staging: {target: local, deploy-on: merge}"]
    return [
        "# Where the graph runs, in promotion order. A merge to the default branch deploys to staging.",
        *(lines if found.graph else _off(*lines)),
    ]


def _smoke(found: Survey) -> list[str]:
    line = f"smoke: {_scalar(found.smoke or 'serving/requests.jsonl')}"
    return [
        "# Requests, one JSON object a line, that a new release must answer before it gets traffic.",
        *([line] if found.smoke else _off(line)),
    ]


def _capture() -> list[str]:
    return [
        "# Where the model's calls are written down: a folder or a URL. Monitoring reads them.",
        *_off("capture: {to: .graphship/captures, sample: 1.0}"),
    ]


def _monitor(found: Survey) -> list[str]:
    first = ["monitor:", f"  reference: {_scalar(found.table or 'data/train.parquet')}"]
    more = ["  time-column: event_time", "  target: label", "  window: 24h", "  ignore: []"]
    return [
        "# Live traffic is compared with the table that the model was made from. Name the column with the event's own",
        "# time and the column that the model predicts: verdicts are better with the first, wrong without the second.",
        *(first if found.table else _off(*first)),
        *_off(*more),
    ]


def _retrain(found: Survey) -> list[str]:
    return [
        "# On drift the new windows are added to the data and a challenger is trained; if it wins, it is proposed.",
        *_off(
            "retrain:", f"  data: {_scalar(found.table or 'data/train.parquet')}", "  hold-back: 2", "  cool-down: 24h"
        ),
    ]


def _off(*lines: str) -> Iterable[str]:
    return [re.sub(r"^( *)", r"\1#", line) for line in lines]


def _scalar(text: str) -> str:
    """Return `text` as YAML reads it back: plain when that is safe, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _MEANS_SOMETHING_ELSE:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    """Return a character of a double-quoted scalar (YAML 1.2.2, section 5.7)."""
    if character in {'"', "\\"}:
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
