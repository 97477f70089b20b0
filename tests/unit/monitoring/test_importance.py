"""Permutation importance of scoring functions whose importance is known."""

from __future__ import annotations

import numpy as np
import pytest

from ci_core.monitoring.importance import Columns, permutation_importance

RANDOM = np.random.default_rng(3)
SAMPLE: Columns = {
    "heat": RANDOM.normal(size=4000),
    "load": RANDOM.normal(size=4000),
    "idle": RANDOM.normal(size=4000),
    "plan": np.array(["free", "team"], dtype=object)[RANDOM.integers(0, 2, 4000)],
}


def _score(columns: Columns) -> np.ndarray:
    return 3.0 * columns["heat"].astype(float) + 1.0 * columns["load"].astype(float)


def test_the_shares_of_a_linear_model_are_those_of_its_weights() -> None:
    shares = permutation_importance(_score, SAMPLE)

    assert shares["heat"] == pytest.approx(0.75, abs=0.01)
    assert shares["load"] == pytest.approx(0.25, abs=0.01)
    assert shares["idle"] == shares["plan"] == 0.0


def test_the_same_seed_gives_the_same_shares() -> None:
    assert permutation_importance(_score, SAMPLE, seed=4) == permutation_importance(_score, SAMPLE, seed=4)


def test_a_model_that_depends_on_nothing_has_no_importance() -> None:
    shares = permutation_importance(lambda columns: np.zeros(len(columns["heat"])), SAMPLE)

    assert set(shares.values()) == {0.0}


def test_the_sample_itself_is_left_as_it_was() -> None:
    before = SAMPLE["heat"].copy()

    permutation_importance(_score, SAMPLE)

    np.testing.assert_array_equal(SAMPLE["heat"], before)
