r"""Is the challenger better than the champion on the same events?

Pure, numpy only. Both models answer the same rows, so their losses are compared row by row: the mean of the differences
has far less noise than the difference of two means. Rows of one hour share their weather and their traffic and are not
independent; the interval therefore comes from a bootstrap that draws whole *blocks* (hours) with replacement.

Let :math:`d_i` be the champion's loss minus the challenger's on row :math:`i`, :math:`S_b` the sum of :math:`d_i` over
block :math:`b` and :math:`n_b` its rows. One resample draws as many blocks as there are and takes
:math:`\sum S_b / \sum n_b`; the 2.5 % and 97.5 % quantiles of 4,000 resamples are the interval.

Sources:
    * log loss: I. J. Good, "Rational Decisions", J. Royal Statistical Society B 14 (1952), 107-114.
    * Brier score: G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review
      78 (1950), 1-3.
    * area under the ROC curve as a rank sum: J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a
      receiver operating characteristic (ROC) curve", Radiology 143 (1982), 29-36.
    * percentile interval: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    * drawing clusters: C. A. Field, A. H. Welsh, "Bootstrapping clustered data", J. Royal Statistical Society B 69
      (2007), 369-390.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ci_core.errors import UnusablePredictionsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

Task = Literal["binary", "regression"]
ModelVerdict = Literal["better", "not-better", "within-noise"]

CONFIDENCE = 0.95
RESAMPLES = 4_000
"""Of 4,000 the 2.5 % quantile is the 100th value: stable to a few percent of the interval's length."""
MIN_BLOCKS = 8
"""Fewer blocks than this make percentile intervals too short to be believed; nothing is called better then."""

_CLIP = 1e-15
"""Probabilities are kept this far from 0 and 1, so that one sure mistake costs 34.5 and not infinity."""
_DRAWS_AT_ONCE = 2_000_000
"""Keeps the memory of the resampling below 50 MB, however many blocks there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One measure of both models on the same rows."""

    name: str
    """``log-loss``, ``brier``, ``auc``, ``squared-error``, ``absolute-error``."""
    champion: float
    challenger: float
    is_lower_better: bool
    decides: bool = False

    @property
    def gain(self) -> float:
        """How much better the challenger is, in the measure's own unit; negative when it is worse."""
        difference = self.champion - self.challenger
        return difference if self.is_lower_better else -difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Champion against challenger on one set of rows."""

    task: Task
    rows: int
    blocks: int
    """Number of blocks (hours) that the rows fall into."""
    scores: tuple[Score, ...]
    """The deciding one first; measures that cannot be formed (AUC of one class) are left out."""
    difference: float
    """Mean of the champion's loss minus the challenger's: positive when the challenger is better."""
    interval: tuple[float, float]
    """95 % interval of `difference`."""
    verdict: ModelVerdict

    @property
    def deciding(self) -> Score:
        """The measure that decides."""
        return self.scores[0]


def compare_models(
    y: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    *,
    task: Task,
    blocks: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two models on rows that neither was trained on.

    The challenger is ``better`` when the whole interval lies above zero, ``not-better`` when it lies below, and
    otherwise the difference is ``within-noise``; so too when there are fewer than :data:`MIN_BLOCKS` blocks.

    Args:
        y: outcomes, shape (n_rows,): 0 or 1 for ``binary``, any finite number for ``regression``.
        champion: answers of the live model, shape (n_rows,): probability of class 1, or the predicted value.
        challenger: answers of the new model, likewise.
        task: which losses; ``binary`` is decided by log loss, ``regression`` by squared error.
        blocks: a label per row, shape (n_rows,), equal for rows that are not independent, such as
            :func:`hour_blocks`; None takes every row as a block of its own.
        seed: of the resampling: equal input gives equal output.
        resamples: how many.

    Raises:
        UnusablePredictionsError: an answer or outcome is missing, infinite, or no probability; or there are no rows.

    Example:
        >>> y = np.tile([0.0, 1.0], 20)
        >>> comparison = compare_models(y, np.full(40, 0.5), np.where(y == 1, 0.6, 0.4), task="binary")
        >>> round(comparison.difference, 4), comparison.verdict
        (0.1823, 'better')
    """
    outcome = _checked(y, "table of labels", task)
    old, new = _checked(champion, "champion", task), _checked(challenger, "challenger", task)
    if not len(outcome) == len(old) == len(new):
        message = f"{len(outcome)} outcomes, {len(old)} and {len(new)} answers do not belong together"
        raise ValueError(message)
    if task == "binary" and not np.isin(outcome, (0.0, 1.0)).all():
        raise UnusablePredictionsError(model="table of labels", reason="a binary outcome is neither 0 nor 1")
    loss = _log_loss if task == "binary" else _squared_error
    differences = loss(outcome, old) - loss(outcome, new)
    labels = np.arange(len(outcome)) if blocks is None else np.asarray(blocks)
    sums, counts = _by_block(differences, labels)
    interval = _interval(sums, counts, seed, resamples)
    return Comparison(
        task=task,
        rows=len(outcome),
        blocks=len(sums),
        scores=_scores(outcome, old, new, task),
        difference=float(differences.mean()),
        interval=interval,
        verdict=_verdict(interval, len(sums)),
    )


