"""A row that comes alone gets from a lowered model what it gets among others."""

from __future__ import annotations

import json
import math
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import RequestError
from ci_core.serving.models import model_from_file
from ci_core.serving.table import Table

SCALED = {
    "do": "chain",
    "steps": [{"do": "arithmetic", "ops": [["subtract", [1.0, -2.0]], ["divide", [4.0, 0.5]]], "clip": None}],
}
BINARY: dict[str, Any] = {
    "format": 1,
    "kinds": ["number", "any"],
    "features": SCALED,
    "accepts": "finite",
    "score": {"weights": [[2.0, -0.5]], "offsets": [0.25]},
    "link": "logistic",
    "classes": ["no", "yes"],
    "class-kind": "U",
}
THREE = BINARY | {
    "score": {"weights": [[2.0, -0.5], [0.125, 1.0], [-1.0, 0.0]], "offsets": [0.25, 0.0, -1.5]},
    "classes": [1, 2, 3],
    "class-kind": "i",
}
NONE = BINARY | {"classes": None, "class-kind": None}
MODELS: dict[str, dict[str, Any]] = {
    "logistic": BINARY,
    "sign": BINARY | {"link": "sign"},
    "softmax": THREE | {"link": "softmax"},
    "one-against-rest": THREE | {"link": "one-against-rest"},
    "largest": THREE | {"link": "largest"},
    "value": NONE | {"link": "value"},
    "exponential": NONE | {"link": "exponential"},
}


def loaded(document: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "m.lowered").write_text(json.dumps(document))
        model = model_from_file("m.lowered", root=Path(folder), columns=("a", "b"))
        model.load()
    return model


@lru_cache
def model_of(link: str) -> Any:
    return loaded(MODELS[link])


class OnlyAlone:
    """Has no numpy to fall back on."""

    def __init__(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.call = model.call
        monkeypatch.setattr(model, "infer", None)


numbers = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-(2**70), 2**70), st.booleans(), st.just(1e308), st.just(-1e308), st.none()
)


@given(link=st.sampled_from(sorted(MODELS)), a=numbers, b=numbers)
def test_a_row_alone_is_answered_or_refused_as_among_others(link: str, a: Any, b: Any) -> None:
    model, row = model_of(link), {"a": a, "b": b, "c": "more"}

    def asked(rows: list[dict[str, Any]]) -> Any:
        try:
            with np.errstate(over="ignore"):  # of an exponential
                call = model.call(rows)
        except RequestError as error:
            return error.message
        output = call.outputs[0]
        return (
            call.answers[0],
            math.nan if output is None else output,
            {name: float(values[0]) for name, values in call.columns.items()},
        )

    alone, among = asked([row]), asked([row, row])

    if isinstance(among, str):
        assert alone == among
        return
    (answer, output, columns), (expected, expected_output, expected_columns) = alone, among
    assert columns == expected_columns
    assert output == pytest.approx(expected_output, rel=1e-9, abs=1e-12, nan_ok=True)
    if expected.get("probability", 0) not in (0.5, pytest.approx(1 / 3, abs=1e-9)):  # labels may differ of equal ones
        assert answer.keys() == expected.keys()
        for field, value in expected.items():
            assert type(answer[field]) is type(value)
            assert answer[field] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9, abs=1e-12))


def test_the_answers_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"a": 3, "b": -1.5}  # scaled: 0.5, 1.0
    told = {link: OnlyAlone(loaded(MODELS[link]), monkeypatch).call([row]).answers for link in MODELS}

    odds = [math.exp(0.75), math.exp(1.0625), math.exp(-2.0)]
    shares = [1 / (1 + 1 / one) for one in odds]
    assert told == {
        "logistic": [{"prediction": "yes", "probability": pytest.approx(shares[0])}],
        "sign": [{"prediction": "yes"}],
        "softmax": [{"prediction": 2, "probability": pytest.approx(odds[1] / sum(odds))}],
        "one-against-rest": [{"prediction": 2, "probability": pytest.approx(shares[1] / sum(shares))}],
        "largest": [{"prediction": 2}],
        "value": [{"prediction": 0.75}],
        "exponential": [{"prediction": pytest.approx(odds[0])}],
    }


def test_captures_get_of_a_row_alone_what_they_get_of_many() -> None:
    call = model_of("softmax").call([{"b": 2, "a": 1.5, "c": 0}])

    assert {name: list(values) for name, values in call.columns.items()} == {"a": [1.5], "b": [2.0]}
    assert {type(value) for values in call.columns.values() for value in values} == {float}  # not the 2 that came
    assert list(call.outputs) == [call.answers[0]["probability"]]


def test_a_call_that_nobody_observes_tells_the_same_when_it_is_asked() -> None:
    model = loaded(BINARY)
    seen = model.call([{"a": 1, "b": 2}])
    model.is_observed = False

    call = model.call([{"a": 1, "b": 2}])

    assert call.answers == seen.answers
    assert {name: values.tolist() for name, values in call.columns.items()} == {"a": [1.0], "b": [2.0]}
    assert list(call.outputs) == list(seen.outputs)


def test_a_table_of_one_row_is_a_row_alone() -> None:
    table = Table.of_matrix(np.array([[3.0, -1.5]], dtype=np.float32), ("a", "b"))

    assert model_of("value").call(table).answers == [{"prediction": 0.75}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"a": 1}, "row 0 lacks the column `b`"),
        ({"a": 1, "b": "x"}, "row 0, column `b`: expected a number, found "),
        ({"a": 1, "b": None}, "row 0, column `b`: the value is missing, and the model needs one"),
        ({"a": math.inf, "b": 1}, "row 0, column `a`: the number is infinite"),
        ({"a": 1, "b": 10**400}, "row 0, column `b`: the number is too large"),
    ],
)
def test_a_bad_row_alone_is_refused_with_its_column(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        model_of("logistic").call([row])

    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    "document",
    [
        BINARY | {"kinds": ["number", "boolean"]},
        BINARY | {"link": "modified-huber"},
        BINARY | {"features": {"do": "arithmetic", "ops": [["divide", [0.0, 1.0]]], "clip": None}},
        BINARY | {"features": {"do": "arithmetic", "ops": [], "clip": [0.0, 1.0]}},
    ],
    ids=["boolean", "link", "zero", "clip"],
)
def test_what_is_more_than_scaled_numbers_is_left_to_numpy(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TypeError):
        OnlyAlone(loaded(document), monkeypatch).call([{"a": 1.0, "b": True}])
