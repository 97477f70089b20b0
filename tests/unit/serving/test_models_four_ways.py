"""Whatever way a table comes in, a served model of every loader answers as its library does.

The ways: plain rows, rows by name, tensors in JSON, tensors in bytes; the last two a tensor a column, and one matrix.
"""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import onnxruntime
import orjson
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ci_core.serving import Route, Router
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application
from tests.unit.lowering.pairs import pair, save
from tests.unit.serving.routed import graph_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sklearn.base import BaseEstimator

RNG = np.random.default_rng(11)
N = 150
NUMBERS = np.column_stack([RNG.normal(size=N), RNG.integers(-5, 6, N), RNG.normal(2, 3, N)])
LABELS = (NUMBERS[:, 0] + 0.2 * NUMBERS[:, 1] > 0).astype(int)
THREE = np.array(["low", "mid", "high"])[np.digitize(NUMBERS[:, 0], [-0.5, 0.5])]
VALUES = NUMBERS @ [1.0, -0.5, 0.25]
GAPS = np.where(RNG.random(NUMBERS.shape) < 0.1, np.nan, NUMBERS)
TEXTS = np.empty((N, 3), dtype=object)
TEXTS[:, 0] = NUMBERS[:, 0]
TEXTS[:, 1] = RNG.choice(["red", "green", "blue"], N)
TEXTS[:, 2] = NUMBERS[:, 2]
COLUMNS = ("a", "b", "c")
MISSING, TEXT = "missing", "text"

