"""Rows and tables become the same columns, whichever way they come; scikit-learn's estimators as they are."""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from ci_core.errors import BrokenModelError
from ci_core.serving import RequestError, Route, Router
from ci_core.serving.models import model_from_file
from ci_core.serving.models.columns import Column, RowEncoder, encode_request, encode_rows
from ci_core.serving.table import Table
from tests.unit.serving.routed import ask, graph_of

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.serving.models.tabular import TabularModel

NUMBERS = tuple(Column(name=name, kind=kind) for name, kind in (("a", "number"), ("b", "any")))  # type: ignore[arg-type]
DEEP: list[Any] = []
for _ in range(1_000):
    DEEP = [DEEP]
VALUES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False)


@given(st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES, "more": st.text()}), min_size=1, max_size=5))
def test_rows_of_numbers_read_at_once_are_what_they_are_column_by_column(rows: list[dict[str, Any]]) -> None:
    at_once, by_column = RowEncoder(NUMBERS)(rows), encode_rows(rows, NUMBERS)

    assert list(at_once) == list(by_column) == ["a", "b"]
    for name in ("a", "b"):
        np.testing.assert_array_equal(np.asarray(at_once[name]), np.asarray(by_column[name]))
    np.testing.assert_array_equal(at_once.matrix, by_column.matrix)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"a": 1, "b": 1}, {"a": 1}], "row 1 lacks the column `b`"),
        ([{"a": 1, "b": 1}, {"a": "x", "b": 1}], 'row 1, column `a`: expected a number, found "x"'),
        ([{"a": 1, "b": 1}, {"a": 10**400, "b": 1}], "row 1, column `a`: the number is too large"),
        ([{"a": 1, "b": "x"}, {"a": 1, "b": 1}], "row 1, column `b`: expected text as in the rows before it, found 1"),
        ([{"a": DEEP, "b": 1}], "row 0, column `a`: expected a number, found a list"),
        ([{"a": [], "b": 1}], r"row 0, column `a`: expected a number, found a list"),
    ],
)
def test_rows_that_cannot_be_read_at_once_name_row_and_column(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        RowEncoder(NUMBERS)(rows)


def test_a_column_of_text_is_no_part_of_a_matrix() -> None:
    batch = RowEncoder(NUMBERS)([{"a": 1, "b": "x"}, {"a": None, "b": None}])

    assert batch.has_text
    assert batch["b"] == ["x", None]
    with pytest.raises(KeyError):
        batch["c"]


def test_one_column_is_read_like_several() -> None:
    batch = RowEncoder((Column(name="a"),))([{"a": 1}, {"a": None}])

    assert batch.matrix.shape == (2, 1)
    np.testing.assert_array_equal(batch["a"], [1.0, np.nan])


def test_a_request_of_one_matrix_is_not_copied() -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)

    batch = encode_request(Table.of_matrix(matrix, ("a", "b")), NUMBERS)

    assert batch.matrix is matrix
    assert list(batch["b"]) == [1.0, 3.0, 5.0]


def test_a_request_by_column_is_checked_like_rows() -> None:
    columns = (*NUMBERS, Column(name="t", kind="string"), Column(name="f", kind="boolean"))
    table = Table({"f": [True, False], "t": ["x", None], "b": [1, None], "a": np.array([1, 2]), "z": [0, 0]}, 2)

    batch = encode_request(table, columns)

    assert list(batch) == ["a", "b", "t", "f"]
    np.testing.assert_array_equal(np.asarray(batch["b"]), [1.0, np.nan])
    assert batch["t"] == ["x", None]
    with pytest.raises(RequestError, match="the request lacks the column `b`"):
        encode_request(Table({"a": [1]}, 1), NUMBERS)
    with pytest.raises(RequestError, match='row 0, column `a`: expected a number, found "x"'):
        encode_request(Table({"a": ["x"], "b": [1]}, 1), NUMBERS)


X = np.random.default_rng(5).normal(size=(80, 2))
Y = (X[:, 0] - X[:, 1] > 0.2).astype(int)


def stored(estimator: Any, folder: Path, columns: tuple[str, ...] = ("a", "b")) -> TabularModel:
    skops.io.dump(estimator, folder / "m.skops")
    trust = ["sklearn.tree._tree.Tree"]
    model: Any = model_from_file("m.skops", root=folder, columns=columns, trust=trust)
    model.load()
    return model  # type: ignore[no-any-return]


