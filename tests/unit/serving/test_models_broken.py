"""A file that cannot be used is one short error at its load, in no library's words about its own source."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from ci_core.errors import BrokenModelError, GraphshipError, UntrustedModelError
from ci_core.serving import Route, Router
from ci_core.serving.models import model_from_file
from tests.unit.lowering.pairs import pair, save
from tests.unit.serving.routed import graph_of

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 2))
Y = (X[:, 0] > 0).astype(int)
COLUMNS = ["a", "b"]
ROW = {"a": 1.0, "b": 0.5}


def onnx_bytes() -> bytes:
    stored = convert_sklearn(
        LogisticRegression().fit(X, Y), initial_types=[("X", FloatTensorType([None, 2]))], options={"zipmap": False}
    )
    return bytes(stored.SerializeToString())


def file_bytes(write: Callable[[Path], Any], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def lowered_bytes(file: Path) -> None:
    both = pair(file.parent, LogisticRegression().fit(X, Y), COLUMNS)
    file.write_bytes(both.files.files[both.files.main])


BOOSTED = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, Y)
LIGHT = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(X, Y).booster_
GOOD = {
    "m.onnx": onnx_bytes(),
    "m.skops": file_bytes(lambda file: save(LogisticRegression().fit(X, Y), file), "m.skops"),
    "m.ubj": file_bytes(BOOSTED.save_model, "m.ubj"),
    "m.json": file_bytes(BOOSTED.save_model, "m.json"),
    "m.txt": file_bytes(LIGHT.save_model, "m.txt"),
    "m.lowered": file_bytes(lowered_bytes, "m.lowered"),
}
REASONS = {
    "m.onnx": "it is no ONNX model that runs here: Protobuf parsing failed",
    "m.skops": "it is not a skops file (File is not a zip file)",
    "m.ubj": "it is no XGBoost model, or not a whole one",
    "m.json": "it is no XGBoost model, or not a whole one",
    "m.txt": "it is no LightGBM model: its first line is not `tree`",
    "m.lowered": "it is not a lowered model (JSONDecodeError: Expecting value: line 1 column 1 (char 0))",
}


def load(folder: Path, name: str, columns: list[str] | None = None) -> Any:
    model = model_from_file(name, root=folder, columns=COLUMNS if columns is None else columns)
    model.load()
    return model


def reason_of(folder: Path, name: str, columns: list[str] | None = None) -> str:
    with pytest.raises(BrokenModelError) as caught:
        load(folder, name, columns)
    assert str(folder) not in str(caught.value)
    assert caught.value.path == name
    return caught.value.reason


@pytest.mark.parametrize("name", GOOD)
def test_what_is_no_file_of_a_model_is_told_before_a_library_is_asked(name: str, tmp_path: Path) -> None:
    assert reason_of(tmp_path, name) == "there is no such file"
    (tmp_path / name).touch()
    assert reason_of(tmp_path, name) == "it is empty"
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert reason_of(tmp_path, name) == "it is a folder, not a file"


@pytest.mark.parametrize("name", GOOD)
def test_a_file_of_something_else_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"hello")

    assert reason_of(tmp_path, name) == REASONS[name]


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("other", GOOD)
def test_a_model_of_another_format_is_no_model(name: str, other: str, tmp_path: Path) -> None:
    if {name, other} <= {"m.ubj", "m.json"}:
        return  # the library reads either, whatever it is called
    (tmp_path / name).write_bytes(GOOD[other])

    if name == other:
        assert len(load(tmp_path, name).call([ROW]).answers) == 1
    else:
        reason_of(tmp_path, name)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(GOOD)), share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_is_never_another_model(name: str, share: float) -> None:
    content = GOOD[name]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        expected = load(file.parent, name).call([ROW]).answers
        file.write_bytes(content[: int(len(content) * share)])

        found = answers_or_reason(file)

        # it may be that what was cut off said nothing of the model
        assert found == expected or (isinstance(found, str) and "\n" not in found and folder not in found)


def answers_or_reason(file: Path) -> Any:
    try:
        return load(file.parent, file.name).call([ROW]).answers
    except BrokenModelError as error:
        return str(error)


@pytest.mark.parametrize("name", GOOD)
def test_another_number_of_columns_than_the_route_names_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(GOOD[name])

    assert "2 columns, and 3 are named" in reason_of(tmp_path, name, ["a", "b", "c"])


def test_names_other_than_those_of_the_inputs_are_refused(tmp_path: Path) -> None:
    table = np.array([["x", 1.0], ["y", 2.0]] * 5, dtype=object)
    estimator = make_pipeline(
        ColumnTransformer([("t", OneHotEncoder(), [0])], remainder="passthrough"), LogisticRegression()
    ).fit(table, [0, 1] * 5)
    inputs = [("t", StringTensorType([None, 1])), ("n", FloatTensorType([None, 1]))]
    (tmp_path / "m.onnx").write_bytes(convert_sklearn(estimator, initial_types=inputs).SerializeToString())

    assert load(tmp_path, "m.onnx", ["n", "t"]).input_columns == ("t", "n")
    assert reason_of(tmp_path, "m.onnx", ["a", "b"]) == "it reads the columns `t`, `n`, and `a`, `b` are named"


def test_types_that_nobody_vouched_for_are_listed(tmp_path: Path) -> None:
    save(DecisionTreeClassifier().fit(X, Y), tmp_path / "m.skops")

    with pytest.raises(UntrustedModelError) as caught:
        load(tmp_path, "m.skops")

    assert caught.value.types == ("sklearn.tree._tree.Tree",)


def test_trees_that_are_not_those_of_the_lowered_file_are_refused(tmp_path: Path) -> None:
    both = pair(tmp_path, DecisionTreeClassifier().fit(X, Y), COLUMNS)
    trees = next(path for path in both.files.files if path.endswith(".onnx"))
    (tmp_path / trees).write_bytes(GOOD["m.onnx"])

    assert "are not those it was made with" in reason_of(tmp_path, both.files.main)
    (tmp_path / trees).unlink()
    assert reason_of(tmp_path, both.files.main).endswith("are missing")


def test_a_lowered_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.lowered").write_text(json.dumps({"format": 99}))

    assert "format 99, this version reads 1" in reason_of(tmp_path, "m.lowered")


@pytest.mark.parametrize(("name", "what"), [("broken.onnx", "is no ONNX model"), ("folder.onnx", "is a folder")])
def test_a_graph_with_a_model_that_cannot_be_used_names_it_when_it_starts(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "broken.onnx").write_bytes(b"hello")
    graph = graph_of(Router.single({"m": Route(name, columns=COLUMNS)}))

    with pytest.raises(GraphshipError) as caught:
        graph.compile(root=tmp_path).start()

    assert f"the model `{name}` cannot be used: it {what}" in str(caught.value)