Frame = dict[str, list[Any]]
Told = tuple[list[Any], "list[float] | None"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model as its library has it, and as a file of ours."""

    path: str
    write: Callable[[Path], Any]
    """Returns the types to vouch for, if any."""
    predict: Callable[[np.ndarray], Told]
    """Labels or values, and what ``probability`` is to be; of a table of floats, or of objects when there is text."""
    takes: frozenset[str] = frozenset()
    """``missing``: numbers may be; ``text``: column b is text."""
    tolerance: float = 0.0


def of_sklearn(estimator: BaseEstimator) -> Callable[[np.ndarray], Told]:
    def predict(table: np.ndarray) -> Told:
        labels = estimator.predict(table).tolist()
        if not hasattr(estimator, "predict_proba"):
            return labels, None
        return labels, probability_of(estimator.predict_proba(table))

    return predict


def probability_of(probabilities: np.ndarray) -> list[float]:
    told = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.max(axis=1)
    return [float(one) for one in told]


def skops_case(name: str, estimator: Any, table: np.ndarray, target: Any, *takes: str) -> tuple[str, Case]:
    estimator.fit(table, target)
    return name, Case(
        path="m.skops",
        write=lambda folder: save(estimator, folder / "m.skops"),
        predict=of_sklearn(estimator),
        takes=frozenset(takes),
    )


def lowered_case(name: str, estimator: Any, table: np.ndarray, target: Any, *takes: str) -> tuple[str, Case]:
    estimator.fit(table, target)
    with tempfile.TemporaryDirectory() as folder:
        files = pair(Path(folder), estimator, COLUMNS).files

    def write(folder: Path) -> None:
        for path, content in files.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)

    case = Case(path=files.main, write=write, predict=of_sklearn(estimator), takes=frozenset(takes), tolerance=1e-5)
    return name, case


def onnx_case(name: str, estimator: Any, table: np.ndarray, target: Any, *takes: str) -> tuple[str, Case]:
    estimator.fit(table, target)
    number, text = FloatTensorType([None, 1]), StringTensorType([None, 1])
    has_text = TEXT in takes
    inputs = [("a", number), ("b", text), ("c", number)] if has_text else [("X", FloatTensorType([None, 3]))]
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    content = convert_sklearn(estimator, initial_types=inputs, options=options).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def predict(made: np.ndarray) -> Told:
        feed = {"X": made.astype(np.float32)} if not has_text else {}
        for index, column in enumerate(COLUMNS if has_text else ()):
            feed[column] = made[:, [index]].astype(np.object_ if column == "b" else np.float32)
        labels, *others = session.run(None, feed)
        return labels.reshape(len(made)).tolist(), probability_of(others[0]) if others else None

    case = Case(
        path="m.onnx",
        write=lambda folder: (folder / "m.onnx").write_bytes(content) and (),
        predict=predict,
        takes=frozenset(takes),
    )
    return name, case


FEW: dict[str, Any] = {"n_estimators": 4, "n_jobs": 1, "random_state": 0}


def xgboost_case(name: str, model: Any, target: Any, suffix: str) -> tuple[str, Case]:
    codes = np.unique(target, return_inverse=True)[1] if isinstance(target[0], str) else target
    model.fit(GAPS, codes)

    def write(folder: Path) -> None:
        model.save_model(folder / f"m.{suffix}")

    return name, Case(path=f"m.{suffix}", write=write, predict=of_sklearn(model), takes=frozenset({MISSING}))


def lightgbm_case(name: str, model: Any, target: Any) -> tuple[str, Case]:
    codes = np.unique(target, return_inverse=True)[1] if isinstance(target[0], str) else target
    model.fit(GAPS, codes)

    def write(folder: Path) -> None:
        model.booster_.save_model(folder / "m.txt")

    return name, Case(path="m.txt", write=write, predict=of_sklearn(model), takes=frozenset({MISSING}))


def with_text(final: Any, *, imputes: bool) -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if imputes else StandardScaler()
    parts = [("n", numbers, [0, 2]), ("t", OneHotEncoder(handle_unknown="ignore"), [1])]
    return make_pipeline(ColumnTransformer(parts), final)


def imputed(final: Any) -> Any:
    return make_pipeline(SimpleImputer(), StandardScaler(), final)


@cache
def cases() -> Mapping[str, Case]:
    forest, trees = RandomForestClassifier(4, random_state=0), RandomForestRegressor(4, random_state=0)
    return dict([
        skops_case("skops classifier", LogisticRegression(), NUMBERS, LABELS),
        skops_case("skops three classes", imputed(LogisticRegression()), GAPS, THREE, MISSING),
        skops_case("skops regression", imputed(LinearRegression()), GAPS, VALUES, MISSING),
        skops_case("skops forest", forest, GAPS, THREE, MISSING),
        skops_case("skops text", with_text(LogisticRegression(), imputes=True), TEXTS, LABELS, MISSING, TEXT),
        lowered_case("lowered classifier", LogisticRegression(), NUMBERS, LABELS),
        lowered_case("lowered three classes", imputed(LogisticRegression()), GAPS, THREE, MISSING),
        lowered_case("lowered regression", imputed(LinearRegression()), GAPS, VALUES, MISSING),
        lowered_case("lowered trees", RandomForestRegressor(4, random_state=0), NUMBERS, VALUES),
        lowered_case("lowered text", with_text(LogisticRegression(), imputes=True), TEXTS, LABELS, MISSING, TEXT),
        onnx_case("onnx classifier", LogisticRegression(), NUMBERS, LABELS),
        onnx_case("onnx three classes", imputed(LogisticRegression()), GAPS, THREE, MISSING),
        onnx_case("onnx regression", trees, NUMBERS, VALUES),
        onnx_case("onnx text", with_text(LogisticRegression(), imputes=False), TEXTS, LABELS, TEXT),
        xgboost_case("xgboost classifier", xgboost.XGBClassifier(**FEW), LABELS, "ubj"),
        xgboost_case("xgboost three classes", xgboost.XGBClassifier(**FEW), THREE, "json"),
        xgboost_case("xgboost regression", xgboost.XGBRegressor(**FEW), VALUES, "ubj"),
        lightgbm_case("lightgbm classifier", lightgbm.LGBMClassifier(verbose=-1, **FEW), LABELS),
        lightgbm_case("lightgbm three classes", lightgbm.LGBMClassifier(verbose=-1, **FEW), THREE),
        lightgbm_case("lightgbm regression", lightgbm.LGBMRegressor(verbose=-1, **FEW), VALUES),
    ])  # fmt: skip


NAMES = [
    *(f"skops {kind}" for kind in ("classifier", "three classes", "regression", "forest", "text")),
    *(f"lowered {kind}" for kind in ("classifier", "three classes", "regression", "trees", "text")),
    *(f"onnx {kind}" for kind in ("classifier", "three classes", "regression", "text")),
    *(
        f"{library} {kind}"
        for library in ("xgboost", "lightgbm")
        for kind in ("classifier", "three classes", "regression")
    ),
]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Application]:
    return cache(lambda name: application_of(name, tmp_path_factory.mktemp("served")))


def application_of(name: str, folder: Path) -> Application:
    case = cases()[name]
    trust = case.write(folder) or ()
    columns = () if case.path == "m.onnx" and TEXT in case.takes else COLUMNS
    graph = graph_of(Router.single({"m": Route(case.path, columns=columns, trust=trust)}))
    plan = graph.compile(root=folder)
    plan.start()
    return Application(graph.spec, plan, metrics=Metrics())


FLOAT = st.floats(-1e6, 1e6, width=32)
WHOLE = st.integers(-(10**6), 10**6)


@st.composite
def frames(draw: st.DrawFn, takes: frozenset[str]) -> Frame:
    """Return columns of one kind each: whole numbers, floats, both, with gaps where the model takes them, text."""
    n_rows = draw(st.integers(1, 6))
    frame: Frame = {}
    for name in COLUMNS:
        kinds = [WHOLE, FLOAT, WHOLE | FLOAT]
        if MISSING in takes:
            kinds += [st.one_of(FLOAT, st.none()), st.one_of(WHOLE, st.none())]
        if TEXT in takes and name == "b":
            kinds = [st.sampled_from(["red", "green", "blue", "none of them", ""])]
        frame[name] = draw(st.lists(draw(st.sampled_from(kinds)), min_size=n_rows, max_size=n_rows))
    return frame


def table_of(frame: Frame) -> np.ndarray:
    """Return a frame as the library takes it: NaN for what is missing."""
    made = np.empty((len(frame["a"]), len(COLUMNS)), dtype=object)
    for index, name in enumerate(COLUMNS):
        made[:, index] = [math.nan if value is None else value for value in frame[name]]
    return made if any(isinstance(value, str) for value in frame["b"]) else made.astype(np.float64)


def rows_of(frame: Frame) -> list[dict[str, Any]]:
    return [dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True)]


def ask(application: Application, path: str, body: bytes, **headers: str) -> tuple[dict[str, str], bytes]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    status, told, answer = application.handle("POST", path, sent, body)
    assert status == 200, answer
    return dict(told), answer


def of_rows(answers: Sequence[Any]) -> Told:
    probabilities = [one["probability"] for one in answers] if "probability" in answers[0] else None
    return [one["prediction"] for one in answers], probabilities


def of_tensors(outputs: list[Any]) -> Told:
    told = {one["name"]: one["data"] for one in outputs}
    return told["prediction"], told.get("probability")


def by_plain_rows(application: Application, frame: Frame) -> Told:
    return of_rows(orjson.loads(ask(application, "/", orjson.dumps(rows_of(frame)))[1]))


def by_one_row_after_the_other(application: Application, frame: Frame) -> Told:
    return of_rows([orjson.loads(ask(application, "/", orjson.dumps(row))[1]) for row in rows_of(frame)])


def by_name(application: Application, frame: Frame) -> Told:
    body = orjson.dumps(rows_of(frame))
    return of_rows(orjson.loads(ask(application, "/v2/models/m/infer_dict", body)[1])["outputs"])


def datatype_of(values: list[Any]) -> str:
    if any(isinstance(value, str) for value in values):
        return "BYTES"
    return "INT64" if all(isinstance(value, int) for value in values) else "FP64"


def by_tensors(application: Application, frame: Frame) -> Told:
    inputs = [
        {"name": name, "shape": [len(values)], "datatype": datatype_of(values), "data": values}
        for name, values in frame.items()
    ]
    answer = ask(application, "/v2/models/m/infer", orjson.dumps({"inputs": inputs}))[1]
    return of_tensors(orjson.loads(answer)["outputs"])


def by_matrix(application: Application, frame: Frame) -> Told:
    data = [[None if value is None else float(value) for value in row.values()] for row in rows_of(frame)]
    inputs = [{"name": "X", "shape": [len(data), len(COLUMNS)], "datatype": "FP64", "data": data}]
    answer = ask(application, "/v2/models/m/infer", orjson.dumps({"inputs": inputs}))[1]
    return of_tensors(orjson.loads(answer)["outputs"])


def bytes_of(values: list[Any], datatype: str) -> bytes:
    if datatype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    dtype = np.int64 if datatype == "INT64" else np.float64
    return np.array([math.nan if value is None else value for value in values], dtype=dtype).tobytes()


def by_binary(application: Application, frame: Frame) -> Told:
    tensors = [(name, [len(values)], datatype_of(values), values) for name, values in frame.items()]
    return ask_in_bytes(application, tensors)


def by_binary_matrix(application: Application, frame: Frame) -> Told:
    rows = rows_of(frame)
    flat = [value for row in rows for value in row.values()]
    return ask_in_bytes(application, [("X", [len(rows), len(COLUMNS)], "FP64", flat)])


def ask_in_bytes(application: Application, tensors: list[tuple[str, list[int], str, list[Any]]]) -> Told:
    parts = [bytes_of(values, datatype) for _name, _shape, datatype, values in tensors]
    inputs = [
        {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(part)}}
        for (name, shape, datatype, _values), part in zip(tensors, parts, strict=True)
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    headers, answer = ask(
        application,
        "/v2/models/m/infer",
        head + b"".join(parts),
        inference_header_content_length=str(len(head)),
    )
    length = int(headers["inference-header-content-length"])
    outputs, rest = orjson.loads(answer[:length])["outputs"], answer[length:]
    for output in outputs:
        size = output["parameters"]["binary_data_size"]
        output["data"], rest = values_of(rest[:size], output["datatype"]), rest[size:]
    assert rest == b""
    return of_tensors(outputs)


def values_of(data: bytes, datatype: str) -> list[Any]:
    if datatype != "BYTES":
        dtypes: dict[str, Any] = {"INT64": np.int64, "FP64": np.float64}
        return list(np.frombuffer(data, dtypes[datatype]).tolist())
    texts = []
    while data:
        size = int.from_bytes(data[:4], "little")
        texts.append(data[4 : 4 + size].decode())
        data = data[4 + size :]
    return texts


WAYS = [by_plain_rows, by_one_row_after_the_other, by_name, by_tensors, by_binary]
OF_NUMBERS = [by_matrix, by_binary_matrix]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_table_is_answered_as_the_library_answers_it_whatever_way_it_comes(
    name: str, serve: Callable[[str], Application], data: st.DataObject
) -> None:
    case, application = cases()[name], serve(name)
    frame = data.draw(frames(case.takes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels, probabilities = case.predict(table_of(frame))

        for way in WAYS if TEXT in case.takes else (*WAYS, *OF_NUMBERS):
            told, sure = way(application, frame)

            is_number = isinstance(labels[0], float)
            assert told == (pytest.approx(labels, rel=1e-6, abs=1e-6) if is_number else labels), way.__name__
            assert [type(one) for one in told] == [type(one) for one in labels], way.__name__
            tolerance = max(case.tolerance, 1e-6)
            assert sure == (None if probabilities is None else pytest.approx(probabilities, abs=tolerance))


def test_every_case_is_named() -> None:
    assert set(cases()) == set(NAMES)
