"""Expected values are computed by hand; each test shows the arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.errors import UnusablePredictionsError
from ci_core.retrain.champion import area_under_curve, compare_models, hour_blocks

_LN = math.log


def test_log_loss_brier_and_auc_of_four_rows_are_what_a_person_computes() -> None:
    y = [1, 0, 1, 0]
    champion = [0.5, 0.5, 0.5, 0.5]
    challenger = [0.8, 0.4, 0.3, 0.2]

    found = compare_models(y, champion, challenger, task="binary")

    scores = {score.name: (score.champion, score.challenger) for score in found.scores}
    assert list(scores) == ["log-loss", "brier", "auc"]
    # log loss: ln 2, against -(ln .8 + ln .6 + ln .3 + ln .8) / 4
    assert scores["log-loss"] == pytest.approx((_LN(2), -(_LN(0.8) + _LN(0.6) + _LN(0.3) + _LN(0.8)) / 4))
    # Brier: .25, against (.04 + .16 + .49 + .04) / 4
    assert scores["brier"] == pytest.approx((0.25, 0.1825))
    # AUC: all tied; pairs (.8,.4) (.8,.2) (.3,.2) are in order, (.3,.4) is not
    assert scores["auc"] == pytest.approx((0.5, 0.75))
    assert found.deciding.name == "log-loss"
    assert found.difference == pytest.approx(found.deciding.gain)


def test_squared_error_decides_a_regression_and_absolute_error_is_shown() -> None:
    found = compare_models([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0], task="regression")

    assert [(score.name, score.decides) for score in found.scores] == [
        ("squared-error", True),
        ("absolute-error", False),
    ]
    assert (found.scores[0].champion, found.scores[0].challenger) == pytest.approx((5 / 3, 2 / 3))
    assert (found.scores[1].champion, found.scores[1].challenger) == pytest.approx((1.0, 2 / 3))
    assert found.difference == pytest.approx(1.0)


def test_a_constant_gain_has_an_interval_without_length_and_is_better() -> None:
    y = np.tile([0.0, 1.0], 20)

    found = compare_models(y, np.full(40, 0.5), np.where(y == 1, 0.6, 0.4), task="binary")

    # every row gains ln .6 - ln .5 = ln 1.2
    assert found.interval == pytest.approx((_LN(1.2), _LN(1.2)))
    assert found.verdict == "better"


def test_the_interval_of_two_blocks_reaches_from_one_blocks_mean_to_the_others() -> None:
    # Of two blocks a resample is {a,a}, {a,b} or {b,b} with chances 1/4, 1/2, 1/4: the 2.5 % and 97.5 % quantiles are
    # the means of a and of b. Squared errors fall from 4 to 1 in block a (gain 3) and rise from 0 to 1 in b (gain -1).
    y, champion, challenger = [2.0, 2.0, 2.0], [0.0, 0.0, 2.0], [1.0, 1.0, 1.0]

    found = compare_models(y, champion, challenger, task="regression", blocks=["a", "a", "b"])

    assert found.blocks == 2
    assert found.interval == pytest.approx((-1.0, 3.0))
    assert found.difference == pytest.approx(5 / 3)
    assert found.verdict == "within-noise"


def test_rows_of_few_blocks_are_never_called_better() -> None:
    y = np.ones(1000)

    found = compare_models(y, np.full(1000, 0.5), np.full(1000, 0.9), task="binary", blocks=np.arange(1000) % 7)

    assert found.interval[0] > 0
    assert (found.blocks, found.verdict) == (7, "within-noise")


def test_rows_that_move_together_widen_the_interval() -> None:
    # 40 hours of 25 rows; all rows of an hour share one gain. Taken as 1,000 independent rows the interval is about
    # sqrt(25) = 5 times too short.
    random = np.random.default_rng(1)
    hour = np.repeat(np.arange(40), 25)
    challenger = np.sqrt(np.clip(1 + random.normal(0, 0.5, 40), 0, None))[hour]
    y = np.zeros(1000)

    by_row = compare_models(y, np.ones(1000), challenger, task="regression").interval
    by_hour = compare_models(y, np.ones(1000), challenger, task="regression", blocks=hour).interval

    ratio = (by_hour[1] - by_hour[0]) / (by_row[1] - by_row[0])
    assert ratio == pytest.approx(5, rel=0.1)


def test_the_block_interval_is_the_normal_one_when_blocks_are_many() -> None:
    # 400 blocks of 5 rows with independent gains of standard deviation s: mean ± 1.96 s / sqrt(2000)
    random = np.random.default_rng(3)
    y, champion = np.zeros(2000), np.full(2000, 2.0)
    challenger = np.sqrt(4 - random.normal(0.0, 1.0, 2000).clip(-3, 3))

    found = compare_models(y, champion, challenger, task="regression", blocks=np.arange(2000) // 5)

    gains = champion**2 - challenger**2
    half = 1.96 * gains.std() / math.sqrt(2000)
    assert found.interval == pytest.approx((gains.mean() - half, gains.mean() + half), abs=0.15 * half)


def test_a_worse_challenger_is_not_better() -> None:
    y = np.tile([0.0, 1.0], 20)

    assert compare_models(y, y * 0.8 + 0.1, np.full(40, 0.5), task="binary").verdict == "not-better"


def test_two_equal_models_are_within_noise() -> None:
    answers = np.linspace(0.1, 0.9, 50)

    found = compare_models(np.tile([0.0, 1.0], 25), answers, answers, task="binary")

    assert (found.difference, found.interval, found.verdict) == (0.0, (0.0, 0.0), "within-noise")


def test_a_sure_mistake_costs_34_and_not_infinity() -> None:
    found = compare_models([1.0], [0.0], [1.0], task="binary")

    assert found.deciding.champion == pytest.approx(-_LN(1e-15))
    assert [score.name for score in found.scores] == ["log-loss", "brier"]  # one class has no AUC


def test_hours_are_counted_since_1970_whatever_the_resolution() -> None:
    times = np.array(["1970-01-01T00:59:59.999", "1970-01-01T01:00", "2013-06-15T12:30"], dtype="datetime64[ms]")

    # 43 years of 365 days and 11 leap days to 2013-01-01, then 165 days to 15 June: 15,871 days
    assert hour_blocks(times).tolist() == [0, 1, (15_871 * 24) + 12]


@pytest.mark.parametrize(
    ("champion", "reason"),
    [
        ([0.5, math.nan], "1 of 2 are not a probability; row 1 is nan"),
        ([1.5, -0.1], "2 of 2 are not a probability; row 0 is 1.5"),
        ([[0.5], [0.5]], "one number a row was expected, the shape is (2, 1)"),
        ([], "one number a row was expected, the shape is (0,)"),
        (["yes", "no"], "could not convert string to float"),
    ],
)
def test_answers_that_cannot_be_scored_are_told_with_the_first_row(champion: list[object], reason: str) -> None:
    with pytest.raises(UnusablePredictionsError) as caught:
        compare_models([0, 1], champion, [0.5, 0.5], task="binary")  # type: ignore[arg-type]  # bad on purpose

    assert caught.value.model == "champion"
    assert reason in caught.value.fact


def test_an_outcome_of_two_is_not_binary() -> None:
    with pytest.raises(UnusablePredictionsError, match="table of labels"):
        compare_models([0, 2], [0.5, 0.5], [0.5, 0.5], task="binary")


_ROWS = st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=30)


@given(_ROWS)
def test_exchanging_the_models_turns_the_sign(rows: list[tuple[bool, float, float, int]]) -> None:
    y, one, other, hour = (np.array(column, dtype=float) for column in zip(*rows, strict=True))

    forth = compare_models(y, one, other, task="binary", blocks=hour, resamples=200)
    back = compare_models(y, other, one, task="binary", blocks=hour, resamples=200)

    assert forth.difference == pytest.approx(-back.difference, abs=1e-12)
    assert forth.interval == pytest.approx((-back.interval[1], -back.interval[0]), abs=1e-9)


@given(_ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[bool, float, float, int]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' Random

    found = []
    for order in (rows, shuffled):
        y, one, other, hour = (np.array(column, dtype=float) for column in zip(*order, strict=True))
        found.append(compare_models(y, one, other, task="binary", blocks=hour, resamples=200))

    assert found[0].interval == pytest.approx(found[1].interval, abs=1e-9)
    assert found[0].difference == pytest.approx(found[1].difference, abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=40))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    y, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    pairs = [(p, n) for label, p in rows for other, n in rows if label and not other]

    expected = sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs) if pairs else None

    assert area_under_curve(y, score) == (None if expected is None else pytest.approx(expected))
