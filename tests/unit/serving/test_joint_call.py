from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ci_core.serving import Model
from ci_core.serving.base import ModelCall
from ci_core.serving.joint_call import call_together, shape_of, split_call
from ci_core.serving.models.batch import Batch
from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from ci_core.serving.base import Row


def test_a_joint_call_is_split_into_the_answers_columns_and_outputs_of_each_request() -> None:
    call = ModelCall(
        answers=["a", "b", "c"],
        columns={"x": np.array([1.0, 2.0, 3.0]), "y": ["p", None, "q"]},
        outputs=np.array([0.1, 0.2, 0.3]),
    )

    first, second = split_call(call, [1, 2])

    assert (first.answers, second.answers) == (["a"], ["b", "c"])
    assert (list(first.columns["x"]), list(second.columns["x"])) == ([1.0], [2.0, 3.0])
    assert (first.columns["y"], second.columns["y"]) == (["p"], [None, "q"])
    assert (list(first.outputs), list(second.outputs)) == ([0.1], [0.2, 0.3])


@pytest.mark.parametrize(
    "columns",
    [
        Batch(("x", "y"), matrix=np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])),
        Batch(("x", "y"), {"x": np.array([1.0, 3.0, 5.0]), "y": np.array([2.0, 4.0, 6.0])}),
    ],
    ids=["one matrix", "columns"],
)
def test_a_batch_is_split_into_batches(columns: Batch) -> None:
    first, second = split_call(ModelCall(answers=[1, 2, 3], columns=columns, outputs=[0.1, 0.2, 0.3]), [2, 1])

    assert isinstance(first.columns, Batch)
    assert isinstance(second.columns, Batch)
    assert first.columns.matrix.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert list(first.columns["y"]) == [2.0, 4.0]
    assert second.columns.matrix.tolist() == [[5.0, 6.0]]
    assert list(second.columns) == ["x", "y"]


def test_a_text_column_of_a_batch_is_split_like_any_other() -> None:
    columns = Batch(("x", "y"), {"x": np.array([1.0, 2.0]), "y": ["p", None]})

    first, second = split_call(ModelCall(answers=[1, 2], columns=columns, outputs=[None, None]), [1, 1])

    assert (first.columns["y"], second.columns["y"]) == (["p"], [None])


def test_the_call_of_a_single_request_stays_as_it_is() -> None:
    call = ModelCall(answers=["a"], columns={"total": []}, outputs=[None])

    assert split_call(call, [1]) == [call]


@pytest.mark.parametrize(
    "call",
    [
        ModelCall(answers=[1], columns={"x": [1, 2]}, outputs=[1, 2]),
        ModelCall(answers=[1, 2], columns={"x": [1]}, outputs=[1, 2]),
        ModelCall(answers=[1, 2], columns={"x": [1, 2]}, outputs=[1]),
    ],
    ids=["answers", "columns", "outputs"],
)
def test_a_joint_call_that_did_not_answer_each_row_cannot_be_split(call: ModelCall) -> None:
    with pytest.raises(ValueError, match="did not answer each of 2 rows"):
        split_call(call, [1, 1])


class Rewriting(Model):
    """Puts something else into the list of its rows."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, rows: list[Any]) -> list[Any]:
        self.calls += 1
        for index, row in enumerate(rows):
            rows[index] = [row["x"]]
        return [x + 1 for (x,) in rows]


@pytest.mark.parametrize("is_observed", [True, False])
def test_requests_share_one_call_of_a_model_that_rewrites_its_rows_whether_it_is_observed_or_not(
    is_observed: bool,
) -> None:
    model = Rewriting()
    model.is_observed = is_observed

    outcomes, durations = call_together(model.call, [[{"x": 1}], [{"x": 2}, {"x": 3}]], lambda: 0.0)

    assert [outcome.answers for outcome in outcomes if isinstance(outcome, ModelCall)] == [[2], [3, 4]]
    assert model.calls == 1
    assert [rows for rows, _seconds in durations] == [3]


class Halving(Model):
    """Is asked for numbers, answers objects."""

    def predict(self, rows: list[Row]) -> list[Any]:
        return [{"prediction": row["x"] / 2} for row in rows]

    def postprocess(self, answers: list[Any]) -> list[Any]:
        return [answer["prediction"] for answer in answers]


def test_the_parts_of_a_call_that_nobody_was_to_observe_are_those_of_one_that_was() -> None:
    parts = []
    for is_observed in (True, False):
        model = Halving()
        model.is_observed = is_observed
        parts.append(split_call(model.call([{"x": 1}, {"x": 2}, {"x": 3}]), [1, 2]))

    assert [[(part.answers, part.columns, list(part.outputs)) for part in of_one] for of_one in parts] == [
        [([0.5], {"x": [1]}, [0.5]), ([1.0, 1.5], {"x": [2, 3]}, [1.0, 1.5])]
    ] * 2


def test_rows_of_other_columns_or_with_text_elsewhere_are_of_another_shape() -> None:
    base = shape_of([{"a": 1, "b": "x"}])

    assert shape_of([{"a": None, "b": "y"}]) == base
    assert shape_of([{"a": 2.5, "b": None}, {"a": 1, "b": "z"}]) == base
    assert shape_of([{"a": "1", "b": "x"}]) != base
    assert shape_of([{"a": 1, "b": None}]) != base
    assert shape_of([{"a": 1}]) != base
    assert shape_of([{"a": 1, "b": "x", "c": 1}]) != base


def test_one_bad_request_of_64_costs_few_further_calls_and_fails_alone() -> None:
    sizes: list[int] = []

    def call(rows: list[Row]) -> ModelCall:
        sizes.append(len(rows))
        for index, row in enumerate(rows):
            if row["x"] is None:
                raise RequestError(f"row {index}, column `x`: expected a number")
        answers = [row["x"] + 1 for row in rows]
        return ModelCall(answers=answers, columns={"x": [row["x"] for row in rows]}, outputs=answers)

    requests: list[list[Row]] = [[{"x": index}] for index in range(64)]
    requests[37] = [{"x": 5}, {"x": None}]

    outcomes, durations = call_together(call, requests, lambda: 0.0)

    refused = outcomes.pop(37)
    assert isinstance(refused, RequestError)
    assert refused.message == "row 1, column `x`: expected a number"
    assert [outcome.answers for outcome in outcomes if isinstance(outcome, ModelCall)] == [
        [index + 1] for index in range(64) if index != 37
    ]
    assert len(sizes) == 13
    assert sorted(rows for rows, _seconds in durations) == [1, 2, 4, 8, 16, 32]