def hour_blocks(times: ArrayLike) -> NDArray[np.int64]:
    """Return the hour since 1970-01-01 that each time lies in.

    Args:
        times: ``datetime64`` of any resolution, shape (n_rows,), UTC.
    """
    return np.asarray(times, dtype="datetime64[h]").astype(np.int64)


def area_under_curve(y: Floats, score: Floats) -> float | None:
    """Return the probability that a random positive scores above a random negative; ties count half.

    Args:
        y: 0 or 1, shape (n_rows,).
        score: higher means more likely 1, shape (n_rows,).

    Returns:
        0 to 1; None when one class is absent.
    """
    positives = int(y.sum())
    negatives = len(y) - positives
    if positives == 0 or negatives == 0:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2  # of each distinct score, 1-based
    rank_sum = float(mean_rank[place][y == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def _scores(y: Floats, old: Floats, new: Floats, task: Task) -> tuple[Score, ...]:
    if task == "regression":
        return (
            _mean_score("squared-error", _squared_error(y, old), _squared_error(y, new), decides=True),
            _mean_score("absolute-error", np.abs(y - old), np.abs(y - new)),
        )
    scores = [
        _mean_score("log-loss", _log_loss(y, old), _log_loss(y, new), decides=True),
        _mean_score("brier", _squared_error(y, old), _squared_error(y, new)),
    ]
    areas = area_under_curve(y, old), area_under_curve(y, new)
    if areas[0] is not None and areas[1] is not None:
        scores.append(Score(name="auc", champion=areas[0], challenger=areas[1], is_lower_better=False))
    return tuple(scores)


def _mean_score(name: str, old: Floats, new: Floats, *, decides: bool = False) -> Score:
    return Score(
        name=name, champion=float(old.mean()), challenger=float(new.mean()), is_lower_better=True, decides=decides
    )


def _log_loss(y: Floats, probability: Floats) -> Floats:
    clipped = np.clip(probability, _CLIP, 1 - _CLIP)
    return np.asarray(-np.where(y == 1, np.log(clipped), np.log1p(-clipped)))


def _squared_error(y: Floats, answer: Floats) -> Floats:
    return np.asarray((y - answer) ** 2)


def _by_block(differences: Floats, labels: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return the sum of differences and the number of rows of each block."""
    if len(labels) != len(differences):
        message = f"{len(labels)} block labels for {len(differences)} rows"
        raise ValueError(message)
    _, place = np.unique(labels, return_inverse=True)
    return np.asarray(np.bincount(place, weights=differences), dtype=np.float64), np.bincount(place).astype(np.float64)


def _interval(sums: Floats, counts: Floats, seed: int, resamples: int) -> tuple[float, float]:
    random = np.random.default_rng(seed)
    means = []
    chunk = max(1, _DRAWS_AT_ONCE // len(sums))
    for start in range(0, resamples, chunk):
        drawn = random.integers(len(sums), size=(min(chunk, resamples - start), len(sums)))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def _verdict(interval: tuple[float, float], blocks: int) -> ModelVerdict:
    if blocks < MIN_BLOCKS or interval[0] <= 0 <= interval[1]:
        return "within-noise"
    return "better" if interval[0] > 0 else "not-better"


def _checked(values: ArrayLike, model: str, task: Task) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UnusablePredictionsError(model=model, reason=str(error)) from error
    if array.ndim != 1 or len(array) == 0:
        raise UnusablePredictionsError(model=model, reason=f"one number a row was expected, the shape is {array.shape}")
    bad = ~np.isfinite(array)
    if task == "binary":
        bad |= (array < 0) | (array > 1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        expected = "a probability" if task == "binary" else "a finite number"
        raise UnusablePredictionsError(
            model=model, reason=f"{int(bad.sum())} of {len(array)} are not {expected}; row {row} is {array[row]}"
        )
    return array
