"""What ``graphship.yaml`` may say: pydantic models, one a section, in the order of the file.

The models are the single source of the JSON Schema and of ``docs/reference/graphship-yaml.md``; the sentence under a
field is what an editor shows for it. ``config/problems.py`` turns what a model refuses into messages, and
``config/reader.py`` turns an accepted :class:`RawConfig` into :class:`~ci_core.config.settings.Settings`.

Validators here judge one value by its own text. What needs the disk is in ``config/files.py``, what joins
several values, or needs the registry of targets, in ``config/checks.py``.
"""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypeAliasType

from ci_core.config.durations import DURATION_PATTERN, parse_duration

NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,48}[a-z0-9])?$"
"""At once a GTO artifact name, a Kubernetes label and a safe folder name."""

RESERVED_GATES = ("data", "behaviour", "latency", "model-size", "pickle-scan", "secrets")
"""Gates of the design that are not built yet; a key of that name is told so rather than ignored."""


def kebab(name: str) -> str:
    """Return the spelling of a Python name in ``graphship.yaml``: ``time_column`` is ``time-column``."""
    return name.replace("_", "-")


def check_name(name: str) -> str:
    """Return `name` when it can be the name of a project or an environment; ValueError says what can."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(
            "expected 1 to 50 lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen"
        )
    return name


def _check_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a duration such as `30s`, `15m`, `24h`, `7d`")  # noqa: TRY004 - pydantic's protocol
    return parse_duration(value)


def _check_positive(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("expected more than no time at all")
    return duration


def _check_gate_key(key: str) -> str:
    file, colon, metric = key.partition(":")
    if not (file and colon and metric):
        raise ValueError("a gate on a metric is written `file:key`, as in `metrics.json:auc`")
    return key


def _check_graph(reference: str) -> str:
    if reference.endswith((".yaml", ".yml")):
        return reference
    file, _, name = reference.rpartition(":")
    if not (file.endswith(".py") and name.isidentifier()):
        raise ValueError("expected `path/to/file.py:name` or a `.yaml` file")
    return reference


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": DURATION_PATTERN,
    "description": "A whole number and one of `s`, `m`, `h`, `d`, `w`: `30s`, `24h`, `7d`.",
}

Name = Annotated[str, AfterValidator(check_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
Text = Annotated[str, Field(min_length=1)]
Duration = TypeAliasType(
    "Duration", Annotated[timedelta, BeforeValidator(_check_duration), WithJsonSchema(_DURATION_SCHEMA)]
)
GraphReference = Annotated[str, AfterValidator(_check_graph)]
GateKey = Annotated[
    str,
    AfterValidator(_check_gate_key),
    WithJsonSchema({"type": "string", "pattern": "^[^:]+:.+$"}),
]


class Section(BaseModel):
    """A mapping in the file: keys in kebab-case, none but the known ones, no silent conversion of types."""

    model_config = ConfigDict(
        alias_generator=kebab, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class RawPipeline(Section):
    """How the batch pipeline that makes the model is run."""

    engine: Literal["dvc"] = "dvc"
    """The engine that runs the stages."""
    commit_lock: bool = True
    """Whether CI commits a refreshed `dvc.lock`, and metrics kept in Git, to the change request's branch."""


class RawMetricGate(Section):
    """A rule on one metric. At least one of the three is given."""

    min: FiniteFloat | None = None
    """Fails when the metric is below this."""
    max: FiniteFloat | None = None
    """Fails when the metric is above this."""
    max_regression: Annotated[FiniteFloat, Field(ge=0)] | None = None
    """Fails when the metric is worse than at the base by more than this, in the metric's own unit."""

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        if self.min is None and self.max is None and self.max_regression is None:
            raise ValueError("a gate needs at least one of `min`, `max`, `max-regression`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` {self.min:g} is above `max` {self.max:g}: no value can pass")
        return self


