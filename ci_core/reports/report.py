"""The report of a change request as data: what ``report.json`` holds, and all that the renderers know.

Who computes snapshots, comparisons, gates and plans converts them into these models; nothing here computes. The JSON
Schema of :class:`Report` is published as ``docs/report.schema.json`` and shipped beside this file; a test keeps all
three equal. The format grows by adding optional fields; a field that changes its meaning makes ``schema`` 2.

Numbers that JSON cannot hold are the strings ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ci_core.reports.change_parts import (
    AnswerChange,
    Behaviour,
    BehaviourSide,
    ColumnRow,
    FieldChange,
    TableContent,
    ValueChange,
)
from ci_core.reports.graph_parts import Graph, GraphEdge, GraphNode
from ci_core.reports.part import Change, Direction, GateState, Interval, Part, Place, Scalar, Side
from ci_core.reports.plot_parts import ConfusionMatrix, Image, Plot, Series

__all__ = [
    "SCHEMA_VERSION",
    "Annotation",
    "AnswerChange",
    "Behaviour",
    "BehaviourSide",
    "Change",
    "ColumnRow",
    "Commit",
    "ConfusionMatrix",
    "DataRow",
    "Direction",
    "EnvironmentRow",
    "FieldChange",
    "Gate",
    "GateState",
    "Graph",
    "GraphEdge",
    "GraphNode",
    "Image",
    "Interval",
    "Link",
    "MetricRow",
    "ModelRow",
    "Note",
    "ParamRow",
    "Part",
    "Pipeline",
    "Place",
    "Plan",
    "Plot",
    "Report",
    "Run",
    "Scalar",
    "Series",
    "Side",
    "Stage",
    "StageChange",
    "StageFailure",
    "StepChange",
    "TableContent",
    "ValueChange",
]

SCHEMA_VERSION = 1


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
    interval: Interval | None = None
    """Of ``new - old``, when sample size or folds are declared."""
    is_within_noise: bool = False
    """Whether the difference cannot be told from none."""


class MetricRow(Part):
    """One metric, before and after."""

    key: str
    old: Scalar = None
    """None when the metric did not exist."""
    new: Scalar = None
    difference: float | None = None
    """``new - old``; None unless both are finite numbers."""
    direction: Direction = "neutral"
    note: str = ""
    """What the numbers do not say: ``is not a number any more``, ``is new``."""


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
    examples: tuple[str, ...] = ()
    """Some of the files that differ in a folder: ``+ 2024-07.parquet``, ``- a.csv``, ``~ b.csv``."""
    made_by: str = ""
    """The stage that makes it; empty for data that no stage makes."""


class ModelRow(Part):
    """One model: a file or a folder."""

    path: str
    change: Change
    old_digest: str | None = None
    new_digest: str | None = None
    old_bytes: int | None = None
    new_bytes: int | None = None
    old_problem: str | None = None
    new_problem: str | None = None
    """Why it is not known what was, or is, there; then there is no digest."""
    registered: str = ""
    """Name, version and stages in the model registry: ``churn v1.2.0, production v1.1.0``."""


class StageChange(Part):
    """One stage of the pipeline that is declared otherwise."""

    name: str
    change: Change
    details: tuple[str, ...] = ()
    """``the command``, ``needs data/b.csv``, ``no longer makes plots``."""


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


class Note(Part):
    """Something the reader must know."""

    kind: Literal["info", "warning", "error"] = "info"
    """Warnings are shown on the first screen, and before them errors: what makes the verdict ``fail`` beside the gates
    and the pipeline's stages."""
    text: str
    """Names in backticks."""
    gate: str | None = None
    """Key of the gate that it is about."""


class Annotation(Part):
    """One changed line that explains a gate; shown on the line where the host can."""

    where: Place
    level: Literal["notice", "warning", "error"]
    text: str
    gate: str | None = None


class Report(Part):
    """Everything that is said about a change."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    project: str
    title: str = ""
    """The change request's title."""
    verdict: Literal["pass", "warn", "fail"]
    """The colour of the check: the worst gate, or ``fail`` when the pipeline failed or a note is an error."""
    base: Commit | None = None
    """None when there is nothing to compare with; a note then says why."""
    head: Commit
    run: Run = Run()
    gates: tuple[Gate, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    """Every number; of those that are text the ones that are not as at the base."""
    unchanged_texts: int = 0
    """Metrics that are text and as at the base: counted, not listed."""
    more_texts: int = 0
    """Metrics that are text and moved, beyond those that are listed."""
    params: tuple[ParamRow, ...] = ()
    data: tuple[DataRow, ...] = ()
    tables: tuple[TableContent, ...] = ()
    """What changed inside of tables."""
    models: tuple[ModelRow, ...] = ()
    environment: tuple[EnvironmentRow, ...] = ()
    stages: tuple[StageChange, ...] = ()
    """Stages that are declared otherwise; what ran is in `pipeline`."""
    stale: int = 0
    """Stages of the head that would run again: what they made describes an older state."""
    pipeline: Pipeline | None = None
    pipeline_graph: Graph | None = None
    """Stages and data, with what changed; None when the pipeline is as at the base."""
    graph: Graph | None = None
    """The serving graph."""
    behaviour: Behaviour | None = None
    plans: tuple[Plan, ...] = ()
    """One an environment, in promotion order."""
    plots: tuple[Plot, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    notes: tuple[Note, ...] = ()
    links: tuple[Link, ...] = ()

    def to_json(self) -> str:
        """Return the report as ``report.json`` holds it: indented, one final newline."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"
