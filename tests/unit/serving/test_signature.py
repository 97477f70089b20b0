"""What metadata say of a model is what requests to it are held to and what its answers are."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import orjson
import pytest
import xgboost
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.svm import LinearSVC

from ci_core.errors import InvalidStepError
from ci_core.serving import Graph, Model, RequestError, Route, Router
from ci_core.serving.identity import EventIdentity
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application
from tests.unit.lowering.pairs import pair, save
from tests.unit.serving.routed import graph_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ci_core.serving.routers import RouterDraft

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 2))
Y = (X[:, 0] > X[:, 1]).astype(int)


class Sum(Model):
    input_columns = ("a", "b")
    output_columns: Mapping[str, str] = MappingProxyType({"sum": "number", "sign": "integer"})
    calls = 0

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        type(self).calls += 1
        return [{"sum": row["a"] + row["b"], "sign": 1 if row["a"] + row["b"] > 0 else -1} for row in rows]


class Plain(Model):
    """Answers with numbers, or null; says so."""

    columns: Any = ("a", "b")
    output_columns: Mapping[str, str] = MappingProxyType({"output": "number"})

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [None if row["a"] < 0 else row["a"] + row["b"] for row in rows]


class Prepared(Sum):
    """Makes what it reads of something else."""

    def preprocess(self, rows: list[dict[str, Any]]) -> Any:
        return [{"a": row["x"], "b": 2 * row["x"]} for row in rows]


class Checked(Sum):
    """Refuses by a column that it does not predict from."""

    def validate(self, rows: list[dict[str, Any]]) -> None:
        if any(row["country"] == "x" for row in rows):
            raise RequestError("not there")


class Open(Model):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [len(row) for row in rows]


def serve(graph: Graph, **more: Any) -> Application:
    return Application(graph.spec, graph.compile(), metrics=Metrics(), **more)


def served(draft: RouterDraft, **more: Any) -> Application:
    return serve(graph_of(draft, "choose"), **more)


def tensor(name: str, *data: Any, datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": list(data)}


def ask(application: Application, model: str, *tensors: Any, **more: Any) -> tuple[int, Any]:
    body = orjson.dumps({"inputs": list(tensors), **more})
    status, _headers, answer = application.handle("POST", f"/v2/models/{model}/infer", {}, body)
    return status, orjson.loads(answer)


def metadata(application: Application, model: str) -> Any:
    status, _headers, answer = application.handle("GET", f"/v2/models/{model}", {}, b"")
    assert status == 200
    return orjson.loads(answer)


def signature(tensors: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["datatype"] for one in tensors}


A, B, C = tensor("a", 1.0), tensor("b", 2.0), tensor("c", 3.0)
DIRECT: list[tuple[RouterDraft, str]] = [
    (Router.single({"m": Sum}), "m"),
    (Router.vote({"m": Sum, "n": Sum}), "n"),
    (Router.mean({"m": Sum, "n": Sum}), "choose"),
    (Router.shadow({"m": Sum, "n": Open}), "m"),
    (Router.weighted({"m": Sum, "n": Sum}, {"m": 1, "n": 1}), "choose"),
    (Router.parallel({"m": Sum, "n": Sum}), "choose"),
]


@pytest.mark.parametrize(("draft", "model"), DIRECT)
def test_a_tensor_that_the_model_does_not_read_is_refused_by_its_name(draft: RouterDraft, model: str) -> None:
    status, answer = ask(served(draft), model, A, C, B)

    assert (status, answer) == (400, {"error": f"the model `{model}` has no input `c`; inputs: `a`, `b`"})


@pytest.mark.parametrize(
    ("draft", "model", "extra"),
    [
        (Router.single({"m": Open}), "m", "c"),  # a model that names no columns may read any
        (Router.single({"m": Sum}), "m", "event_id"),
        (Router.single({"m": Sum}), "m", "at"),
        (Router.weighted({"m": Sum}, {"m": 1}, key="user.id"), "m", "user"),
        (Router.shadow({"m": Sum, "n": Open}), "choose", "c"),  # the shadow may read it
    ],
)
def test_a_tensor_that_something_else_reads_is_taken(draft: RouterDraft, model: str, extra: str) -> None:
    application = served(draft, identity=EventIdentity(time_column="at"))

    assert ask(application, model, A, B, tensor(extra, 7.0))[0] == 200


def test_a_tensor_for_what_a_model_makes_of_its_rows_is_taken() -> None:
    assert ask(served(Router.single({"m": Prepared})), "m", tensor("x", 2.0))[0] == 200


@pytest.mark.parametrize(("country", "status"), [("nl", 200), ("x", 400)])
def test_a_tensor_that_only_validate_reads_is_taken(country: str, status: int) -> None:
    application = served(Router.single({"m": Checked}))

    told, answer = ask(application, "m", A, B, tensor("country", country, datatype="BYTES"))

    assert told == status
    assert told == 200 or answer == {"error": "not there"}


def test_a_tensor_for_the_steps_before_the_router_is_taken() -> None:
    graph = Graph("g")
    graph.to(lambda rows: [{"a": row["c"], "b": 0} for row in rows], "make").to(Router.single({"m": Sum}))

    assert ask(serve(graph), "m", C)[0] == 200


def test_a_field_of_rows_by_name_that_the_model_does_not_read_is_passed_on() -> None:
    application = served(Router.single({"m": Sum}))

    status, _headers, _body = application.handle(
        "POST", "/v2/models/m/infer_dict", {}, orjson.dumps([{"a": 1, "b": 2, "c": 3}])
    )

    assert status == 200


def test_an_output_that_is_not_answered_is_refused_before_the_model_is_asked() -> None:
    application = served(Router.single({"m": Sum}))
    Sum.calls = 0

    status, answer = ask(application, "m", A, B, outputs=[{"name": "sum"}, {"name": "total"}])

    assert (status, answer) == (400, {"error": "the model `m` has no output `total`; outputs: `sum`, `sign`"})
    assert Sum.calls == 0


def test_an_output_is_of_the_declared_datatype_whatever_the_values_are() -> None:
    application = served(Router.single({"m": Sum, "p": Plain}))

    _status, whole = ask(application, "m", tensor("a", 1, datatype="INT64"), tensor("b", 2, datatype="INT64"))
    _status, nothing = ask(application, "p", tensor("a", -1.0), B)

    assert signature(whole["outputs"]) == {"sum": "FP64", "sign": "INT64"}
    assert nothing["outputs"] == [{"name": "output", "datatype": "FP64", "shape": [1], "data": [None]}]


def write_onnx(estimator: Any, file: Path) -> None:
    stored = convert_sklearn(
        estimator,
        initial_types=[("X", FloatTensorType([None, 2]))],
        options={"zipmap": False} if hasattr(estimator, "predict_proba") else None,
    )
    file.write_bytes(stored.SerializeToString())


def write_xgboost(estimator: Any, file: Path) -> None:
    estimator.get_booster().feature_names = ["a", "b"]
    estimator.save_model(file)


def write_lightgbm(estimator: Any, file: Path) -> None:
    estimator.booster_.save_model(file)


FEW: dict[str, Any] = {"n_estimators": 2, "n_jobs": 1}
BOTH = {"prediction": "INT64", "probability": "FP64"}
NAMES = np.array(["no", "yes"])
FILES: list[tuple[str, Any, Any, Callable[..., Any], dict[str, str]]] = [
    ("m.skops", LogisticRegression(), Y, save, BOTH),
    ("m.skops", LogisticRegression(), NAMES[Y], save, {"prediction": "BYTES", "probability": "FP64"}),
    ("m.skops", LogisticRegression(), NAMES[Y].astype(object), save, {"prediction": "BYTES", "probability": "FP64"}),
    ("m.skops", LogisticRegression(), Y > 0, save, {"prediction": "BOOL", "probability": "FP64"}),
    ("m.skops", LogisticRegression(), Y.astype(float), save, {"prediction": "FP64", "probability": "FP64"}),
    ("m.skops", RandomForestClassifier(2), Y, save, BOTH),
    ("m.skops", LinearSVC(), Y, save, {"prediction": "INT64"}),
    ("m.skops", LinearRegression(), X[:, 0], save, {"prediction": "FP64"}),
    ("m.onnx", LogisticRegression(), Y, write_onnx, BOTH),
    ("m.onnx", LogisticRegression(), NAMES[Y], write_onnx, {"prediction": "BYTES", "probability": "FP64"}),
    ("m.onnx", LinearRegression(), X[:, 0], write_onnx, {"prediction": "FP64"}),
    ("m.ubj", xgboost.XGBClassifier(**FEW), Y, write_xgboost, BOTH),
    ("m.json", xgboost.XGBRegressor(**FEW), X[:, 0], write_xgboost, {"prediction": "FP64"}),
    ("m.txt", lightgbm.LGBMClassifier(verbose=-1, **FEW), Y, write_lightgbm, BOTH),
    ("m.txt", lightgbm.LGBMRegressor(verbose=-1, **FEW), X[:, 0], write_lightgbm, {"prediction": "FP64"}),
]


@pytest.mark.parametrize("case", FILES)
def test_the_outputs_in_metadata_of_a_file_are_those_of_its_answers(case: Any, tmp_path: Path) -> None:
    path, estimator, target, write, expected = case
    trust = write(estimator.fit(X, target), tmp_path / path) or ()
    graph = graph_of(Router.single({"m": Route(path, columns=["a", "b"], trust=trust)}))
    plan = graph.compile(root=tmp_path)
    plan.start()
    application = Application(graph.spec, plan, metrics=Metrics())

    told = metadata(application, "m")
    _status, answer = ask(application, "m", A, B)
    plan.close()

    assert signature(told["inputs"]) == {"a": "FP64", "b": "FP64"}
    assert signature(told["outputs"]) == expected
    assert signature(answer["outputs"]) == expected


def test_an_estimator_that_is_neither_classifier_nor_regression_tells_no_outputs(tmp_path: Path) -> None:
    trust = save(GaussianMixture(2, random_state=0, init_params="random").fit(X), tmp_path / "m.skops")
    graph = graph_of(Router.single({"m": Route("m.skops", columns=["a", "b"], trust=trust)}))
    application = Application(graph.spec, graph.compile(root=tmp_path), metrics=Metrics())

    told, (status, answer) = metadata(application, "m"), ask(application, "m", A, B)

    assert told["outputs"] == []
    assert (status, signature(answer["outputs"])) == (200, BOTH)


@pytest.mark.parametrize(
    ("estimator", "target"),
    [(LogisticRegression(), NAMES[Y]), (LinearRegression(), X[:, 0]), (LinearSVC(), Y), (LogisticRegression(), Y > 0)],
)
def test_a_lowered_model_tells_the_outputs_of_the_original(estimator: Any, target: Any, tmp_path: Path) -> None:
    both = pair(tmp_path, estimator.fit(X, target), ("a", "b"))

    assert both.lowered.output_columns == both.original.output_columns != {}


class Yes(Model):
    input_columns = ("a",)
    output_columns: Mapping[str, str] = MappingProxyType({"prediction": "string", "probability": "number"})

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"prediction": "yes", "probability": 0.75} for _ in rows]


class Number(Model):
    input_columns = ("a",)
    output_columns: Mapping[str, str] = MappingProxyType({"output": "number"})

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [1 for _ in rows]


YES = {"prediction": "BYTES", "probability": "FP64"}


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (Router.vote({"m": Yes, "n": Yes}), {"prediction": "BYTES"}),
        (Router.vote({"m": Yes, "n": Yes}, probabilities=True), YES),
        (Router.vote({"m": Yes, "n": Yes}, detail=True), {"prediction": "BYTES", "models": "BYTES"}),
        (Router.mean({"m": Number, "n": Number}), {"prediction": "FP64"}),
        (Router.weighted({"m": Yes, "n": Yes}, {"m": 1, "n": 2}), YES),
        (Router.shadow({"m": Yes, "n": Number}), YES),
        (Router.parallel({"m": Yes, "n": Number}), {"m": "BYTES", "n": "FP64"}),
        (Router.parallel({"m": Yes, "n": Number}, merge="fields"), {**YES, "n": "FP64"}),
    ],
)
def test_the_outputs_in_metadata_of_a_router_are_those_of_its_answers(
    draft: RouterDraft, expected: dict[str, str]
) -> None:
    application = served(draft)

    _status, answer = ask(application, "choose", A)

    assert signature(metadata(application, "choose")["outputs"]) == expected
    assert signature(answer["outputs"]) == expected


@pytest.mark.parametrize(
    "draft",
    [
        Router.vote({"m": Yes, "n": Number}),
        Router.vote({"m": Yes, "n": Open}),
        Router.weighted({"m": Yes, "n": Number}, {"m": 1, "n": 1}),
        Router.parallel({"m": Yes, "n": Open}),
        Router.parallel({"m": Yes, "n": Number}, missing="ignore"),
    ],
)
def test_a_router_of_models_that_differ_tells_no_outputs(draft: RouterDraft) -> None:
    assert metadata(served(draft), "choose")["outputs"] == []


def test_a_member_of_an_ensemble_is_asked_in_its_place_with_the_steps_before_and_after() -> None:
    graph = Graph("g", inputs={"age": "number?", "half": "integer"})
    graph.to(lambda rows: [{"a": row.get("age") or 40.0, "b": row["half"]} for row in rows], "fill").to(
        Router.mean({"m": Route(Plain), "n": Route(Plain)}), "both"
    ).to(lambda answers: [{"told": answer} for answer in answers], "tell")
    application = serve(graph)

    for model, told in (("m", 42.0), ("both", {"prediction": 42.0})):
        _status, answer = ask(application, model, tensor("half", 2, datatype="INT64"))

        value = told if isinstance(told, float) else '{"prediction":42.0}'
        assert answer["outputs"][0]["data"] == [value]
        # a step before changes the columns, a step behind the answer: the graph's own inputs, and no outputs, are told
        assert signature(metadata(application, model)["inputs"]) == {"age": "FP64", "half": "INT64"}
        assert metadata(application, model)["outputs"] == []


def test_the_columns_of_a_graph_are_checked_in_requests_by_tensors_too() -> None:
    graph = Graph("g", inputs={"a": "number", "b": "integer"})
    graph.to(lambda rows: rows, "same").to(Router.single({"m": Sum}))
    application = serve(graph)

    assert ask(application, "m", A) == (400, {"error": "row 0 lacks the column `b`"})
    assert ask(application, "m", A, tensor("b", 1.5)) == (
        400,
        {"error": "row 0, column `b`: expected a whole number, found 1.5"},
    )


@pytest.mark.parametrize("draft", [Router.single({"m": Sum}), Router.mean({"m": Plain, "n": Plain})])
def test_requests_that_reach_the_models_as_they_are_need_what_the_models_read_and_no_more(draft: RouterDraft) -> None:
    graph = Graph("g", inputs={"a": "integer", "b": "number", "customer": "string"})
    graph.to(draft)
    application = serve(graph)

    assert signature(metadata(application, "m")["inputs"]) == {"a": "FP64", "b": "FP64"}
    assert ask(application, "m", A, B)[0] == 200
    assert ask(application, "m", tensor("a", 40.5), B)[0] == 200
    rows = b'{"inputs": [{"a": 1, "b": 2}]}'
    assert application.handle("POST", "/v2/models/m/infer_dict", {}, rows)[0] == 200


@pytest.mark.parametrize("n_rows", [1, 2])
def test_a_matrix_is_taken_or_refused_however_many_rows_it_has(n_rows: int, tmp_path: Path) -> None:
    trust = save(LinearRegression().fit(X, X[:, 0]), tmp_path / "m.skops")
    graph = Graph("g", inputs={"a": "integer", "b": "number"})
    graph.to(Router.single({"m": Route("m.skops", columns=["a", "b"], trust=trust)}))
    application = Application(graph.spec, graph.compile(root=tmp_path), metrics=Metrics())
    matrix = {"name": "rows", "shape": [n_rows, 2], "datatype": "FP64", "data": [40.5, 2.0] * n_rows}

    assert ask(application, "m", matrix)[0] == 200


class Kinds(Plain):
    columns: Any = {"a": "number", "b": "string"}  # noqa: RUF012 - as a user writes it


class Both(Plain):
    input_columns = ("b", "a")


@pytest.mark.parametrize(
    ("model", "expected"),
    [(Plain, {"a": "FP64", "b": "FP64"}), (Kinds, {"a": "FP64", "b": "BYTES"}), (Both, {"b": "FP64", "a": "FP64"})],
)
def test_columns_of_a_users_model_may_be_names_or_names_with_kinds(
    model: type[Model], expected: dict[str, str]
) -> None:
    application = served(Router.single({"m": model}))

    assert signature(metadata(application, "m")["inputs"]) == expected
    assert ask(application, "m", A) == (400, {"error": "row 0 lacks the column `b`"})
    assert application.handle("GET", "/openapi.json", {}, b"")[0] == 200


class Text(Plain):
    columns: Any = "a"


class Odd(Plain):
    columns: Any = {"a": "float"}  # noqa: RUF012


class Other(Plain):
    input_columns = ("a", "c")


class Single(Plain):
    columns: Any = ()
    input_columns = "age"  # type: ignore[assignment]


class Wrong(Plain):
    output_columns: Mapping[str, str] = MappingProxyType({"output": "FP64"})


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Text, "has `columns` that are neither names nor names with kinds: 'a'"),
        (Odd, "declares the column `a` as 'float'; kinds: `number`, `string`, `boolean`, `any`"),
        (Other, "declares other names in `columns` than in `input_columns`"),
        (Single, "has `input_columns` that are not a tuple of names: 'age'"),
        (Wrong, "declares the output `output` as 'FP64'; kinds: `number`, `integer`, `string`, `boolean`"),
    ],
)
def test_a_declaration_that_is_none_is_refused_when_the_graph_is_compiled(model: type[Model], reason: str) -> None:
    with pytest.raises(InvalidStepError) as caught:
        graph_of(Router.single({"m": model})).compile()

    assert f"has the route `m`, whose model {reason}" in str(caught.value)


class Loads(Plain):
    """Cannot be loaded while the file `broken` is there."""

    def __init__(self, broken: str) -> None:
        self.broken = broken

    def load(self) -> None:
        if self.broken:
            raise OSError("broken")


def readiness(application: Application, model: str) -> tuple[int, Any]:
    status, _headers, answer = application.handle("GET", f"/v2/models/{model}/ready", {}, b"")
    return status, orjson.loads(answer)


def test_a_model_is_ready_by_the_name_it_was_asked_by_and_a_router_when_its_models_are() -> None:
    late = Route(Loads, arguments={"broken": "yes"}, load="first-use")
    application = served(Router.mean({"m:1": Route(Plain), "late": late}))

    assert readiness(application, "m") == (200, {"name": "m", "ready": True})
    assert readiness(application, "m/versions/1") == (200, {"name": "m", "ready": True})
    assert readiness(application, "late") == (200, {"name": "late", "ready": True})
    assert readiness(application, "choose") == (200, {"name": "choose", "ready": True})

    assert ask(application, "choose", A, B)[0] == 503  # now it is known that it cannot be loaded

    reason = "could not be loaded"
    assert readiness(application, "late") == (503, {"name": "late", "ready": False, "error": reason})
    assert readiness(application, "choose") == (503, {"name": "choose", "ready": False, "error": f"`late`: {reason}"})
    assert readiness(application, "m") == (200, {"name": "m", "ready": True})


def test_the_answer_tells_the_version_that_answered() -> None:
    application = served(Router.single({"m:1": Sum, "m:2": Sum, "plain": Plain}))

    told = [ask(application, model, A, B)[1].get("model_version") for model in ("m", "m/versions/1", "plain")]

    assert told == ["2", "1", None]


@pytest.mark.parametrize(
    ("draft", "platform"),
    [
        (Router.vote({"m": Yes}, probabilities=True), "graphship_vote"),
        (Router.mean({"m": Number}), "graphship_mean"),
        (Router.weighted({"m": Number}, {"m": 1}), "graphship_weighted"),
    ],
)
def test_the_platform_of_a_router_is_its_kind(draft: RouterDraft, platform: str) -> None:
    assert metadata(served(draft), "choose")["platform"] == platform