class RawEnvironment(Section):
    """A place to deploy to, on this machine. Environments are written in promotion order."""

    target: Literal["local"] = "local"
    """Where the graph runs."""
    deploy_on: Literal["merge", "manual"] = "merge"
    """What deploys here: a merge to the default branch, or only the command."""
    host: Text = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Port to listen on; `0` takes any free one."""
    ready_timeout: Duration = Field(default="30s", validate_default=True)
    """How long a new server may take to get ready before the deployment fails."""
    drain_timeout: Duration = Field(default="10s", validate_default=True)
    """How long the old server may take to finish its requests after the switch."""


class RawPluginEnvironment(Section):
    """A place to deploy to on a target that another package brings; the target judges the other keys."""

    model_config = ConfigDict(extra="allow")

    target: Text
    deploy_on: Literal["merge", "manual"] = "merge"


class RawCapture(Section):
    """Where model calls are written down."""

    to: Text = ".graphship/captures"
    """Folder or fsspec URL."""
    sample: Annotated[FiniteFloat, Field(ge=0, le=1)] = 1.0
    """Share of events that is captured, 0 to 1."""


class RawLabels(Section):
    """Where the true outcomes appear later; with them the real performance is followed."""

    path: Text
    """Parquet file or URL with one row per event."""
    key: Text = "event_id"
    """Column that joins a label to its captured event."""


class RawMonitor(Section):
    """How live traffic is compared with the reference."""

    reference: Text
    """Parquet table that the model was made from, tracked by DVC."""
    time_column: Text | None = None
    """Column with the event's own time. Without it verdicts are not calibrated on the reference's own time blocks."""
    window: Annotated[Duration, AfterValidator(_check_positive)] = Field(default="24h", validate_default=True)
    """Length of a window; windows start at multiples of it since 1970-01-01 UTC."""
    target: Text | None = None
    """Column that the model predicts; never compared as a feature."""
    ignore: list[Text] = []
    """Columns that are not compared."""
    importance: Text = "model"
    """`model` (permutation importance of the released model), `none`, or a JSON file of column: weight."""
    labels: RawLabels | None = None
    """Late labels."""


class RawChangeRequest(Section):
    """How the retrain change request is opened."""

    labels: list[Text] = ["retrain"]
    """Labels it gets."""
    reviewers: list[Text] = []
    """Accounts asked for a review."""


class RawRetrain(Section):
    """When and how drift leads to a change request with a newly trained model."""

    on: Literal["drift", "manual"] = "drift"
    """What starts a retraining."""
    data: Text
    """Parquet table, tracked by DVC, that gets the new windows."""
    window: Literal["append", "sliding"] = "append"
    """`append` keeps all old rows; `sliding` drops the oldest so that their number stays the same."""
    hold_back: Annotated[int, Field(ge=1)] = 2
    """Number of newest windows that champion and challenger are judged on."""
    cool_down: Duration = Field(default="24h", validate_default=True)
    """No new request within this time after one was closed."""
    change_request: RawChangeRequest = Field(default_factory=RawChangeRequest)
    """The change request itself."""


class RawConfig(Section):
    """Configuration of a project: https://github.com/graphship/graphship/blob/main/docs/reference/graphship-yaml.md."""

    name: Name
    """The project's name: lower-case letters, digits and hyphens."""
    pipeline: RawPipeline = Field(default_factory=RawPipeline)
    """How the batch pipeline is run."""
    graph: GraphReference | None = None
    """The serving graph: `path/to/file.py:name`, or a `.yaml` file with the same content."""
    gates: dict[GateKey, RawMetricGate] = Field(default_factory=dict)
    """Rules that decide the colour of the check; a key is a metric, `file:key`."""
    environments: dict[Name, RawEnvironment] = Field(default_factory=dict)
    """Places to deploy to, in promotion order."""
    smoke: Text | None = None
    """JSON-lines file of requests replayed before a release gets traffic."""
    capture: RawCapture = Field(default_factory=RawCapture)
    """What is written down of the model's calls, and where."""
    monitor: RawMonitor | None = None
    """How live traffic is compared with the reference."""
    retrain: RawRetrain | None = None
    """When and how drift leads to a new model; needs `monitor`."""
