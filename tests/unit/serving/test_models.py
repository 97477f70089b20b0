from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skops.io
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ci_core.errors import BrokenModelError, ModelColumnError, UnsupportedModelError, UntrustedModelError
from ci_core.serving import Graph, Model, RequestError, Route, Router
from ci_core.serving.models import model_from_file
from ci_core.serving.models.skops import SkopsModel
from ci_core.serving.problems import UnknownModelError

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.serving.models.tabular import TabularModel


class Fitted:
    """Small models of one table, with scikit-learn's own answers as what is expected."""

    def __init__(self, root: Path) -> None:
        self.root = root
        rng = np.random.default_rng(7)
        self.table = np.empty((60, 2), dtype=object)
        self.table[:, 0] = rng.choice(["UA", "B6", "EV"], 60)
        self.table[:, 1] = rng.normal(size=60).astype(np.float32).astype(float)
        late = (self.table[:, 1].astype(float) + (self.table[:, 0] == "EV") > 0.3).astype(int)
        encode = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), [0])], remainder="passthrough")
        self.classifier = make_pipeline(encode, LogisticRegression()).fit(self.table, late)
        self.numbers = self.table[:, 1:].astype(float)
        self.regression = LinearRegression().fit(self.numbers, 3 * self.numbers[:, 0] + 1)
        columns = [("carrier", StringTensorType([None, 1])), ("temp", FloatTensorType([None, 1]))]
        self.save("tensor.onnx", self.classifier, columns, zipmap=False)
        self.save("zipmap.onnx", self.classifier, columns, zipmap=True)
        self.save("regression.onnx", self.regression, [("X", FloatTensorType([None, 1]))])
        pair = np.column_stack([self.numbers, -self.numbers])
        self.save("matrix.onnx", LinearRegression().fit(pair, pair[:, 0]), [("X", FloatTensorType([None, 2]))])
        hours = rng.integers(0, 24, (60, 1))
        whole = LogisticRegression().fit(hours, late)
        self.save("whole.onnx", whole, [("hour", Int64TensorType([None, 1]))], zipmap=False)
        skops.io.dump(self.classifier, root / "model.skops")

    def save(self, name: str, model: Any, columns: list[Any], *, zipmap: bool | None = None) -> None:
        options = None if zipmap is None else {"zipmap": zipmap}
        stored = convert_sklearn(model, initial_types=columns, options=options)
        (self.root / name).write_bytes(stored.SerializeToString())

    def load(self, name: str, **more: Any) -> TabularModel:
        model: Any = model_from_file(name, root=self.root, **more)
        model.load()
        return model  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return Fitted(tmp_path_factory.mktemp("models"))


CLASSIFIERS: list[tuple[str, dict[str, Any]]] = [
    ("tensor.onnx", {}),
    ("zipmap.onnx", {}),
    ("model.skops", {"columns": ["carrier", "temp"]}),
]


@pytest.mark.parametrize(("name", "more"), CLASSIFIERS)
def test_a_classifier_answers_label_and_probability_of_class_one(
    name: str, more: dict[str, Any], fitted: Fitted
) -> None:
    model = fitted.load(name, **more)
    rows = [{"temp": temp, "carrier": carrier, "more": 1} for carrier, temp in fitted.table[:5]]

    call = model.call(rows)

    expected = fitted.classifier.predict_proba(fitted.table[:5])[:, 1]
    assert model.input_columns == ("carrier", "temp")
    assert [answer["prediction"] for answer in call.answers] == fitted.classifier.predict(fitted.table[:5]).tolist()  # type: ignore[call-overload,index]
    assert [answer["probability"] for answer in call.answers] == pytest.approx(expected, abs=1e-5)  # type: ignore[call-overload,index]
    assert list(call.outputs) == pytest.approx(expected, abs=1e-5)
    assert list(call.columns) == ["carrier", "temp"]
    assert list(call.columns["carrier"]) == fitted.table[:5, 0].tolist()


@pytest.mark.parametrize(("name", "more"), CLASSIFIERS)
def test_a_whole_table_is_scored_at_once(name: str, more: dict[str, Any], fitted: Fitted) -> None:
    model = fitted.load(name, **more)

    scores = model.score({"other": fitted.table[:, 0], "temp": fitted.numbers[:, 0], "carrier": fitted.table[:, 0]})

    assert scores.shape == (60,)
    assert scores.dtype == np.float64
    assert scores == pytest.approx(fitted.classifier.predict_proba(fitted.table)[:, 1], abs=1e-5)


