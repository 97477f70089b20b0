"""Gates on metrics: bounds, regressions and improvements, in decimal arithmetic."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.config.settings import MetricGate
from ci_core.gates.metrics import judge_gates
from ci_core.gates.spec import GateResult
from ci_core.versioning.compare import compare
from tests.unit.gates.judged_metrics import gate, improving, judge, snapshot

if TYPE_CHECKING:
    from ci_core.types import JsonValue


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


digits = st.integers(-(10**6), 10**6)

powers = st.integers(-290, 290)


def decimal(count: int, power: int) -> float:
    """Return what a file means by so many digits at a decimal place."""
    return float(Decimal(count).scaleb(power))


@given(digits, st.integers(0, 10**6), st.integers(-3, 3), powers)
def test_numbers_are_judged_as_in_decimal_arithmetic_however_small_or_large(
    old: int, allowed: int, spare: int, power: int
) -> None:
    new = old - allowed + spare
    before, after = snapshot(auc=decimal(old, power)), snapshot(auc=decimal(new, power))
    limit = decimal(allowed, power)

    assert judge(gate(regression=limit), before, after).state == ("pass" if old - new <= allowed else "fail")
    assert judge(improving(), before, after).state == ("pass" if new > old else "fail")
    assert judge(gate(low=limit), before, after).state == ("pass" if new >= allowed else "fail")
    assert judge(gate(high=limit), before, after).state == ("pass" if new <= allowed else "fail")


@given(st.integers(-(10**4), 10**4), st.integers(0, 200), st.integers(-3, 3), powers)
def test_shares_of_the_base_are_taken_as_in_decimal_arithmetic(old: int, percent: int, spare: int, power: int) -> None:
    new = 100 * old - percent * abs(old) + spare  # in hundredths
    before, after = snapshot(auc=decimal(old, power)), snapshot(auc=decimal(new, power - 2))

    assert judge(share_gate(percent / 100), before, after).state == ("pass" if spare >= 0 else "fail")


@pytest.mark.parametrize("noise", [1e-15, -1e-15, 1e-13, -1e-13])
def test_what_rounding_adds_is_neither_a_loss_nor_a_gain(noise: float) -> None:
    before, after = snapshot(auc=0.8), snapshot(auc=0.8 + noise)

    assert judge(gate(regression=0), before, after).state == "pass"
    assert judge(improving(), before, after).state == "fail"


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


# --- shares of the base's value ---


def share_gate(share: float, metric: str = "auc") -> MetricGate:
    return MetricGate(file="metrics.json", metric=metric, max_regression_share=share)


@pytest.mark.parametrize(("new", "state"), [(0.784, "pass"), (0.7839, "fail"), (0.9, "pass")])
def test_a_percentage_is_one_of_the_bases_value(new: float, state: str) -> None:
    assert judge(share_gate(0.02), snapshot(auc=0.8), snapshot(auc=new)).state == state


def test_a_percentage_is_told_as_one() -> None:
    result = judge(share_gate(0.02), snapshot(auc=0.8), snapshot(auc=0.76))

    assert result.limit == "falls by at most 2 %"
    assert result.sentence == "`metrics.json:auc` fell from 0.8 to 0.76, by 5 %; 2 % is allowed"


@pytest.mark.parametrize(("new", "state"), [(-0.5, "pass"), (-0.55, "pass"), (-0.56, "fail")])
def test_a_percentage_of_a_negative_value_is_one_of_its_size(new: float, state: str) -> None:
    assert judge(share_gate(0.1, "r2"), snapshot(r2=-0.5), snapshot(r2=new)).state == state


@pytest.mark.parametrize(("new", "state"), [(0, "pass"), (0.1, "pass"), (-0.001, "fail")])
def test_of_a_base_of_zero_a_percentage_allows_nothing(new: float, state: str) -> None:
    result = judge(share_gate(0.1, "r2"), snapshot(r2=0), snapshot(r2=new))

    assert result.state == state
    if state == "fail":
        assert result.sentence == (
            "`metrics.json:r2` fell from 0 to -0.001, by 0.001; 10 % of 0, which is nothing, is allowed"
        )


# --- must improve ---


@pytest.mark.parametrize(
    ("metric", "old", "new", "state"),
    [
        ("auc", 0.8, 0.81, "pass"),
        ("auc", 0.8, 0.8, "fail"),
        ("auc", 0.8, 0.79, "fail"),
        ("log_loss", 0.3, 0.29, "pass"),
        ("log_loss", 0.3, 0.31, "fail"),
        ("auc", 0.1 + 0.2, 0.3, "fail"),
        ("auc", 0.3, 0.1 + 0.2, "fail"),
    ],
)
def test_a_metric_that_must_improve_is_better_than_at_the_base(metric: str, old: float, new: float, state: str) -> None:
    assert judge(improving(metric), snapshot(**{metric: old}), snapshot(**{metric: new})).state == state


def test_no_improvement_is_told() -> None:
    same = judge(improving(), snapshot(auc=0.8), snapshot(auc=0.8))
    worse = judge(improving(), snapshot(auc=0.8), snapshot(auc=0.79))

    assert same.limit == "must improve"
    assert same.sentence == "`metrics.json:auc` is 0.8, as before; it must improve"
    assert worse.sentence == "`metrics.json:auc` fell from 0.8 to 0.79; it must improve"


def test_a_loss_that_is_allowed_is_still_no_improvement() -> None:
    assert judge(improving(max_regression=0.1), snapshot(auc=0.8), snapshot(auc=0.79)).state == "fail"


def test_an_improvement_of_a_metric_that_the_base_does_not_have_is_a_warning() -> None:
    result = judge(improving(), snapshot(), snapshot(auc=0.8))

    assert result.state == "warn"
    assert result.sentence == (
        "the improvement of `metrics.json:auc` was not judged: the base has no number for `metrics.json:auc`"
    )


# --- laws ---


def test_numbers_that_differ_are_never_shown_alike() -> None:
    result = judge(gate(low=0.8), snapshot(auc=0.9), snapshot(auc=0.79999999))

    assert result.sentence == "`metrics.json:auc` is 0.79999999, less than the 0.8 it must reach"


finite = st.floats(-1e6, 1e6)


@given(finite, finite, st.floats(0, 1e6))
def test_a_larger_allowance_never_fails_what_a_smaller_one_passes(old: float, new: float, allowed: float) -> None:
    smaller = judge(gate(regression=allowed), snapshot(auc=old), snapshot(auc=new))
    larger = judge(gate(regression=allowed * 2 + 1), snapshot(auc=old), snapshot(auc=new))

    assert not (smaller.state == "pass" and larger.state == "fail")


@given(finite, finite)
def test_a_metric_that_must_improve_passes_one_way_only(old: float, new: float) -> None:
    there = judge(improving(), snapshot(auc=old), snapshot(auc=new)).state
    back = judge(improving(), snapshot(auc=new), snapshot(auc=old)).state

    assert (there, back) != ("pass", "pass")
