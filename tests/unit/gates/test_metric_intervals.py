"""A regression that may be noise is judged with an interval, from folds or a sample's size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci_core.config.settings import MetricGate
from ci_core.gates.evidence import Folds
from ci_core.gates.metrics import judge_gates
from ci_core.versioning.compare import compare
from tests.unit.gates.judged_metrics import gate, improving, judge, snapshot

if TYPE_CHECKING:
    from ci_core.gates.spec import GateResult

FOLDS = "metrics.json:cv"

NOISY = Folds(old=(0.80, 0.82, 0.78, 0.81, 0.79), new=(0.82, 0.77, 0.78, 0.80, 0.78))
"""Mean difference -0.01, s 0.0255, root of 1/5 + 1/4 0.6708, t 2.7764: interval -0.0575 to 0.0375."""

CLEAR = Folds(old=(0.80, 0.82, 0.78, 0.81, 0.79), new=(0.77, 0.79, 0.75, 0.78, 0.761))
"""Each fold is worse by about 0.03."""


def judge_with_folds(gate: MetricGate, old: float, new: float, folds: Folds) -> GateResult:
    diff = compare(snapshot(auc=old), snapshot(auc=new))
    (result,) = judge_gates([gate], diff, {FOLDS: folds})
    return result


@pytest.mark.parametrize(
    ("folds", "old", "new", "state", "is_within_noise"),
    [
        (CLEAR, 0.80, 0.77, "fail", False),  # beyond the limit, and no chance
        (NOISY, 0.80, 0.77, "warn", True),  # beyond the limit, and may be chance
        (NOISY, 0.80, 0.795, "pass", True),  # within the limit
        (CLEAR, 0.80, 0.795, "pass", False),
        (NOISY, 0.80, 0.80, "pass", False),  # nothing moved, so there is nothing to tell from noise
    ],
)
def test_a_regression_fails_only_when_it_is_more_than_noise(
    *, folds: Folds, old: float, new: float, state: str, is_within_noise: bool
) -> None:
    gate = MetricGate(file="metrics.json", metric="auc", max_regression=0.01, folds=FOLDS)

    result = judge_with_folds(gate, old, new, folds)

    assert (result.state, result.is_within_noise) == (state, is_within_noise)
    assert result.interval is not None


def test_within_noise_is_told_with_the_interval() -> None:
    gate = MetricGate(file="metrics.json", metric="auc", max_regression=0.01, folds=FOLDS)

    assert judge_with_folds(gate, 0.80, 0.77, NOISY).sentence == (
        "`metrics.json:auc` fell from 0.8 to 0.77, by 0.03; 0.01 is allowed; "
        "that is within noise (95 % interval of the difference: -0.0575 to 0.0375)"
    )


@pytest.mark.parametrize(
    ("folds", "new", "state"),
    [
        (Folds(old=NOISY.new, new=NOISY.old), 0.82, "warn"),  # better, and may be chance
        (Folds(old=CLEAR.new, new=CLEAR.old), 0.82, "pass"),
        (Folds(old=NOISY.new, new=NOISY.old), 0.79, "fail"),  # not even the estimate is better
    ],
)
def test_an_improvement_within_noise_is_neither_passed_nor_failed(folds: Folds, new: float, state: str) -> None:
    assert judge_with_folds(improving(folds=FOLDS), 0.80, new, folds).state == state


def test_a_minimum_is_one_of_the_value_whatever_the_noise() -> None:
    gate = MetricGate(file="metrics.json", metric="auc", min=0.79, max_regression=0.01, folds=FOLDS)

    result = judge_with_folds(gate, 0.80, 0.77, NOISY)

    assert (result.state, result.is_within_noise) == ("fail", False)
    assert result.sentence.startswith("`metrics.json:auc` is 0.77, less than the 0.79 it must reach; ")


@pytest.mark.parametrize(
    ("folds", "why"),
    [
        (Folds(problem="the base has no list of numbers at `metrics.json:cv`"), "the base has no list of numbers"),
        (Folds(old=(0.8,), new=(0.8,)), "`metrics.json:cv` lists fewer than two values"),
    ],
)
def test_without_folds_a_regression_is_judged_without_an_interval_and_says_so(folds: Folds, why: str) -> None:
    gate = MetricGate(file="metrics.json", metric="auc", max_regression=0.01, folds=FOLDS)

    result = judge_with_folds(gate, 0.80, 0.77, folds)

    assert result.state == "fail"
    assert result.interval is None
    assert f"; judged without an interval: {why}" in result.sentence


def test_folds_beyond_all_floats_are_told() -> None:
    gate = MetricGate(file="metrics.json", metric="auc", max_regression=0.01, folds=FOLDS)

    result = judge_with_folds(gate, 0.80, 0.77, Folds(old=(-1.7e308, 1.7e308), new=(1.7e308, -1.7e308)))

    assert (result.state, result.interval) == ("fail", None)
    assert result.sentence.endswith(
        "; judged without an interval: the values of `metrics.json:cv` are too large to calculate with"
    )


HUGE = 10**400
"""A whole number that a JSON file can hold and a float cannot."""


@pytest.mark.parametrize(
    ("old", "new", "state"), [(HUGE, 0.9, "pass"), (0.9, HUGE, "fail"), (HUGE, -HUGE, "fail"), (HUGE, 0.7, "fail")]
)
def test_whole_numbers_beyond_all_floats_are_judged(old: float, new: float, state: str) -> None:
    assert judge(gate(low=0.8), snapshot(auc=old), snapshot(auc=new)).state == state


def test_a_regression_from_a_number_beyond_all_floats_is_not_judged() -> None:
    assert judge(gate(regression=0.1), snapshot(auc=HUGE), snapshot(auc=0.9)).state == "warn"


@pytest.mark.parametrize(("rows", "state"), [(500, "warn"), (50_000, "fail")])
def test_a_share_of_declared_rows_is_judged_with_an_interval(rows: int, state: str) -> None:
    # standard error of the difference about 0.026 for 500 rows each, 0.0026 for 50,000
    gate = MetricGate(file="metrics.json", metric="accuracy", max_regression=0.01, sample_size=rows)

    result = judge(gate, snapshot(accuracy=0.80), snapshot(accuracy=0.78))

    assert result.state == state
    assert result.interval is not None


def test_the_number_of_rows_may_be_a_metric_of_each_side() -> None:
    gate = MetricGate(file="metrics.json", metric="accuracy", max_regression=0, sample_size="metrics.json:rows")

    result = judge(gate, snapshot(accuracy=48 / 80, rows=80), snapshot(accuracy=56 / 70, rows=70))

    assert result.interval is not None
    assert result.interval.low == pytest.approx(0.0524, abs=5e-5)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ({"accuracy": 80, "rows": 5}, {"accuracy": 78, "rows": 5}, "is no share of rows, which is from 0 to 1"),
        ({"accuracy": 0.8}, {"accuracy": 0.7, "rows": 5}, "`metrics.json:rows` is no number of rows on both sides"),
        ({"accuracy": 0.8, "rows": 0}, {"accuracy": 0.7, "rows": 5}, "is no number of rows on both sides"),
        ({"accuracy": 0.8, "rows": "x"}, {"accuracy": 0.7, "rows": 5}, "is no number of rows on both sides"),
    ],
)
def test_a_sample_size_that_does_not_fit_is_told(old: dict[str, Any], new: dict[str, Any], why: str) -> None:
    gate = MetricGate(file="metrics.json", metric="accuracy", max_regression=0.01, sample_size="metrics.json:rows")

    result = judge(gate, snapshot(**old), snapshot(**new))

    assert result.state == "fail"
    assert why in result.sentence
