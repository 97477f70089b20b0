r"""How sure a difference of two measured values is: 95 % confidence intervals (pure, standard library alone).

Two cases are known, as a metric's gate declares them.

*Folds.* The values :math:`x_1 … x_k` of a k-fold cross-validation at the base and :math:`y_1 … y_k` at the head. With
as many folds on both sides they are taken as the same folds: the interval is of the mean of :math:`d_i = y_i - x_i`,

.. math:: \bar d ± t_{0.975, k-1} · s_d \sqrt{1/k + 1/(k-1)}.

The second term under the root is the correction for training sets that overlap, with :math:`n_2/n_1 = 1/(k-1)` of
k-fold cross-validation; without it such intervals are too short. With different numbers of folds, each side's mean has
the variance :math:`v = s^2 (1/k + 1/(k-1))`, and Welch's interval :math:`± t_{0.975, ν} \sqrt{v_x + v_y}` with
:math:`ν = (v_x + v_y)^2 / (v_x^2/(k_x - 1) + v_y^2/(k_y - 1))` is taken.

*Sample size.* The metric is a share of n rows, such as accuracy. The interval of the difference of two independent
shares is Newcombe's hybrid of two Wilson scores. Base and head are usually measured on the same rows, whose results
go along; then the interval is longer than needed, never too short.

Sources:
    * C. Nadeau, Y. Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003), 239-281, section 3.
    * B. L. Welch, "The generalization of `Student's' problem when several different population variances are
      involved", Biometrika 34 (1947), 28-35.
    * R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven
      methods", Statistics in Medicine 17 (1998), 873-890, method 10.
    * E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. American Statistical
      Association 22 (1927), 209-212.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Final

from ci_core.types import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_FOLDS: Final = 2

_Z: Final = statistics.NormalDist().inv_cdf(0.975)
_LARGEST_T: Final = 12.8
"""Above the 97.5 % quantile for one degree of freedom, 12.706, which is the largest of all."""
_PARTS: Final = 400
_HALVINGS: Final = 60


def folds_interval(old: Sequence[float], new: Sequence[float]) -> Interval:
    """Return the mean of `new` minus that of `old` with its interval, of which an end beyond all floats is infinite.

    Args:
        old: values of the base's folds, at least two, finite.
        new: values of the head's folds, at least two, finite; as many as `old` are the same folds in the same order.
    """
    # Near 1: the square of 1e200 is beyond all floats, that of 1e-200 is nothing.
    unit = 2.0 ** (math.frexp(max(map(abs, (*old, *new))))[1] - 1)
    old, new = [value / unit for value in old], [value / unit for value in new]
    if len(old) == len(new):
        differences = [after - before for before, after in zip(old, new, strict=True)]
        middle = statistics.fmean(differences)
        reach = student_t(len(new) - 1) * math.sqrt(_variance_of_mean(differences))
    else:
        middle = statistics.fmean(new) - statistics.fmean(old)
        reach = _welch_reach(_variance_of_mean(old), len(old) - 1, _variance_of_mean(new), len(new) - 1)
    return Interval(value=middle * unit, low=(middle - reach) * unit, high=(middle + reach) * unit)


def shares_interval(old: float, old_rows: float, new: float, new_rows: float) -> Interval:
    """Return `new` minus `old` with its interval; both are shares, 0 to 1, of so many rows, at least one.

    >>> shown = shares_interval(48 / 80, 80, 56 / 70, 70)
    >>> round(shown.low, 4), round(shown.high, 4)
    (0.0524, 0.3339)
    """
    old_low, old_high = _wilson(old, old_rows)
    new_low, new_high = _wilson(new, new_rows)
    difference = new - old
    return Interval(
        value=difference,
        low=difference - math.hypot(new - new_low, old_high - old),
        high=difference + math.hypot(new_high - new, old - old_low),
    )


def student_t(freedom: float) -> float:
    r"""Return the 97.5 % quantile of Student's t distribution with `freedom` degrees of freedom, 1 or more.

    With :math:`t = \sqrt ν \tan θ` the density becomes :math:`\cos^{ν-1} θ` over a constant, which Simpson's rule
    integrates to ten digits; the quantile is then found by halving.

    >>> round(student_t(4), 4)
    2.7764
    """
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    low, high = 0.0, math.atan(_LARGEST_T / math.sqrt(freedom))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if scale * _integral(middle, freedom - 1) < 0.475:  # noqa: PLR2004 - 0.975 less the half below zero
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan(low)


def _integral(end: float, power: float) -> float:
    """Integrate cos(x)**power from 0 to `end` by Simpson's rule."""
    step = end / _PARTS
    inner = math.fsum((4 if part % 2 else 2) * math.pow(math.cos(part * step), power) for part in range(1, _PARTS))
    return step / 3 * (1 + inner + math.pow(math.cos(end), power))


def _welch_reach(before: float, freedom_before: int, after: float, freedom_after: int) -> float:
    """Return how far Welch's interval reaches, from the variances of both means and their degrees of freedom."""
    total = before + after
    if not total:
        return 0.0
    part = before / total
    freedom = 1 / (part**2 / freedom_before + (1 - part) ** 2 / freedom_after)
    return student_t(freedom) * math.sqrt(total)


def _variance_of_mean(values: Sequence[float]) -> float:
    count = len(values)
    return statistics.variance(values) * (1 / count + 1 / (count - 1))


def _wilson(share: float, rows: float) -> tuple[float, float]:
    spread = _Z * math.sqrt(share * (1 - share) / rows + (_Z / (2 * rows)) ** 2)
    middle, scale = share + _Z**2 / (2 * rows), 1 + _Z**2 / rows
    return (middle - spread) / scale, (middle + spread) / scale
