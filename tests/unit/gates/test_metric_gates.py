from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from ci_core.config.settings import MetricGate
from ci_core.gates.metrics import judge_gates
from ci_core.gates.spec import GateResult
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.revision import CodeVersion, EnvironmentVersion, Snapshot

if TYPE_CHECKING:
    from ci_core.types import JsonValue


def snapshot(**metrics: JsonValue) -> Snapshot:
    return Snapshot(
        code=CodeVersion(commit=CommitId("a" * 40)),
        metrics={f"metrics.json:{name}": value for name, value in metrics.items()},
        environment=EnvironmentVersion(python="3.11"),
    )


def judge(gate: MetricGate, old: Snapshot | None, new: Snapshot, base_problem: str | None = None) -> GateResult:
    (result,) = judge_gates([gate], compare(old, new, gates=[gate], base_problem=base_problem))
    return result


def gate(
    metric: str = "auc", *, low: float | None = None, high: float | None = None, regression: float | None = None
) -> MetricGate:
    return MetricGate(file="metrics.json", metric=metric, min=low, max=high, max_regression=regression)


def test_a_metric_within_its_bounds_passes_and_says_where_it_was() -> None:
    result = judge(gate(low=0.8, regression=0.01), snapshot(auc=0.83), snapshot(auc=0.84))

    assert result == GateResult(
        key="metrics.json:auc",
        state="pass",
        old=0.83,
        new=0.84,
        limit="at least 0.8, falls by at most 0.01",
        sentence="`metrics.json:auc` is 0.84 (was 0.83)",
    )


def test_a_metric_below_its_minimum_fails() -> None:
    result = judge(gate(low=0.8), snapshot(auc=0.9), snapshot(auc=0.79))

    assert result.state == "fail"
    assert result.sentence == "`metrics.json:auc` is 0.79, less than the 0.8 it must reach"


def test_a_metric_above_its_maximum_fails() -> None:
    result = judge(gate("cost", high=10), snapshot(cost=1), snapshot(cost=10.5))

    assert result.state == "fail"
    assert result.sentence == "`metrics.json:cost` is 10.5, more than the 10 it may be"


def test_a_value_exactly_on_a_bound_passes() -> None:
    assert judge(gate(low=0.8), snapshot(auc=0.8), snapshot(auc=0.8)).state == "pass"


@pytest.mark.parametrize(("new", "state"), [(0.82, "pass"), (0.8199, "fail")])
def test_a_regression_is_judged_in_decimal_as_people_mean_it(new: float, state: str) -> None:
    # 0.83 - 0.82 is 0.010000000000000009 in binary
    assert judge(gate(regression=0.01), snapshot(auc=0.83), snapshot(auc=new)).state == state


def test_a_loss_that_rises_too_far_fails_with_numbers() -> None:
    result = judge(gate("log_loss", regression=0.05), snapshot(log_loss=0.3), snapshot(log_loss=0.4))

    assert result.state == "fail"
    assert result.limit == "rises by at most 0.05"
    assert result.sentence == "`metrics.json:log_loss` rose from 0.3 to 0.4, by 0.1; 0.05 is allowed"


def test_an_improvement_is_never_a_regression() -> None:
    assert judge(gate("log_loss", regression=0), snapshot(log_loss=0.3), snapshot(log_loss=0.1)).state == "pass"


def test_a_metric_that_is_missing_fails_with_the_nearest_names() -> None:
    result = judge(gate("auc"), snapshot(auc=0.8), snapshot(roc_auc=0.8, rows=3))

    assert result.state == "fail"
    assert result.sentence.startswith("there is no metric `metrics.json:auc` in this commit; nearest: `metrics.json:")


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.9", None, True])
def test_a_metric_that_is_no_finite_number_fails(value: JsonValue) -> None:
    assert judge(gate(low=0.5), snapshot(auc=0.9), snapshot(auc=value)).state == "fail"


def test_a_regression_without_a_readable_base_is_a_warning_that_says_why() -> None:
    result = judge(gate(low=0.5, regression=0.01), None, snapshot(auc=0.9), base_problem="the clone is shallow")

    assert result.state == "warn"
    assert result.sentence == "the regression of `metrics.json:auc` was not judged: the clone is shallow"


def test_a_minimum_is_judged_without_a_base() -> None:
    assert judge(gate(low=0.95, regression=0.01), None, snapshot(auc=0.9)).state == "fail"


def test_a_regression_of_a_metric_nobody_knows_fails_and_says_how_to_mend_it() -> None:
    result = judge(gate("speed", regression=0.1), snapshot(speed=1.0), snapshot(speed=2.0))

    assert result.state == "fail"
    assert "adding `min` or `max`" in result.sentence


def test_results_come_in_the_order_of_the_gates() -> None:
    gates = [gate("b", low=0), gate("a", low=0)]

    results = judge_gates(gates, compare(None, snapshot(a=1, b=1)))

    assert [result.key for result in results] == ["metrics.json:b", "metrics.json:a"]
