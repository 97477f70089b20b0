"""The file of a lowered model, read and run by numpy alone."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ci_core.errors import BrokenModelError
from ci_core.serving import RequestError
from ci_core.serving.models import model_from_file
from ci_core.serving.protocol.metadata import platform_of
from ci_core.serving.table import Table

if TYPE_CHECKING:
    from pathlib import Path

PLAIN: dict[str, Any] = {
    "format": 1,
    "kinds": ["any", "string"],
    "features": {
        "do": "join",
        "parts": [
            {
                "columns": [0],
                "then": {"do": "arithmetic", "ops": [["subtract", [10.0]], ["divide", [2.0]]], "clip": None},
            },
            {
                "columns": [1],
                "then": {
                    "do": "lookup",
                    "columns": [
                        {"keys": ["a", "b"], "codes": [0.0, 1.0], "otherwise": None, "width": 2, "object": True}
                    ],
                },
            },
        ],
    },
    "accepts": "finite",
    "score": {"weights": [[1.0, 0.5, -0.5]], "offsets": [0.25]},
    "link": "logistic",
    "classes": ["no", "yes"],
    "class-kind": "U",
}


def loaded(folder: Path, document: dict[str, Any], columns: tuple[str, ...] = ("age", "city")) -> Any:
    (folder / "m.lowered").write_text(json.dumps(document))
    model = model_from_file("m.lowered", root=folder, columns=columns)
    model.load()
    return model


def test_an_answer_is_what_the_file_says_by_hand(tmp_path: Path) -> None:
    model = loaded(tmp_path, PLAIN)

    call = model.call([{"age": 12, "city": "a"}, {"age": 4.0, "city": "b"}])

    yes, no = 1 / (1 + math.exp(-1.75)), 1 / (1 + math.exp(3.25))
    assert call.answers == [
        {"prediction": "yes", "probability": pytest.approx(yes)},
        {"prediction": "no", "probability": pytest.approx(no)},
    ]
    assert list(call.outputs) == pytest.approx([yes, no])
    assert list(call.columns["age"]) == [12.0, 4.0]
    assert call.columns["city"] == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"age": 1}, "row 1 lacks the column `city`"),
        ({"age": 1, "city": 5}, "row 1, column `city`: expected text, found 5"),
        ({"age": 1, "city": "z"}, 'row 1, column `city`: unknown category "z"'),
        ({"age": 1, "city": None}, "row 1, column `city`: the value is missing, and the model needs one"),
        ({"age": None, "city": "a"}, "row 1, column `age`: the value is missing, and the model needs one"),
        ({"age": math.inf, "city": "a"}, "row 1, column `age`: the number is infinite"),
    ],
)
def test_a_bad_row_is_refused_with_its_number_and_column(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        loaded(tmp_path, PLAIN).call([{"age": 1, "city": "a"}, row])

    assert caught.value.message == message


def test_of_two_missing_values_the_one_that_the_model_needs_is_named(tmp_path: Path) -> None:
    imputed = {
        "do": "impute",
        "missing": {"nan": True},
        "values": [40.0],
        "text": False,
        "keep": [0],
        "indicate": [],
    }
    parts = [{"columns": [0], "then": imputed}, {"columns": [1], "then": {"do": "chain", "steps": []}}]
    document = PLAIN | {
        "kinds": ["any", "any"],
        "features": {"do": "join", "parts": parts},
        "score": {"weights": [[1.0, 1.0]], "offsets": [0.0]},
    }

    with pytest.raises(RequestError, match="row 0, column `city`: the value is missing, and the model needs one"):
        loaded(tmp_path, document).call([{"age": None, "city": None}])


@pytest.mark.parametrize(
    ("link", "scores", "expected"),
    [
        ("sign", [0.0, 2.0, -1.0], [0, 1, 0]),
        ("logistic", [1000.0, -1000.0, 0.0], [1, 0, 0]),
        ("modified-huber", [0.5, -3.0, 0.0], [1, 0, 0]),
    ],
)
def test_a_score_of_nothing_is_the_first_class(
    link: str, scores: list[float], expected: list[int], tmp_path: Path
) -> None:
    document = {
        "format": 1,
        "kinds": ["any"],
        "features": {"do": "chain", "steps": []},
        "accepts": "finite",
        "score": {"weights": [[1.0]], "offsets": [0.0]},
        "link": link,
        "classes": [0, 1],
        "class-kind": "i",
    }

    answers = loaded(tmp_path, document, ("x",)).call([{"x": score} for score in scores]).answers

    assert [answer["prediction"] for answer in answers] == expected


def test_a_table_of_any_type_of_number_is_read_as_rows_are(tmp_path: Path) -> None:
    document = PLAIN | {
        "kinds": ["any", "any"],
        "features": {"do": "chain", "steps": []},
        "score": {"weights": [[1.0, 2.0]], "offsets": [0.0]},
        "link": "value",
        "classes": None,
        "class-kind": None,
    }
    model = loaded(tmp_path, document)

    of_table = model.call(Table.of_matrix(np.array([[1, 2], [3, 4]], dtype=np.int32), ["age", "city"]))

    assert of_table.answers == [{"prediction": 5.0}, {"prediction": 11.0}]


def test_metadata_name_the_format_that_was_saved(tmp_path: Path) -> None:
    assert platform_of(loaded(tmp_path, PLAIN)) == "skops"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (PLAIN | {"format": 2}, "it is not a lowered model (ValueError: format 2, this version reads 1)"),
        (PLAIN | {"link": "guess"}, "it is not a lowered model (KeyError: 'guess')"),
        (PLAIN | {"kinds": ["any"]}, "it reads 1 columns, and 2 are named"),
        ({"format": 1}, "it is not a lowered model (KeyError: 'kinds')"),
    ],
    ids=["format", "link", "columns", "empty"],
)
def test_a_file_that_is_something_else_is_refused(document: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenModelError) as caught:
        loaded(tmp_path, document)

    assert caught.value.reason == reason
