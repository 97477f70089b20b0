"""What ``gates`` may say in ``graphship.yaml``: one model a gate, and the kinds of values that only gates have."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, FiniteFloat, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import TypeAliasType

from ci_core.config.amounts import (
    PERCENTAGE_PATTERN,
    SIZE_PATTERN,
    Regression,
    parse_regression,
    parse_share,
    parse_size,
)
from ci_core.config.raw_values import Section, Text, kebab

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

    allow: list[FilePattern] = Field(default=[])
    """Files that are vouched for; `*` is any text."""


class RawSecretsGate(Section):
    """Fails when an added line looks like a token or a private key. Without this section it only warns."""

    allow: list[FilePattern] = Field(default=[])
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