def rows_of(matrix: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    return [dict(zip(("a", "b"), row, strict=True)) for row in matrix.tolist()]


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        FixedThresholdClassifier(LogisticRegression(), threshold=0.9),
        make_pipeline(StandardScaler(), SVC(probability=True, random_state=0, C=0.01)),
        RandomForestClassifier(8, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore:The `probability` parameter was deprecated:FutureWarning")
def test_labels_are_those_that_the_estimator_itself_predicts(estimator: Any, tmp_path: Path) -> None:
    estimator.fit(X, Y)

    model = stored(estimator, tmp_path)
    answers: list[Any] = list(model.call(rows_of(X)).answers)

    assert [one["prediction"] for one in answers] == estimator.predict(X).tolist()
    assert [one["probability"] for one in answers] == pytest.approx(estimator.predict_proba(X)[:, 1].tolist())
    assert model.n_classes == 2


@pytest.mark.parametrize("last", [SVC(probability=True, random_state=0), LogisticRegression()], ids=["SVC", "logistic"])
@pytest.mark.filterwarnings("ignore:The `probability` parameter was deprecated:FutureWarning")
def test_an_estimator_that_scales_what_it_is_given_in_place_changes_neither_its_labels_nor_what_is_captured(
    last: Any, tmp_path: Path
) -> None:
    far = 3 * X + 10
    estimator = make_pipeline(StandardScaler(copy=False), last).fit(far.copy(), Y)

    call = stored(estimator, tmp_path).call(rows_of(far))
    answers: list[Any] = call.answers

    assert [one["prediction"] for one in answers] == estimator.predict(far.copy()).tolist()
    assert {name: np.asarray(values).tolist() for name, values in call.columns.items()} == {
        "a": far[:, 0].tolist(),
        "b": far[:, 1].tolist(),
    }


def test_a_classifier_with_a_threshold_of_its_own_says_so(tmp_path: Path) -> None:
    at_half, careful = LogisticRegression(), FixedThresholdClassifier(LogisticRegression(), threshold=0.9)

    told = [stored(one.fit(X, Y), tmp_path).decides_itself for one in (at_half, careful)]

    assert told == [False, True]


def test_an_estimator_that_knows_its_columns_is_asked_without_a_warning(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), LinearRegression()).fit(X, X[:, 0])
    for part in (estimator[0], estimator[1]):
        part.feature_names_in_ = np.array(["a", "b"], dtype=object)

    model = stored(estimator, tmp_path, columns=())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers: list[Any] = model.call([{"b": 0.0, "a": 2.0}]).answers

    assert model.input_columns == ("a", "b")
    assert answers[0] == {"prediction": pytest.approx(2.0)}


def test_an_estimator_that_would_start_threads_runs_in_one(tmp_path: Path) -> None:
    estimator = RandomForestClassifier(3, random_state=0).fit(X, Y)
    estimator.n_jobs = -1

    model: Any = stored(estimator, tmp_path)

    assert model._estimator.n_jobs == 1


def test_an_estimator_that_predicts_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenModelError, match="`StandardScaler` has no `predict`"):
        stored(StandardScaler().fit(X), tmp_path)


TEXTS = np.array([["x" if one else "y", number] for one, number in zip(Y, X[:, 0], strict=True)], dtype=object)


def encoded(unknown: str) -> Any:
    encode = ColumnTransformer([("t", OneHotEncoder(handle_unknown=unknown), [0])], remainder="passthrough")
    return make_pipeline(encode, LogisticRegression()).fit(TEXTS, Y)


def test_a_row_whose_text_is_missing_is_no_row_of_numbers(tmp_path: Path) -> None:
    estimator = encoded("ignore")
    model = stored(estimator, tmp_path)

    answers: list[Any] = list(model.call([{"a": None, "b": 0.5}]).answers)

    expected = estimator.predict_proba(np.array([[None, 0.5]], dtype=object))[0, 1]
    assert [column.kind for column in model.columns] == ["string", "any"]
    assert [one["probability"] for one in answers] == [pytest.approx(expected)]
    with pytest.raises(RequestError, match="row 0, column `a`: expected text, found 3"):
        model.call([{"a": 3, "b": 0.5}])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"a": "x", "b": None}, "row 0, column `b`: the value is missing, and the model needs one"),
        ({"a": "z", "b": 1.0}, 'row 0, column `a`: unknown category "z"'),
    ],
)
def test_values_that_the_estimator_refuses_are_the_clients_fault(
    row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = stored(encoded("error"), tmp_path)

    with pytest.raises(RequestError, match=message) as caught:
        model.call([row])

    assert caught.value.status == 400
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("pandas") is not None, reason="pandas is installed")
def test_columns_picked_by_name_need_pandas_and_the_error_says_so(tmp_path: Path) -> None:
    picks = ColumnTransformer([("scale", StandardScaler(), [0])]).fit(X)
    picks.transformers_ = [("scale", picks.transformers_[0][1], ["a"])]
    picks.feature_names_in_ = np.array(["a", "b"], dtype=object)

    with pytest.raises(
        BrokenModelError, match="it picks its columns by name, which scikit-learn does with pandas only"
    ):
        stored(make_pipeline(picks, LinearRegression().fit(X[:, :1], Y)), tmp_path, columns=("a", "b"))


def test_a_router_hands_a_table_to_a_model_that_takes_one_and_rows_to_others(tmp_path: Path) -> None:
    skops.io.dump(LinearRegression().fit(X, X[:, 0]), tmp_path / "m.skops")
    routes: dict[str, str | Route] = {
        "m": Route("m.skops", columns=["a", "b"]),
        "rows": "tests.unit.serving.test_models_tabular:Rows",
    }
    plan = graph_of(Router.single(routes)).compile(root=tmp_path)
    table = Table.of_matrix(X[:3], ("a", "b"))

    by_table: list[Any] = ask(plan, table, "/v2/models/m/infer")

    assert plan.models["m"].takes_tables
    assert not plan.models["rows"].takes_tables
    assert by_table == [{"prediction": pytest.approx(value)} for value in X[:3, 0]]
    assert ask(plan, table, "/v2/models/rows/infer") == [["a", "b"]] * 3
    assert ask(plan, Table.of_matrix(X[:0], ("a", "b")), "/v2/models/m/infer") == []


class Rows:
    """Anything with `call` is a model; this one gets rows."""

    input_columns = ("a", "b")

    def load(self) -> None: ...

    def call(self, rows: list[dict[str, Any]]) -> Any:
        from ci_core.serving.base import ModelCall

        return ModelCall(answers=[list(row) for row in rows], columns={}, outputs=[None] * len(rows))
