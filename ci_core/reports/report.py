"""The report of a change request as data: what ``report.json`` holds, and all that the renderers know.

Who computes snapshots, comparisons, gates and plans converts them into these models; nothing here computes. The JSON
Schema of :class:`Report` is published as ``docs/report.schema.json`` and shipped beside this file; a test keeps all
three equal. The format grows by adding optional fields; a field that changes its meaning makes ``schema`` 2.

Numbers that JSON cannot hold are the strings ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1


def _spell_infinite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_spell_infinite)]
"""The value of a metric or a param."""
Change = Literal["added", "removed", "changed", "renamed", "same"]
Direction = Literal["better", "worse", "neutral"]
Side = Literal["base", "head"]
GateState = Literal["pass", "warn", "fail"]


class Part(BaseModel):
    """Common behaviour: frozen, no unknown keys, finite numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, use_attribute_docstrings=True
    )


class Link(Part):
    """An address that the reader may want."""

    kind: Literal["report", "run", "change-request", "other"] = "other"
    """``report`` is where the whole report is: a rendering that had to be shortened names it."""
    text: str
    url: str
    """``http:``, ``https:`` or a relative path; anything else is shown as text and not linked."""


class Commit(Part):
    """One side of the comparison."""

    id: str
    """Full object name."""
    label: str
    """What people call it: ``main``, ``more-trees``, ``3f2a9c1+dirty.8d0e``."""
    url: str | None = None


class Run(Part):
    """The run that made the report."""

    system: str = "plain"
    event: str = "manual"
    change_request: int | None = None
    url: str | None = None
    started_at: str | None = None
    """ISO 8601, UTC. Never in the Markdown: an unchanged report must have an unchanged body."""
    seconds: float | None = None
    version: str = ""
    """Version of graphship."""


class Gate(Part):
    """One rule and what came of it."""

    key: str
    """As in ``graphship.yaml``: ``metrics.json:auc``."""
    state: GateState
    old: Scalar = None
    new: Scalar = None
    limit: str = ""
    """The rule, short: ``at least 0.80``, ``falls by at most 0.01``."""
    sentence: str = ""
    """What happened, with numbers; names in backticks."""


class MetricRow(Part):
    """One metric, before and after."""

    key: str
    old: Scalar = None
    """None when the metric did not exist."""
    new: Scalar = None
    difference: float | None = None
    """``new - old``; None unless both are finite numbers."""
    direction: Direction = "neutral"


class ParamRow(Part):
    """One param that differs."""

    key: str
    old: Scalar = None
    new: Scalar = None
    change: Change = "changed"
    """Tells a param that is new from one that was ``null``."""


class DataRow(Part):
    """One data file or folder that differs."""

    path: str
    old_path: str | None = None
    """Where it was, when it was renamed."""
    change: Change
    old_rows: int | None = None
    new_rows: int | None = None
    old_bytes: int | None = None
    new_bytes: int | None = None
    detail: str = ""
    """What else is known: files in the folder, schema changes."""


class ModelRow(Part):
    """One model file."""

    path: str
    change: Change
    old_digest: str | None = None
    new_digest: str | None = None
    old_bytes: int | None = None
    new_bytes: int | None = None


class EnvironmentRow(Part):
    """One thing the code runs on that differs: Python, the lock file, a package."""

    name: str
    old: str | None = None
    new: str | None = None


class Stage(Part):
    """One stage of the pipeline in this run."""

    name: str
    state: Literal["ran", "cached", "skipped", "failed", "not-run"]
    """``cached``: its outputs came from the run cache. ``skipped``: nothing it depends on moved. ``not-run``: an
    earlier stage failed."""
    seconds: float | None = None
    reason: str = ""
    """Why it ran: ``params train.trees``."""


class StageFailure(Part):
    """The stage that failed."""

    stage: str
    command: str = ""
    exit_code: int | None = None
    tail: str = ""
    """Its last lines of output, at most about 20."""


