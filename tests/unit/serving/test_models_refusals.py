"""A value that a model cannot use is told by row and column, by each loader; one that may be missing reaches it."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from ci_core.serving import RequestError
from ci_core.serving.models import model_from_file
from tests.unit.lowering.pairs import pair, save

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

RNG = np.random.default_rng(7)
X = RNG.normal(size=(120, 2))
Y = (X[:, 0] > X[:, 1]).astype(int)
TEXTS = np.empty((120, 2), dtype=object)
TEXTS[:, 0] = RNG.choice(["x", "y"], 120)
TEXTS[:, 1] = X[:, 1]
NUMBER: dict[str, Any] = {"a": 0.5, "b": 0.25}
TEXT: dict[str, Any] = {"a": "x", "b": 0.25}
MISSING = "the value is missing, and the model needs one"


def encoded(encoder: Any, *, first: Any = None) -> Any:
    texts = encoder if first is None else make_pipeline(first, encoder)
    chosen = ColumnTransformer([("t", texts, [0])], remainder="passthrough")
    return make_pipeline(chosen, LogisticRegression()).fit(TEXTS, Y)


def load(estimator: Any, folder: Path) -> Any:
    trust = save(estimator, folder / "m.skops")
    model = model_from_file("m.skops", root=folder, columns=["a", "b"], trust=trust)
    model.load()
    return model


def load_onnx(estimator: Any, folder: Path, *, has_text: bool = False) -> Any:
    one = FloatTensorType([None, 1])
    inputs = [("a", StringTensorType([None, 1])), ("b", one)] if has_text else [("X", FloatTensorType([None, 2]))]
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    stored = convert_sklearn(estimator, initial_types=inputs, options=options)
    (folder / "m.onnx").write_bytes(stored.SerializeToString())
    model = model_from_file("m.onnx", root=folder, columns=() if has_text else ["a", "b"])
    model.load()
    return model


NEEDY = [
    LogisticRegression(),
    make_pipeline(StandardScaler(), LogisticRegression()),
    SVC(probability=True),
    KNeighborsClassifier(),
    LinearRegression(),
]


@pytest.mark.parametrize("estimator", NEEDY, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize(("column", "value", "wrong"), [("b", None, MISSING), ("a", np.inf, "the number is infinite")])
def test_a_number_that_the_estimator_refuses_is_told_by_row_and_column(
    estimator: Any, column: str, value: Any, wrong: str, tmp_path: Path
) -> None:
    model = load(estimator.fit(X, Y), tmp_path)
    rows = [NUMBER] * 5 + [{**NUMBER, column: value}] + [NUMBER] * 3

    for request, row in ((rows, 5), (rows[5:], 0), (rows[5:6], 0)):
        with pytest.raises(RequestError) as caught:
            model.call(request)

        assert caught.value.message == f"row {row}, column `{column}`: {wrong}"
        assert caught.value.status == 400


@pytest.mark.parametrize(
    ("estimator", "row", "wrong"),
    [
        (encoded(OneHotEncoder()), {**TEXT, "a": "z"}, 'column `a`: unknown category "z"'),
        (encoded(OneHotEncoder()), {**TEXT, "a": None}, f"column `a`: {MISSING}"),
        (encoded(OrdinalEncoder()), {**TEXT, "b": None}, f"column `b`: {MISSING}"),
        (encoded(OneHotEncoder(handle_unknown="ignore")), {**TEXT, "b": None}, f"column `b`: {MISSING}"),
        (
            encoded(OneHotEncoder(), first=SimpleImputer(missing_values=None, strategy="constant", fill_value="x")),
            {"a": None, "b": None},
            f"column `b`: {MISSING}",
        ),
        (encoded(OneHotEncoder()), {"a": "z", "b": None}, 'column `a`: unknown category "z"'),
    ],
)
def test_a_category_or_a_gap_beside_text_is_told_by_row_and_column(
    estimator: Any, row: dict[str, Any], wrong: str, tmp_path: Path
) -> None:
    model = load(estimator, tmp_path)

    with pytest.raises(RequestError) as caught:
        model.call([TEXT, row, TEXT])
    with pytest.raises(RequestError) as alone:
        model.call([row])

    assert caught.value.message == f"row 1, {wrong}"
    assert alone.value.message == f"row 0, {wrong}"


def test_a_text_in_a_column_of_numbers_is_told_however_the_table_was_read(tmp_path: Path) -> None:
    model = load(encoded(OneHotEncoder()), tmp_path)

    with pytest.raises(RequestError, match=r'^row 0, column `b`: expected a number, found "many"$'):
        model.call([{"a": "x", "b": "many"}])
    with pytest.raises(
        RequestError, match=r'^row 2, column `b`: expected a number as in the rows before it, found "many"$'
    ):
        model.call([{"a": "x", "b": None}, TEXT, {"a": "x", "b": "many"}])


def test_a_missing_text_that_is_imputed_is_answered_alone_as_among_others(tmp_path: Path) -> None:
    imputer = SimpleImputer(missing_values=None, strategy="constant", fill_value="x")
    model = load(encoded(OneHotEncoder(), first=imputer), tmp_path)
    row = {"a": None, "b": 0.25}

    assert model.call([row]).answers == model.call([TEXT, row]).answers[1:] == model.call([TEXT]).answers


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(SimpleImputer(), LogisticRegression()),
        RandomForestClassifier(5, random_state=0),
        DecisionTreeClassifier(max_depth=3, random_state=0),
    ],
    ids=["imputer", "forest", "tree"],
)
def test_a_missing_number_reaches_an_estimator_that_takes_it_as_nan(estimator: Any, tmp_path: Path) -> None:
    estimator.fit(X, Y)
    model = load(estimator, tmp_path)

    answers: list[Any] = model.call([NUMBER, {"a": None, "b": 0.25}]).answers

    expected = estimator.predict_proba(np.array([[0.5, 0.25], [np.nan, 0.25]]))[:, 1]
    assert [one["probability"] for one in answers] == pytest.approx(expected.tolist())


def refuse(table: Any) -> Any:
    raise ValueError(f"cannot read /srv/secret/lookup.csv for {len(table)} rows")


def fail(table: Any) -> Any:
    raise TypeError(f"no such thing for {len(table)} rows")


def test_what_a_function_of_somebody_else_says_is_not_told_to_clients(tmp_path: Path) -> None:
    estimator = make_pipeline(FunctionTransformer(), LogisticRegression()).fit(X, Y)
    estimator[0].func = refuse
    model = load(estimator, tmp_path)

    with pytest.raises(RequestError) as caught:
        model.call([NUMBER])

    assert caught.value.message == "row 0: the model refuses the values"


def test_an_estimator_that_fails_at_every_row_is_our_fault(tmp_path: Path) -> None:
    estimator = make_pipeline(FunctionTransformer(), LogisticRegression()).fit(X, Y)
    estimator[0].func = fail
    model = load(estimator, tmp_path)

    with pytest.raises(TypeError, match="no such thing for 1 rows"):
        model.call([NUMBER])


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearRegression()], ids=["classifier", "regression"])
def test_an_onnx_model_that_makes_nothing_of_a_missing_number_refuses_it(estimator: Any, tmp_path: Path) -> None:
    model = load_onnx(estimator.fit(X, Y), tmp_path)

    with pytest.raises(RequestError) as caught:
        model.call([NUMBER, NUMBER, {"a": None, "b": None}, NUMBER])

    assert caught.value.message == f"row 2, column `a`: {MISSING}"


def test_an_onnx_model_that_imputes_gets_nan(tmp_path: Path) -> None:
    estimator = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, Y)
    model = load_onnx(estimator, tmp_path)

    (answer,) = model.call([{"a": None, "b": 0.25}]).answers

    assert answer["probability"] == pytest.approx(estimator.predict_proba([[np.nan, 0.25]])[0, 1], abs=1e-6)


@pytest.mark.parametrize(("value", "wrong"), [("z", 'unknown category "z"'), (None, MISSING)])
def test_an_onnx_encoder_that_knows_no_such_category_says_where(value: Any, wrong: str, tmp_path: Path) -> None:
    model = load_onnx(encoded(OneHotEncoder()), tmp_path, has_text=True)

    with pytest.raises(RequestError) as caught:
        model.call([TEXT, {"a": value, "b": 1.0}, TEXT])

    assert caught.value.message == f"row 1, column `a`: {wrong}"
    assert caught.value.status == 400


ORIGINALS = [
    encoded(OneHotEncoder()),
    encoded(OrdinalEncoder()),
    encoded(OneHotEncoder(handle_unknown="ignore")),
    encoded(OneHotEncoder(), first=SimpleImputer(missing_values=None, strategy="most_frequent")),
]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    index=st.integers(0, len(ORIGINALS) - 1),
    column=st.sampled_from(["a", "b"]),
    value=st.sampled_from([None, "z", "x", 3, np.inf, True]),
    before=st.integers(0, 4),
    after=st.integers(0, 4),
)
def test_a_lowered_model_refuses_a_value_in_the_words_of_the_original(
    index: int, column: str, value: Any, before: int, after: int
) -> None:
    rows = [TEXT] * before + [{**TEXT, column: value}] + [TEXT] * after

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = pair(Path(folder), ORIGINALS[index], ("a", "b"))
        told = [outcome(model, rows) for model in (both.original, both.lowered)]

    assert told[0] == told[1]


def outcome(model: Any, rows: list[dict[str, Any]]) -> Any:
    try:
        return [one["prediction"] for one in model.call(rows).answers]
    except RequestError as error:
        return error.message
