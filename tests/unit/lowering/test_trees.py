"""Trees and forests: the ONNX form gives every label as scikit-learn does, draws and missing values included."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from ci_core.errors import BrokenModelError
from ci_core.lowering import trees
from ci_core.lowering.estimator import lower_estimator
from ci_core.lowering.spec import NotLowerableError
from ci_core.serving.models import model_from_file
from ci_core.serving.problems import RequestError
from tests.unit.lowering.pairs import assert_alike, pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.lowering.pairs import Pair

RNG = np.random.default_rng(3)
X = np.round(RNG.normal(size=(200, 3)), 2)  # values on a grid: many are equal to a threshold's neighbours
TWO = (X.sum(axis=1) + RNG.normal(size=200) > 0).astype(int)
THREE = np.array(["a", "b", "c"])[RNG.integers(0, 3, 200)]
COLUMNS = ("p", "q", "r")

CLASSIFIERS: list[Any] = [
    DecisionTreeClassifier(random_state=0),
    DecisionTreeClassifier(max_depth=1, random_state=0),
    RandomForestClassifier(20, random_state=0),
    RandomForestClassifier(10, min_samples_leaf=5, class_weight="balanced", random_state=0),
    ExtraTreesClassifier(10, random_state=0),
    GradientBoostingClassifier(n_estimators=10, random_state=0),
    GradientBoostingClassifier(n_estimators=5, init="zero", random_state=0),
    HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5),
]
REGRESSIONS: list[Any] = [
    DecisionTreeRegressor(random_state=0),
    RandomForestRegressor(20, random_state=0),
    ExtraTreesRegressor(10, random_state=0),
    GradientBoostingRegressor(n_estimators=20, random_state=0),
    GradientBoostingRegressor(n_estimators=5, loss="huber", random_state=0),
    HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=5),
    HistGradientBoostingRegressor(max_iter=10, loss="poisson", min_samples_leaf=5),
]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """With more, scikit-learn waits for them by sleeping."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def forests(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    holed = X.copy()
    holed[::7, 1] = np.nan
    models = [
        RandomForestClassifier(10, random_state=0).fit(X, TWO),
        RandomForestClassifier(10, random_state=0).fit(holed, TWO),
        HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5).fit(holed, THREE),
        GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, TWO),
    ]
    return [pair(tmp_path_factory.mktemp("forest"), model, COLUMNS) for model in models]


def rows_of(table: np.ndarray) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in table.tolist()]


@pytest.mark.parametrize("labels", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("final", CLASSIFIERS, ids=str)
def test_every_classifier_of_trees_gives_the_labels_of_scikit_learn(
    final: Any, labels: np.ndarray, tmp_path: Path
) -> None:
    both = pair(tmp_path, final.fit(X, labels), COLUMNS)

    assert both.files.form == "onnx"
    assert assert_alike(both, rows_of(X), tolerance=1e-6)
    assert assert_alike(both, rows_of(np.random.default_rng(8).normal(size=(500, 3))), tolerance=1e-6)


def test_an_exponential_loss_is_lowered(tmp_path: Path) -> None:
    model = GradientBoostingClassifier(n_estimators=5, loss="exponential", random_state=0).fit(X, TWO)

    assert assert_alike(pair(tmp_path, model, COLUMNS), rows_of(X))


@pytest.mark.parametrize("final", REGRESSIONS, ids=str)
def test_every_regression_of_trees_gives_the_values_of_scikit_learn(final: Any, tmp_path: Path) -> None:
    both = pair(tmp_path, final.fit(X, np.exp(X @ [0.5, 0.2, -0.3])), COLUMNS)

    assert assert_alike(both, rows_of(X), tolerance=1e-6)


def test_a_vote_of_as_many_trees_for_as_against_stays_a_draw(tmp_path: Path) -> None:
    model = ExtraTreesClassifier(20, random_state=0).fit(X, TWO)
    asked = np.random.default_rng(5).normal(size=(2000, 3))
    draws = int((model.predict_proba(asked)[:, 1] == 0.5).sum())

    both = pair(tmp_path, model, COLUMNS)
    answers = both.lowered.call(rows_of(asked)).answers

    assert draws > 20
    assert [one["prediction"] for one in answers] == model.predict(asked).tolist()


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(*[st.floats(-5, 5) | st.none() | st.sampled_from([1e30, 1e39, -1e300, math.inf, 0.125])] * 3),
        min_size=1,
        max_size=8,
    )
)
def test_rows_of_any_numbers_are_answered_alike(forests: list[Pair], rows: list[tuple[float | None, ...]]) -> None:
    requests = [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    for both in forests:
        assert_alike(both, requests, tolerance=1e-6)


@pytest.mark.parametrize("value", [1e39, -1e300])
def test_a_number_that_float32_does_not_have_is_refused_as_the_original_does(value: float, tmp_path: Path) -> None:
    both = pair(tmp_path, RandomForestClassifier(5, random_state=0).fit(X, TWO), COLUMNS)

    with pytest.raises(RequestError, match="row 0: its numbers are too large"):
        both.lowered.call([{"p": value, "q": 0.0, "r": 0.0}])

    assert not assert_alike(both, [{"p": value, "q": 0.0, "r": 0.0}])
    assert assert_alike(both, [{"p": 3.4e38, "q": 0.0, "r": -3.4e38}])


def test_what_an_imputer_refuses_is_refused_before_trees_that_take_any_number(tmp_path: Path) -> None:
    chosen = ColumnTransformer([("n", SimpleImputer(), [0]), ("p", "passthrough", [1, 2])])
    trees = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5)
    both = pair(tmp_path, make_pipeline(chosen, trees).fit(X, TWO), COLUMNS)

    with pytest.raises(RequestError, match="row 0, column `p`: the number is infinite"):
        both.lowered.call([{"p": math.inf, "q": 0.0, "r": 0.0}])

    assert not assert_alike(both, [{"p": math.inf, "q": 0.0, "r": 0.0}])
    assert assert_alike(both, [{"p": 0.0, "q": math.inf, "r": -math.inf}])