def test_a_regression_answers_its_value(fitted: Fitted) -> None:
    model = fitted.load("regression.onnx", columns=["temp"])

    (answer,) = model.call([{"temp": 2}]).answers

    assert isinstance(answer, dict)
    assert list(answer) == ["prediction"]
    assert answer["prediction"] == pytest.approx(7.0, abs=1e-4)
    assert model.score({"temp": [0.0, 1.0]}) == pytest.approx([1.0, 4.0], abs=1e-4)


def test_a_matrix_takes_the_columns_that_the_route_names_in_their_order(fitted: Fitted) -> None:
    model = fitted.load("matrix.onnx", columns=["a", "b"])

    assert model.call([{"b": -5, "a": 5.0}]).outputs == pytest.approx([5.0], abs=1e-4)


def test_a_matrix_without_names_is_refused_with_the_way_to_name_them(fitted: Fitted) -> None:
    with pytest.raises(BrokenModelError, match="does not say what its columns are called") as caught:
        fitted.load("matrix.onnx")
    assert caught.value.hint == (
        'name them in the route: `Route("matrix.onnx", columns=["a", "b"])`, '
        "in YAML {model: matrix.onnx, columns: [a, b]}"
    )
    with pytest.raises(BrokenModelError, match="has 2 columns, and 3 are named"):
        fitted.load("matrix.onnx", columns=["a", "b", "c"])


def test_missing_values_reach_the_model_and_the_capture(fitted: Fitted) -> None:
    model = fitted.load("tensor.onnx")

    call = model.call([{"carrier": None, "temp": 1}, {"carrier": "UA", "temp": 2.5}])

    assert call.columns["carrier"] == [None, "UA"]
    assert model.score({"carrier": [None, float("nan")], "temp": [1, 1]}).tolist() == pytest.approx(
        [call.outputs[0]] * 2
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"carrier": "UA"}, "row 1 lacks the column `temp`"),
        ({"carrier": "UA", "temp": "warm"}, 'row 1, column `temp`: expected a number, found "warm"'),
        ({"carrier": "UA", "temp": [1]}, r"row 1, column `temp`: expected a number, found a list"),
        ({"carrier": "UA", "temp": 10**400}, "row 1, column `temp`: the number is too large"),
        ({"carrier": 7, "temp": 1}, "row 1, column `carrier`: expected text, found 7"),
    ],
)
def test_a_value_of_a_wrong_type_names_row_and_column(row: dict[str, Any], message: str, fitted: Fitted) -> None:
    model = fitted.load("tensor.onnx")

    with pytest.raises(RequestError, match=message):
        model.call([{"carrier": "UA", "temp": 1}, row])


@pytest.mark.parametrize(
    ("hour", "wrong"),
    [(7.5, "expected a whole number, found 7.5"), (None, "the value is missing, and the model needs one")],
)
def test_a_column_of_whole_numbers_takes_no_fraction_and_nothing_missing(hour: Any, wrong: str, fitted: Fitted) -> None:
    model = fitted.load("whole.onnx")

    assert 0 <= model.call([{"hour": 7.0}]).outputs[0] <= 1  # type: ignore[operator]
    with pytest.raises(RequestError, match=f"row 1, column `hour`: {wrong}"):
        model.call([{"hour": 7}, {"hour": hour}])


def test_a_table_without_a_column_is_refused_and_the_nearest_named(fitted: Fitted) -> None:
    model = fitted.load("tensor.onnx")

    with pytest.raises(ModelColumnError) as caught:
        model.score({"carrier": ["UA"], "tmp": [1.0]})

    assert caught.value.hint == "did you mean `tmp`?"
    with pytest.raises(ModelColumnError, match="it is not a number"):
        model.score({"carrier": ["UA"], "temp": ["warm"]})


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.skops"):
        (tmp_path / name).write_bytes(b"not a model")
        model = model_from_file(name, root=tmp_path)
        with pytest.raises(BrokenModelError):
            model.load()


def test_a_format_that_runs_code_is_refused_without_opening_it(tmp_path: Path) -> None:
    for name in ("m.pkl", "m.joblib", "M.PICKLE"):
        with pytest.raises(UnsupportedModelError, match="runs the code in it"):
            model_from_file(name, root=tmp_path)


