"""What captures keep of the calls of users' models."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import Model, RequestError
from ci_core.serving.models.batch import Batch
from ci_core.serving.models.snapshot import columns_of, columns_of_like, outputs_of


def listed(columns: Any) -> dict[str, list[Any]]:
    return {name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in columns.items()}


@pytest.mark.parametrize("n_rows", [1, 2, 31, 32, 100])
def test_columns_of_numbers_are_told_in_their_order_whatever_the_order_in_the_rows(n_rows: int) -> None:
    rows = [{"b": n + 0.5, "a": n} if n % 2 else {"a": n, "x": "other", "b": n + 0.5} for n in range(n_rows)]

    columns = columns_of(rows, ("a", "b"))

    assert listed(columns) == {"a": list(range(n_rows)), "b": [n + 0.5 for n in range(n_rows)]}
    assert list(columns) == ["a", "b"]


def test_many_rows_of_numbers_are_one_matrix_that_later_changes_of_the_rows_do_not_reach() -> None:
    rows: list[dict[str, Any]] = [{"a": n, "b": True} for n in range(40)]
    rows[0]["b"] = 0.5

    columns = columns_of(rows, ("a", "b"))
    rows[3]["a"] = 99

    assert type(columns) is Batch
    assert columns.matrix.tolist() == [[0.0, 0.5], *([float(n), 1.0] for n in range(1, 40))]


@pytest.mark.parametrize("names", [("v", "n"), ()], ids=["named", "unnamed"])
@pytest.mark.parametrize("n_rows", [1, 2, 40])
def test_values_that_hold_others_are_kept_as_they_were_when_later_changed_in_place(
    n_rows: int, names: tuple[str, ...]
) -> None:
    rows: list[dict[str, Any]] = [{"v": [3, 1, 2], "n": {"of": [[2, 1]], "x": 0}} for _ in range(n_rows)]

    columns = columns_of(rows, names)
    for row in rows:
        row["v"].sort()
        row["n"]["of"][0].sort()
        row["n"]["x"] = 1

    assert columns == {"v": [[3, 1, 2]] * n_rows, "n": [{"of": [[2, 1]], "x": 0}] * n_rows}


def test_one_nested_value_after_numbers_and_an_array_of_a_step_are_kept_as_they_were() -> None:
    rows: list[dict[str, Any]] = [{"a": n, "b": 0} for n in range(40)]
    rows[7]["a"] = ["x"]
    rows[8]["a"] = np.array([1.0, 2.0])

    columns = columns_of(rows, ("a", "b"))
    rows[7]["a"].append("y")
    rows[8]["a"] *= 10

    assert columns["a"][7] == ["x"]
    assert columns["a"][8].tolist() == [1.0, 2.0]


def test_a_value_that_holds_itself_is_answered_all_the_same() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert columns_of([{"a": endless}], ("a",))["a"][0] is endless


@pytest.mark.parametrize(
    ("odd", "told"),
    [(None, None), ("text", "text"), (10**400, 10**400), (math.inf, math.inf)],
)
def test_what_is_no_number_stays_as_it_came(odd: Any, told: Any) -> None:
    rows: list[dict[str, Any]] = [{"a": 1.5, "b": n} for n in range(40)]
    rows[20]["b"] = odd

    columns = listed(columns_of(rows, ("a", "b")))

    assert columns["a"] == [1.5] * 40
    assert columns["b"] == [*range(20), told, *range(21, 40)]


@pytest.mark.parametrize("n_rows", [2, 40])
def test_a_model_that_names_no_columns_keeps_all_of_them_and_none_where_a_row_has_none(n_rows: int) -> None:
    alike = [{"a": 1, "b": n} for n in range(n_rows)]
    unlike: list[dict[str, Any]] = [{"a": 1}, *({"b": n} for n in range(n_rows - 1))]

    assert listed(columns_of(alike, ())) == {"a": [1] * n_rows, "b": list(range(n_rows))}
    assert columns_of(unlike, ()) == {"a": [1, *[None] * (n_rows - 1)], "b": [None, *range(n_rows - 1)]}


@pytest.mark.parametrize("n_rows", [1, 2, 40])
def test_rows_that_lack_a_column_and_rows_that_are_no_plain_dicts_are_left_to_the_check(n_rows: int) -> None:
    made: dict[str, Any] = defaultdict(int, a=1)

    assert columns_of_like([{"a": 1}] * n_rows, ("a", "b")) is None
    assert columns_of_like([{"a": 1, "b": 1}] * (n_rows - 1) + [made], ("a", "b")) is None


@pytest.mark.parametrize("n_rows", [1, 40])
def test_a_model_that_is_observed_refuses_a_row_that_lacks_a_column(n_rows: int) -> None:
    class Named(Model):
        input_columns = ("a", "b")

        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            return [0 for _ in rows]

    with pytest.raises(RequestError, match=f"row {n_rows - 1} lacks the column `b`"):
        Named().call([*[{"a": 1, "b": 2}] * (n_rows - 1), {"a": 1}])


ANSWERS = st.one_of(
    st.integers(-5, 5),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
    st.fixed_dictionaries({}, optional={"probability": st.floats(0, 1), "prediction": st.sampled_from([0, 1, "a"])}),
)


@given(st.lists(ANSWERS, min_size=1, max_size=8), st.sampled_from([1, 2, 40]))
def test_the_numbers_of_many_answers_are_those_of_each(answers: list[Any], times: int) -> None:
    output = Model().output

    outputs = outputs_of(answers * times, output)

    assert list(outputs) == [output(answer) for answer in answers] * times
