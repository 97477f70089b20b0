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
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypeAliasType

from ci_core.config.amounts import (
    PERCENTAGE_PATTERN,
    SIZE_PATTERN,
    Regression,
    parse_regression,
    parse_share,
    parse_size,
)
from ci_core.config.durations import DURATION_PATTERN, parse_duration

NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,48}[a-z0-9])?$"
"""At once a GTO artifact name, a Kubernetes label and a safe folder name."""


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


METRIC_PATTERN = r"^[^:]+:[\s\S]+$"
"""A metric: ``file:key``, as in ``metrics.json:auc``."""


def _check_metric(key: str) -> str:
    if not re.match(METRIC_PATTERN, key):
        raise ValueError("expected a metric such as `metrics.json:cv.auc`")
    return key


def _check_sample_size(value: object) -> int | str:
    if isinstance(value, str) and re.match(METRIC_PATTERN, value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("expected a number of rows, or the metric that holds it such as `metrics.json:rows`")


def _check_files(pattern: str) -> str:
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise ValueError("expected files of the project such as `models/old.pkl` or `tests/*`")
    return pattern


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
Metric = Annotated[Text, AfterValidator(_check_metric), WithJsonSchema({"type": "string", "pattern": METRIC_PATTERN})]
SampleSize = TypeAliasType(
    "SampleSize",
    Annotated[
        int | str,
        PlainValidator(_check_sample_size),
        WithJsonSchema(
            {
                "description": "A number of rows, or the metric that holds it.",
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": METRIC_PATTERN}],
            }
        ),
    ],
)
MaxRegression = TypeAliasType(
    "MaxRegression",
    Annotated[
        Regression,
        PlainValidator(parse_regression),
        WithJsonSchema(
            {
                "description": "A number in the metric's own unit, or a percentage of the base's value: `2%`.",
                "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": PERCENTAGE_PATTERN}],
            }
        ),
    ],
)
Share = TypeAliasType(
    "Share",
    Annotated[
        float,
        PlainValidator(parse_share),
        WithJsonSchema(
            {
                "description": "A percentage such as `5%`, or a number from 0 to 1.",
                "anyOf": [
                    {"type": "number", "minimum": 0, "maximum": 1},
                    {"type": "string", "pattern": PERCENTAGE_PATTERN},
                ],
            }
        ),
    ],
)
Size = TypeAliasType(
    "Size",
    Annotated[
        int,
        PlainValidator(parse_size),
        WithJsonSchema(
            {
                "description": "A number with a unit: `50MB` (1000²), `50 MiB` (1024²).",
                "type": "string",
                "pattern": SIZE_PATTERN,
            }
        ),
    ],
)
FilePattern = Annotated[Text, AfterValidator(_check_files)]


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
    """A rule on one metric. At least one of the first four is given."""

    min: FiniteFloat | None = None
    """Fails when the metric is below this."""
    max: FiniteFloat | None = None
    """Fails when the metric is above this."""
    max_regression: MaxRegression | None = None
    """Fails when the metric is worse than at the base by more than this: `0.01`, or `2%` of the base's value."""
    must_improve: bool = False
    """Fails unless the metric is better than at the base."""
    folds: Metric | None = None
    """Metric that lists the values of the single folds, `metrics.json:cv.auc`: differences get an interval."""
    sample_size: SampleSize | None = None
    """Rows that a share such as accuracy was measured on, or the metric with their number: the same."""

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        if self.min is None and self.max is None and self.max_regression is None and not self.must_improve:
            raise ValueError("a gate needs at least one of `min`, `max`, `max-regression`, `must-improve`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` {self.min:g} is above `max` {self.max:g}: no value can pass")
        return self


class RawDataGate(Section):
    """Rules on the data that the change brings."""

    no_missing_objects: bool = True
    """Fails when the DVC remote lacks an object that the change names."""
    same_schema: bool = False
    """Fails when a table loses a column, or a column changes its type; new columns are fine."""
    max_drift: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = None
    """Fails when a column's Jensen-Shannon distance from the base's version is above this, 0 to 1."""

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        if not self.no_missing_objects and not self.same_schema and self.max_drift is None:
            raise ValueError("a gate needs at least one of `no-missing-objects`, `same-schema`, `max-drift`")
        return self


class RawBehaviourGate(Section):
    """A rule on how many of the recorded requests are answered otherwise."""

    max_changed: Share
    """Fails when more of the requests than this are answered otherwise."""


class RawLatencyGate(Section):
    """A rule on how much slower the serving graph answers."""

    max_ratio: Annotated[FiniteFloat, Field(gt=0)]
    """Fails when the median time over the base's is surely above this: `1.2` is a fifth slower."""


class RawModelSizeGate(Section):
    """Rules on the size of each model that the serving graph loads. At least one is given."""

    max: Size | None = None
    """Fails when a model is larger than this."""
    max_growth: Share | None = None
    """Fails when a model is larger than at the base by more than this share."""

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        if self.max is None and self.max_growth is None:
            raise ValueError("a gate needs at least one of `max`, `max-growth`")
        return self


class RawPickleScanGate(Section):
    """Fails when a pickled model would run something dangerous. Without this section it only warns."""

    allow: list[FilePattern] = []
    """Files that are vouched for; `*` is any text."""


class RawSecretsGate(Section):
    """Fails when an added line looks like a token or a private key. Without this section it only warns."""

    allow: list[FilePattern] = []
    """Files that may hold such lines; `*` is any text."""


class RawGates(Section):
    """Rules that decide the colour of the check; any other key is a metric, `file:key`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra=lambda schema: schema.update(
            patternProperties={METRIC_PATTERN: schema.pop("additionalProperties")}
        ),
    )
    __pydantic_extra__: dict[str, RawMetricGate] = Field(init=False)

    data: RawDataGate | None = None
    """Objects, schema and drift of the data."""
    behaviour: RawBehaviourGate | None = None
    """Answers to the recorded requests."""
    latency: RawLatencyGate | None = None
    """Time of an answer."""
    model_size: RawModelSizeGate | None = None
    """Size of the models."""
    pickle_scan: RawPickleScanGate | None = None
    """What pickled models would run."""
    secrets: RawSecretsGate | None = None
    """Tokens and keys in added lines."""


RESERVED_GATES = tuple(kebab(name) for name in RawGates.model_fields)
"""Keys of ``gates`` that are no metric."""


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
    gates: RawGates = Field(default_factory=RawGates)
    """Rules that decide the colour of the check."""
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