class Sneaky(LinearRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A type that skops does not know."""


def test_a_skops_file_with_types_of_others_is_refused(tmp_path: Path) -> None:
    skops.io.dump(Sneaky().fit([[0.0], [1.0]], [0, 1]), tmp_path / "m.skops")

    with pytest.raises(UntrustedModelError) as caught:
        model_from_file("m.skops", root=tmp_path, columns=["a"]).load()

    assert any("Sneaky" in name for name in caught.value.types)


def test_a_forest_is_read_when_the_author_of_the_graph_vouches_for_its_trees(tmp_path: Path) -> None:
    forest = RandomForestClassifier(2, random_state=0).fit([[0.0], [1.0]], [0, 1])
    skops.io.dump(forest, tmp_path / "m.skops")

    with pytest.raises(UntrustedModelError) as caught:
        model_from_file("m.skops", root=tmp_path, columns=["a"]).load()
    model = model_from_file("m.skops", root=tmp_path, columns=["a"], trust=["sklearn.tree._tree.Tree"])
    model.load()

    assert caught.value.types == ("sklearn.tree._tree.Tree",)
    assert "`trust: [sklearn.tree._tree.Tree]`" in (caught.value.hint or "")
    assert model.call([{"a": 1.0}]).answers == [{"prediction": 1, "probability": 1.0}]


def test_a_text_is_refused_by_row_and_column_where_the_estimator_reads_numbers_only(tmp_path: Path) -> None:
    numeric = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    skops.io.dump(numeric.fit([[0.0, 1.0], [1.0, 2.0]], [0, 1]), tmp_path / "m.skops")
    model = model_from_file("m.skops", root=tmp_path, columns=["age", "income"])
    model.load()

    with pytest.raises(RequestError, match='row 1, column `income`: expected a number, found "lots"'):
        model.call([{"age": 1, "income": 2}, {"age": 1, "income": "lots"}])


def test_columns_of_a_transformer_are_text_or_numbers_as_their_own_parts_say(tmp_path: Path) -> None:
    encoded = ColumnTransformer([("city", OneHotEncoder(), [0]), ("age", StandardScaler(), [1])])
    table = np.array([["Oslo", 1.0], ["Rome", 2.0]], dtype=object)
    skops.io.dump(make_pipeline(encoded, LogisticRegression()).fit(table, [0, 1]), tmp_path / "m.skops")
    model = SkopsModel("m.skops", root=tmp_path, columns=["city", "age"])
    model.load()

    assert [(column.name, column.kind) for column in model.columns] == [("city", "string"), ("age", "number")]


class Mean(Model):
    """A user's model."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset
        self.is_loaded = False

    def load(self) -> None:
        self.is_loaded = True

    def preprocess(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{key: value for key, value in row.items() if key != "model"} for row in rows]

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        assert self.is_loaded
        return [self.offset + sum(row.values()) / len(row) for row in rows]

    def postprocess(self, answers: list[Any]) -> list[Any]:
        return [{"mean": answer} for answer in answers]


def routed() -> Graph:
    graph = Graph("g")
    graph.to(Router.single({"mean": Mean, "high": Route(Mean, arguments={"offset": 100})})).respond()
    return graph


def test_the_router_goes_by_path_then_by_the_bodys_model_then_to_the_first() -> None:
    graph = routed()

    assert graph.test({"a": 1, "b": 3}) == {"mean": 2.0}
    assert graph.test({"a": 1, "b": 3}, "/v2/models/high/infer") == {"mean": 102.0}
    assert graph.test({"a": 1, "b": 3, "model": "high"}) == {"mean": 102.0}
    assert graph.test([{"a": 1}, {"a": 2}], "/v2/models/high") == [{"mean": 101.0}, {"mean": 102.0}]
    assert graph.test([]) == []


@pytest.mark.parametrize(("body", "path"), [({"a": 1}, "/v2/models/low/infer"), ({"a": 1, "model": "low"}, "/")])
def test_an_unknown_model_is_a_404_that_names_the_models(body: dict[str, Any], path: str) -> None:
    with pytest.raises(UnknownModelError, match="there is no model `low`; models: `mean`, `high`") as caught:
        routed().test(body, path)

    assert caught.value.status == 404


def test_an_input_column_called_model_is_no_route() -> None:
    class ByModel(Model):
        input_columns = ("model",)

        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            return [row["model"] for row in rows]

    graph = Graph("g")
    graph.to(Router.single({"m": ByModel}))

    assert graph.test({"model": "Corsa"}) == "Corsa"


@pytest.mark.parametrize("body", [3, "text", None, [1], [{"a": 1}, "b"]])
def test_a_body_that_is_no_row_is_the_clients_fault(body: Any) -> None:
    with pytest.raises(RequestError, match="expected an object of columns"):
        routed().test(body)


def test_a_users_model_scores_a_table_and_tells_what_it_received() -> None:
    model = Mean()
    model.load()

    assert model.score({"a": [1, 2], "b": [3, 4]}).tolist() == [2.0, 3.0]
    assert model.score({"a": [], "b": []}).shape == (0,)
    assert dict(model.call([{"a": 1}, {"b": 2}]).columns) == {"a": [1, None], "b": [None, 2]}