def test_a_pipeline_that_ends_in_trees_keeps_its_encoders(tmp_path: Path) -> None:
    table = np.empty((200, 3), dtype=object)
    table[:, :2] = X[:, :2]
    table[:, 2] = np.array(["a", "b", "c"])[RNG.integers(0, 3, 200)]
    chosen = ColumnTransformer([("n", SimpleImputer(), [0, 1]), ("c", OneHotEncoder(handle_unknown="ignore"), [2])])

    both = pair(tmp_path, make_pipeline(chosen, RandomForestClassifier(10, random_state=0)).fit(table, TWO), COLUMNS)

    assert assert_alike(both, rows_of(table))
    assert assert_alike(both, [{"p": None, "q": 1, "r": "unheard of"}])
    assert not assert_alike(both, [{"p": math.inf, "q": 1, "r": "a"}])


def test_the_same_trees_always_give_the_same_bytes(tmp_path: Path) -> None:
    model = RandomForestClassifier(5, random_state=0).fit(X, TWO)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    one, two = pair(tmp_path / "one", model, COLUMNS), pair(tmp_path / "two", model, COLUMNS)

    assert one.files == two.files
    nodes, document = sorted(one.files.files, key=lambda path: not path.endswith(".onnx"))
    assert (nodes.endswith(".onnx"), document) == (True, ".graphship/lowered/model.trees")


def test_trees_that_are_not_those_of_the_model_are_refused(tmp_path: Path) -> None:
    both = pair(tmp_path, DecisionTreeClassifier(random_state=0).fit(X, TWO), COLUMNS)
    nodes = next(path for path in both.files.files if path.endswith(".onnx"))
    (tmp_path / nodes).write_bytes(b"others")

    with pytest.raises(BrokenModelError, match="are not those it was made with"):
        model_from_file(both.files.main, root=tmp_path, columns=COLUMNS).load()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (RandomForestRegressor(2).fit(X, X[:, :2]), "predicts several targets"),
        (
            GradientBoostingRegressor(n_estimators=2, init=LinearRegression()).fit(X, X[:, 0]),
            "begins with another estimator (`init`)",
        ),
        (
            HistGradientBoostingRegressor(max_iter=2, categorical_features=[0], min_samples_leaf=1).fit(
                np.column_stack([np.arange(200) % 5, X[:, 1]]), np.arange(200) % 5 == 3
            ),
            "splits by categories (`categorical_features`)",
        ),
    ],
    ids=["targets", "init", "categories"],
)
def test_trees_without_a_lower_form_say_why(model: Any, reason: str) -> None:
    with pytest.raises(NotLowerableError) as caught:
        lower_estimator(model, kinds=["any"] * model.n_features_in_, source="model")

    assert str(caught.value) == reason


def test_a_forest_of_more_than_two_million_nodes_has_no_lower_form() -> None:
    many = np.broadcast_to(np.int64(-1), (2_000_001,))
    tree = trees._Tree(
        feature=many, threshold=many, left=many, right=many, missing_goes_left=many, values=many.reshape(-1, 1)
    )

    with pytest.raises(NotLowerableError, match="has 2,000,001 nodes, and 2,000,000 are lowered at most"):
        trees._onnx_file([tree], n_features=1, n_scores=1)
