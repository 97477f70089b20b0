from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.lowering.replay import difference
from ci_core.serving.models.base import Model
from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [{"x": float(index)} for index in range(30)]


class Answers(Model):
    """Answers each row by a function."""

    input_columns = ("x",)

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self._answer = answer

    def predict(self, rows: Any) -> list[Any]:
        return [self._answer(row["x"]) for row in rows]


def plain(x: Any) -> dict[str, Any]:
    if x is None:
        raise ValueError("Input contains NaN")
    return {"prediction": int(x > 10), "probability": 0.5}


def test_models_that_answer_and_refuse_alike_do_not_differ() -> None:
    def same(x: Any) -> dict[str, Any]:
        if x is None:
            raise RequestError("row 0, column `x`: the value is missing, and the model needs one")
        return {"prediction": int(x > 10), "probability": 0.5 + 5e-7}

    assert difference(Answers(plain), Answers(same), ROWS, "numpy") is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda x: {"prediction": int(x >= 10), "probability": 0.5},
            "the labels differ (0 and 1) for a row of the project",
        ),
        (
            lambda x: {"prediction": float(x > 10), "probability": 0.5},
            "the labels differ (0 and 0.0) for a row of the project",
        ),
        (
            lambda x: {"prediction": int(x > 10), "probability": 0.5 + 2e-6 * (x == 29)},
            "the probabilities differ (0.5 and 0.500002) for a row of the project",
        ),
        (lambda x: {"prediction": int(x > 10)}, "the answers have other fields for a row of the project"),
        (
            lambda x: {"prediction": int(x > 10), "probability": 1 / (x - 17) * 0 + 0.5},
            "only the original answers for a row of the project",
        ),
    ],
    ids=["label", "type", "probability", "fields", "refusal"],
)
def test_a_single_row_that_differs_is_told(change: Callable[[Any], Any], told: str) -> None:
    assert difference(Answers(plain), Answers(change), ROWS, "numpy") == told


def test_a_form_that_answers_where_the_original_refuses_differs() -> None:
    def takes_anything(x: Any) -> dict[str, Any]:
        return {"prediction": int((x or 0) > 10), "probability": 0.5}

    assert (
        difference(Answers(plain), Answers(takes_anything), ROWS, "numpy")
        == "only the lowered form answers for a made-up row"
    )


@pytest.mark.parametrize("beyond", [1e38, 1e300], ids=["float32", "infinite"])
def test_a_form_that_answers_numbers_too_large_for_the_original_differs(beyond: float) -> None:
    def refuses(x: Any) -> dict[str, Any]:
        if abs(x or 0) > beyond:
            raise ValueError("too large")
        return {"prediction": 1, "probability": 0.5}

    takes_anything = Answers(lambda _x: {"prediction": 1, "probability": 0.5})

    assert (
        difference(Answers(refuses), takes_anything, ROWS, "numpy") == "only the lowered form answers for a made-up row"
    )


@pytest.mark.parametrize(("form", "differs"), [("numpy", True), ("onnx", False)])
def test_values_of_a_regression_may_differ_in_relation_to_themselves(form: Any, *, differs: bool) -> None:
    original = Answers(lambda x: {"prediction": 1000.0 + (x or 0.0)})
    lowered = Answers(lambda x: {"prediction": (1000.0 + (x or 0.0)) * (1 + 5e-6)})

    assert (difference(original, lowered, ROWS, form) is not None) == differs


def test_two_answers_that_are_no_numbers_are_equal_and_one_is_not() -> None:
    neither = Answers(lambda _x: {"prediction": math.nan})
    one = Answers(lambda _x: {"prediction": 0.0})

    assert difference(neither, neither, ROWS, "numpy") is None
    assert difference(neither, one, ROWS, "numpy") == "the values differ (nan and 0.0) for a row of the project"