class Pipeline(Part):
    """What running the pipeline did."""

    stages: tuple[Stage, ...] = ()
    failure: StageFailure | None = None
    note: str = ""
    """``not run: nothing is stale``, …"""


class GraphNode(Part):
    """One node of the serving graph."""

    id: str
    text: str
    kind: Literal["step", "router", "choice", "queue", "graph", "model", "source", "response"] = "step"
    change: Change = "same"
    detail: str = ""
    """What it runs: ``serving.features:enrich``, ``models/late.onnx``."""


class GraphEdge(Part):
    """One arrow of the serving graph."""

    source: str
    target: str
    change: Change = "same"
    text: str = ""
    """Weight or condition, when there is one."""


class ServingGraph(Part):
    """The serving graph of the head, with what was removed since the base still in it."""

    name: str = "graph"
    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()


class StepChange(Part):
    """One node that a deployment would change."""

    step: str
    change: Change
    detail: str = ""


class Plan(Part):
    """What merging does to one environment."""

    environment: str
    target: str = ""
    action: Literal["create", "replace", "none", "refused"]
    trigger: str = "merge"
    """What sets it off: ``merge``, ``tag``, ``manual``."""
    release: str | None = None
    live: str | None = None
    steps: tuple[StepChange, ...] = ()
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Series(Part):
    """One line, cloud or histogram."""

    side: Side
    label: str = ""
    """Tells several series of one side apart: ``train``, ``test``."""
    x: tuple[float, ...] | tuple[str, ...]
    """Positions; for a histogram the bins: edges (one more than `y`, finite, increasing) or names (as many as `y`)."""
    y: tuple[float, ...]
    """Values; for a histogram counts or shares, not negative."""


class ConfusionMatrix(Part):
    """Counts of actual against predicted class."""

    side: Side
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """``counts[actual][predicted]``, shape (n_classes, n_classes)."""


class Plot(Part):
    """One picture of base and head together."""

    name: str
    kind: Literal["line", "scatter", "histogram", "confusion"]
    x_label: str = ""
    y_label: str = ""
    series: tuple[Series, ...] = ()
    matrices: tuple[ConfusionMatrix, ...] = ()

    @model_validator(mode="after")
    def _has_matching_lengths(self) -> Plot:
        for series in self.series:
            extra = len(series.x) - len(series.y)
            if extra and not (self.kind == "histogram" and extra == 1 and not isinstance(series.x[0], str)):
                message = f"plot `{self.name}`: {len(series.x)} x for {len(series.y)} y"
                raise ValueError(message)
        for matrix in self.matrices:
            if {len(matrix.classes)} != {len(matrix.counts), *map(len, matrix.counts)}:
                message = f"plot `{self.name}`: the confusion matrix is not square"
                raise ValueError(message)
        return self


class Note(Part):
    """Something the reader must know; a warning is shown on the first screen."""

    kind: Literal["info", "warning"] = "info"
    text: str
    """Names in backticks."""


class Report(Part):
    """Everything that is said about a change."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    project: str
    title: str = ""
    """The change request's title."""
    verdict: Literal["pass", "warn", "fail"]
    """The colour of the check: the worst gate, or ``fail`` when the pipeline failed."""
    base: Commit | None = None
    """None when there is nothing to compare with; a note then says why."""
    head: Commit
    run: Run = Run()
    gates: tuple[Gate, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    params: tuple[ParamRow, ...] = ()
    data: tuple[DataRow, ...] = ()
    models: tuple[ModelRow, ...] = ()
    environment: tuple[EnvironmentRow, ...] = ()
    pipeline: Pipeline | None = None
    graph: ServingGraph | None = None
    plans: tuple[Plan, ...] = ()
    """One an environment, in promotion order."""
    plots: tuple[Plot, ...] = ()
    notes: tuple[Note, ...] = ()
    links: tuple[Link, ...] = ()

    def to_json(self) -> str:
        """Return the report as ``report.json`` holds it: indented, one final newline."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"
