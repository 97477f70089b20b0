"""Pipelines with linear models: the lowered form answers every row as scikit-learn does, or both refuse it."""

from __future__ import annotations

import math
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from ci_core.lowering.estimator import lower_estimator
from ci_core.lowering.spec import NotLowerableError
from tests.unit.lowering.pairs import assert_alike, pair

pytestmark = pytest.mark.filterwarnings("ignore")  # few rows make scikit-learn's solvers complain

COLUMNS = ("x", "y", "city", "level")
SCALERS: list[Any] = [
    "passthrough",
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    MinMaxScaler(clip=True),
    MinMaxScaler(feature_range=(-2, 3)),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False),
]
NUMBER_IMPUTERS: list[Any] = [
    SimpleImputer(),
    SimpleImputer(strategy="median", add_indicator=True),
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(strategy="constant", fill_value=-1.5, keep_empty_features=True),
]
TEXT_IMPUTERS: list[Any] = [
    "passthrough",
    SimpleImputer(missing_values=None, strategy="most_frequent"),
    SimpleImputer(missing_values=None, strategy="constant", fill_value="none", add_indicator=True),
]
ENCODERS: list[Any] = [
    OneHotEncoder(),
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(handle_unknown="ignore", sparse_output=False, drop="first"),
    OneHotEncoder(handle_unknown="warn", min_frequency=8),
    OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2, sparse_output=False),
    OneHotEncoder(drop="if_binary"),
    OrdinalEncoder(),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-3),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=9, encoded_missing_value=-1),
]
TWO: list[Any] = [LogisticRegression(), SGDClassifier(loss="modified_huber", random_state=0), RidgeClassifier()]
CLASSIFIERS: list[Any] = [
    *TWO,
    LogisticRegression(solver="newton-cg"),
    SGDClassifier(loss="log_loss", random_state=0),
    SGDClassifier(random_state=0),
    LinearSVC(random_state=0),
    OneVsRestClassifier(LogisticRegression()),
]
REGRESSIONS: list[Any] = [LinearRegression(), Ridge(), Lasso(0.01), ElasticNet(0.01), SGDRegressor(random_state=0)]

NUMBER = st.none() | st.integers(-3, 3) | st.floats(-50, 50, width=32) | st.sampled_from([1e12, 1e39, math.inf, True])
TEXT = st.sampled_from(["a", "b", "c", "d", "elsewhere", ""]) | st.none()
ROW = st.fixed_dictionaries({
    "x": NUMBER,
    "y": NUMBER | st.sampled_from(["2.5", "many"]),
    "city": TEXT | st.sampled_from([3, math.inf]),
    "level": NUMBER | st.integers(0, 3),
})  # fmt: skip


