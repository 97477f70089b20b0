"""What ``graphship.yaml`` came to: frozen, complete, every default filled in.

What the file *said* is another type (``config/raw.py``). Operations receive these objects as arguments and never read
the file or the environment themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ci_core.errors import Location, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from pathlib import Path

    from ci_core.types import EnvironmentName, JsonValue

CONFIG_FILE = "graphship.yaml"

Engine = Literal["dvc"]
DeployOn = Literal["merge", "manual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGate:
    """A rule on one metric that decides the colour of the check."""

    file: str
    """Metrics file, relative to the project: ``metrics.json``."""
    metric: str
    """Dotted key inside the file: ``auc`` or ``test.auc``."""
    min: float | None = None
    """The gate fails when the head's value is below this."""
    max: float | None = None
    """The gate fails when the head's value is above this."""
    max_regression: float | None = None
    """The gate fails when the value is worse than the base's by more than this, in the metric's own unit."""
    max_regression_share: float | None = None
    """The same as a share of the base's value: 0.02 is written ``2%``."""
    must_improve: bool = False
    """The gate fails unless the value is better than the base's."""
    folds: str | None = None
    """Metric that holds the values of the single folds: ``metrics.json:cv.auc``. With it differences are judged with
    an interval."""
    sample_size: int | str | None = None
    """Number of rows a proportion such as accuracy was measured on, or the metric that holds the number."""

    @property
    def key(self) -> str:
        """The spelling used in ``graphship.yaml`` and in reports: ``metrics.json:auc``."""
        return f"{self.file}:{self.metric}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataGate:
    """Rules on the data that the change brings."""

    no_missing_objects: bool = True
    """Fails when the DVC remote lacks an object that the head names."""
    same_schema: bool = False
    """Fails when a table loses a column or a column changes its type."""
    max_drift: float | None = None
    """Fails when a column's Jensen-Shannon distance from the base's version is above this, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourGate:
    """A rule on how many recorded requests are answered otherwise."""

    max_changed: float
    """Share, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyGate:
    """A rule on how much slower the head's graph answers."""

    max_ratio: float
    """Median time of head over that of base; fails when the whole interval is above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSizeGate:
    """Rules on the size of the models that the graph loads."""

    max_bytes: int | None = None
    """Of each model."""
    max_growth: float | None = None
    """Share of the base's size, of each model: 0.2 is written ``20%``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleScanGate:
    """A rule on what pickled models would run when they are loaded."""

    allow: tuple[str, ...] = ()
    """Files that are vouched for."""
    is_written: bool = False
    """Whether it stands in ``graphship.yaml``: one that does not only warns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsGate:
    """A rule on lines that the change adds and that look like a token or a private key."""

    allow: tuple[str, ...] = ()
    """Files that may hold such lines: examples, tests."""
    is_written: bool = False
    """Whether it stands in ``graphship.yaml``: one that does not only warns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The rules that decide the colour of the check."""

    metrics: tuple[MetricGate, ...] = ()
    """In the order of the file."""
    data: DataGate | None = None
    behaviour: BehaviourGate | None = None
    latency: LatencyGate | None = None
    model_size: ModelSizeGate | None = None
    pickle_scan: PickleScanGate = field(default_factory=PickleScanGate)
    secrets: SecretsGate = field(default_factory=SecretsGate)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """How the batch pipeline that makes the model is run."""

    engine: Engine = "dvc"
    """Only ``dvc`` today; other engines come as adapters."""
    commit_lock: bool = True
    """Whether CI commits a refreshed ``dvc.lock`` (and metrics kept in Git) to the change request's branch. On by
    default: else the merged commit would describe a model that nobody made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """A named place to deploy to."""

    name: EnvironmentName
    target: str = "local"
    """Adapter's name: ``local`` today."""
    deploy_on: DeployOn = "merge"
    """What deploys here: a merge to the default branch, a stage tag, or only a command."""
    options: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    """Keys that belong to the target, as the file spells them. For ``local`` all are there, defaults filled in:
    ``host`` (str), ``port`` (int), ``ready-timeout`` and ``drain-timeout`` (seconds, float)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """Where model calls are written down."""

    to: str = ".graphship/captures"
    """Folder or fsspec URL. A relative path belongs to whoever serves: the project folder for ``graphship serve``, the
    environment's own folder on the local target."""
    sample: float = 1.0
    """Share of events that is captured, 0 to 1. All of them by default: drift is judged on counts, and a sample makes
    small windows blind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSettings:
    """Where the true outcomes appear later."""

    path: str
    """Parquet file or URL with one row per event."""
    key: str = "event_id"
    """Column that joins a label to its captured event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """How live traffic is compared with the reference."""

    reference: str
    """DVC-tracked table the model was made from, relative to the project."""
    time_column: str | None = None
    """Column with the event's own time; without it no block null can be formed and verdicts are uncalibrated."""
    window: timedelta
    """Length of a window; windows start at multiples of it since 1970-01-01 UTC. Default 24 h: the shortest that holds
    a whole daily cycle."""
    target: str | None = None
    """Column of the reference that the model predicts; never compared as a feature."""
    ignore: tuple[str, ...] = ()
    """Columns that are not compared."""
    importance: str = "model"
    """``model`` (permutation importance of the released model), ``none``, or a JSON file of column: weight."""
    labels: LabelSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainChangeRequestSettings:
    """How the retrain change request is opened."""

    labels: tuple[str, ...] = ("retrain",)
    reviewers: tuple[str, ...] = ()
    is_draft: bool = False
    """Default false: reviewers are told of it at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainSettings:
    """When and how drift leads to a change request with a newly trained model."""

    on: Literal["drift", "manual"] = "drift"
    data: str
    """DVC-tracked table that gets the new windows, relative to the project."""
    window: Literal["append", "sliding"] = "append"
    """``append`` keeps all old rows; ``sliding`` drops the oldest rows so that the number stays the same."""
    hold_back: int = 2
    """Number of newest windows that champion and challenger are judged on. Two: one window can be an odd day."""
    cool_down: timedelta
    """No new request within this time after one was closed. Default 24 h."""
    change_request: RetrainChangeRequestSettings = field(default_factory=RetrainChangeRequestSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything graphship knows about a project from its configuration."""

    root: Path
    """The project's folder: the one that holds ``graphship.yaml``. Absolute."""
    name: str
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    graph: str | None = None
    """``path/to/file.py:name`` or a ``.yaml`` file; None when the project serves nothing."""
    gates: Gates = field(default_factory=Gates)
    environments: tuple[EnvironmentSettings, ...] = ()
    """In promotion order."""
    smoke: str | None = None
    """JSON-lines file of requests replayed before a release gets traffic."""
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    monitor: MonitorSettings | None = None
    retrain: RetrainSettings | None = None
    lines: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)
    """Key path → 1-based line in ``graphship.yaml``, for messages."""

    def locate(self, key: str) -> Location:
        """Return where `key` stands in ``graphship.yaml``, or where its nearest parent does."""
        probe = key
        while probe and probe not in self.lines:
            probe = probe.rpartition(".")[0]
        return Location(file=CONFIG_FILE, line=self.lines.get(probe), key=key)

    def environment(self, name: str) -> EnvironmentSettings:
        """Return the environment called `name`.

        Raises:
            UnknownNameError: there is none of that name.
        """
        for environment in self.environments:
            if environment.name == name:
                return environment
        raise UnknownNameError(
            kind="environment",
            name=name,
            known_names=[environment.name for environment in self.environments],
            where=self.locate("environments"),
        )