def table(seed: int, *, has_missing_text: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = 60
    made = np.empty((n, 4), dtype=object)
    made[:, 0] = rng.normal(size=n)
    made[:, 1] = rng.normal(5, 20, size=n)
    made[rng.random(n) < 0.1, 1] = np.nan
    made[:, 2] = rng.choice(["a", "b", "c", "d"], p=[0.6, 0.2, 0.15, 0.05], size=n)
    if has_missing_text:
        made[rng.random(n) < 0.1, 2] = None
    made[:, 3] = rng.integers(0, 4, size=n).astype(float)
    return made


def labels(kind: str, made: np.ndarray) -> Any:
    score = made[:, 0].astype(float) + (made[:, 2] == "a")
    if kind == "two":
        return (score > 0.6).astype(int)
    if kind == "three":
        return np.array(["low", "mid", "high"])[np.digitize(score, [0.2, 0.9])]
    return 3.0 * score - 1.0


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_lowered_pipeline_answers_every_row_as_scikit_learn_does(data: st.DataObject) -> None:
    encoder = data.draw(st.sampled_from(ENCODERS))
    text_imputer = data.draw(st.sampled_from(TEXT_IMPUTERS))
    made = table(data.draw(st.integers(0, 5)), has_missing_text=text_imputer != "passthrough")
    numbers = make_pipeline(data.draw(st.sampled_from(NUMBER_IMPUTERS)), data.draw(st.sampled_from(SCALERS)))
    parts = [
        ("numbers", numbers, [0, 1]),
        ("city", make_pipeline(text_imputer, encoder), [2]),
        ("level", data.draw(st.sampled_from([OneHotEncoder(handle_unknown="ignore"), "passthrough", "drop"])), [3]),
    ]
    chosen = ColumnTransformer(
        data.draw(st.permutations(parts)), remainder=data.draw(st.sampled_from(["drop", "passthrough"]))
    )
    kind = data.draw(st.sampled_from(["two", "three", "number"]))
    final = data.draw(st.sampled_from(REGRESSIONS if kind == "number" else CLASSIFIERS))
    estimator = make_pipeline(chosen, data.draw(st.sampled_from(["passthrough", MaxAbsScaler()])), final)
    requests = data.draw(st.lists(st.lists(ROW, min_size=1, max_size=4), min_size=1, max_size=12))

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        both = pair(Path(folder), estimator.fit(made, labels(kind, made)), COLUMNS)
        known = [dict(zip(COLUMNS, row, strict=True)) for row in made.tolist()]

        assert assert_alike(both, known)
        for request in requests:
            assert_alike(both, request)


@pytest.mark.parametrize("final", CLASSIFIERS, ids=str)
@pytest.mark.parametrize("kind", ["two", "three"])
def test_every_linear_classifier_is_lowered(final: Any, kind: str, tmp_path: Path) -> None:
    made = np.random.default_rng(1).normal(size=(80, 3))
    told = labels(kind, np.column_stack([made, np.full(80, "a", dtype=object)])[:, [0, 1, 3, 2]])

    both = pair(tmp_path, final.fit(made, told), ("p", "q", "r"))

    assert both.files.form == "numpy"
    assert assert_alike(both, [dict(zip("pqr", row, strict=True)) for row in made.tolist()])


@pytest.mark.parametrize("final", REGRESSIONS, ids=str)
def test_every_linear_regression_is_lowered(final: Any, tmp_path: Path) -> None:
    made = np.random.default_rng(1).normal(size=(80, 3))

    both = pair(tmp_path, final.fit(made, made @ [1.0, -2.0, 0.5] + 4.0), ("p", "q", "r"))

    assert assert_alike(both, [dict(zip("pqr", row, strict=True)) for row in made.tolist()])


def test_an_answer_is_what_the_weights_say_by_hand(tmp_path: Path) -> None:
    model = LinearRegression().fit([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [1.0, 3.0, 0.0, 2.0])

    both = pair(tmp_path, make_pipeline(model), ("a", "b"))

    assert both.lowered.call([{"a": 10, "b": 4}]).answers[0]["prediction"] == pytest.approx(1 + 2 * 10 - 4)


@pytest.mark.parametrize(
    "kind",
    [np.array([False, True]), np.array([2, 7]), np.array(["no", "yes"]), np.array([1.0, 2.0])],
    ids=lambda k: k.dtype.kind,
)
def test_labels_keep_their_type(kind: np.ndarray, tmp_path: Path) -> None:
    made = np.linspace(-1, 1, 40).reshape(-1, 1)

    both = pair(tmp_path, LogisticRegression().fit(made, kind[(made[:, 0] > 0).astype(int)]), ("a",))

    assert both.lowered.call([{"a": 1}]).answers[0]["prediction"] == kind[1].item()
    assert assert_alike(both, [{"a": value} for value in made[:, 0].tolist()])


def test_what_a_union_and_an_empty_function_do_is_lowered(tmp_path: Path) -> None:
    made = np.random.default_rng(1).normal(size=(60, 2))
    union = FeatureUnion(
        [("scaled", StandardScaler()), ("same", FunctionTransformer()), ("none", "drop")],
        transformer_weights={"scaled": 3.0},
    )

    both = pair(tmp_path, make_pipeline(union, Ridge()).fit(made, made[:, 0]), ("a", "b"))

    assert assert_alike(both, [dict(zip("ab", row, strict=True)) for row in made.tolist()])


def test_the_same_model_always_gives_the_same_bytes(tmp_path: Path) -> None:
    made = table(1, has_missing_text=False)
    estimator = make_pipeline(
        ColumnTransformer([("n", SimpleImputer(), [0, 1]), ("c", OneHotEncoder(), [2, 3])]), LogisticRegression()
    ).fit(made, labels("two", made))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    one, two = pair(tmp_path / "one", estimator, COLUMNS), pair(tmp_path / "two", estimator, COLUMNS)

    assert one.files == two.files
    assert list(one.files.files) == [".graphship/lowered/model.lowered"]


class Shifted(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Answers otherwise than its parent, and looks like it."""

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return super().predict_proba(np.asarray(X) + 1)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (
            make_pipeline(PolynomialFeatures(), Ridge()),
            "`PolynomialFeatures` is not among the transformers that are lowered",
        ),
        (make_pipeline(FunctionTransformer(np.log1p), Ridge()), "`FunctionTransformer` runs a function of yours"),
        (make_pipeline(StandardScaler(), Shifted()), "`Shifted` is not among the estimators that are lowered"),
        (OneVsRestClassifier(LinearSVC()), "is a `OneVsRestClassifier` of something else than logistic regressions"),
    ],
    ids=["transformer", "function", "own class", "one against rest"],
)
def test_what_has_no_lower_form_says_what_is_in_the_way(estimator: Any, reason: str) -> None:
    made = np.abs(np.random.default_rng(1).normal(size=(40, 2)))
    estimator.fit(made, np.arange(40) % 3)

    with pytest.raises(NotLowerableError) as caught:
        lower_estimator(estimator, kinds=["any", "any"], source="model")

    assert str(caught.value) == reason


def test_several_targets_have_no_lower_form() -> None:
    model = Ridge().fit([[0.0], [1.0]], [[0.0, 1.0], [1.0, 0.0]])

    with pytest.raises(NotLowerableError, match="predicts several targets"):
        lower_estimator(model, kinds=["any"], source="model")


def test_more_than_ten_thousand_categories_have_no_lower_form() -> None:
    model = make_pipeline(OneHotEncoder(), Ridge())
    model.fit(np.arange(10_001).reshape(-1, 1), np.arange(10_001))

    with pytest.raises(NotLowerableError, match="knows more than 10,000 categories"):
        lower_estimator(model, kinds=["any"], source="model")
