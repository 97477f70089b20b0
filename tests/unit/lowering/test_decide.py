"""Which form of a model goes into a release, and what is said of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from ci_core.errors import NotLoweredError
from ci_core.lowering import LoweredGraph, ReplayRows, lower_graph
from ci_core.serving.graph import Graph
from ci_core.serving.spec import GraphSpec
from tests.unit.lowering.pairs import save

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

X = np.random.default_rng(2).normal(size=(100, 2))
Y = (X[:, 0] > 0.1).astype(int)
ROWS = [{"a": float(a), "b": float(b)} for a, b in X]


def graph_of(**routes: Any) -> GraphSpec:
    step: dict[str, Any] = {
        "name": "r",
        "router": "single",
        "routes": [{"name": name, **route} for name, route in routes.items()],
    }
    return GraphSpec.from_dict({"name": "g", "steps": [step]})


def rows_of(_columns: Sequence[str]) -> ReplayRows:
    return ReplayRows(source="`train.parquet`", rows=ROWS)


def lower(folder: Path, **route: Any) -> LoweredGraph:
    spec = graph_of(m={"model": "m.skops", "columns": ["a", "b"], **route})
    return lower_graph(spec, folder, rows_of)


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    save(LogisticRegression().fit(X, Y), tmp_path / "m.skops")
    return tmp_path


def test_a_route_of_a_linear_model_runs_the_lowered_file_and_still_names_the_saved_one(linear: Path) -> None:
    lowered = lower(linear)

    (route,) = lowered.graph.routes
    (decision,) = lowered.decisions
    assert (route.model, route.lowered, route.columns) == ("m.skops", decision.file, ("a", "b"))
    assert list(lowered.files) == [decision.file]
    assert (decision.form, decision.rows) == ("numpy", 100)
    assert decision.sentence == "`m` runs as numpy alone: it answers 100 rows of `train.parquet` as the original does"


def test_the_graph_of_a_release_answers_with_the_lowered_file(linear: Path) -> None:
    lowered = lower(linear)
    for path, content in lowered.files.items():
        (linear / path).parent.mkdir(parents=True)
        (linear / path).write_bytes(content)
    stored = GraphSpec.from_dict(lowered.graph.to_dict())

    answer = Graph.from_spec(stored).compile(root=linear)({"a": 0.3, "b": -1.0})

    assert stored == lowered.graph
    expected = LogisticRegression().fit(X, Y).predict_proba([[0.3, -1.0]])[0, 1]
    assert answer == {"prediction": 1, "probability": pytest.approx(expected)}


def test_routes_of_nested_graphs_are_lowered_too(linear: Path) -> None:
    inner = graph_of(m={"model": "m.skops", "columns": ["a", "b"]}).to_dict()
    spec = GraphSpec.from_dict({"name": "outer", "steps": [{"graph": inner}]})

    lowered = lower_graph(spec, linear, rows_of)

    assert lowered.graph.steps[0].graph is not None
    assert lowered.graph.steps[0].graph.routes[0].lowered == lowered.decisions[0].file


def test_models_of_other_kinds_are_not_spoken_of(tmp_path: Path) -> None:
    spec = graph_of(o={"model": "m.onnx"}, c={"model": "serving.models:Mine"})

    assert lower_graph(spec, tmp_path, rows_of) == LoweredGraph(graph=spec)


def test_a_route_that_does_not_want_it_is_left_alone(linear: Path) -> None:
    lowered = lower(linear, lower="off")

    assert lowered.graph.routes[0].lowered is None
    assert lowered.decisions[0].sentence == "`m` runs as it was saved: its route says `lower: off`"


def test_an_estimator_without_a_lower_form_runs_as_it_was_saved(tmp_path: Path) -> None:
    trust = save(KNeighborsClassifier().fit(X, Y), tmp_path / "m.skops")

    decision = lower(tmp_path, trust=trust).decisions[0]

    assert (decision.form, decision.file, decision.rows) == ("original", None, 0)
    assert (
        decision.sentence
        == "`m` runs as it was saved: `KNeighborsClassifier` is not among the estimators that are lowered"
    )


def test_too_few_rows_decide_nothing(linear: Path) -> None:
    spec = graph_of(m={"model": "m.skops", "columns": ["a", "b"]})

    lowered = lower_graph(spec, linear, lambda _columns: ReplayRows(source="`requests.jsonl`", rows=ROWS[:19]))

    assert (
        lowered.decisions[0].reason
        == "runs as it was saved: `requests.jsonl` has 19 rows to compare it on, and 20 are needed"
    )


def test_no_rows_decide_nothing_and_the_plan_says_why(linear: Path) -> None:
    spec = graph_of(m={"model": "m.skops", "columns": ["a", "b"]})

    lowered = lower_graph(spec, linear, lambda _columns: ReplayRows(source="`x`", problem="`x` lacks the column `a`"))

    assert lowered.decisions[0].reason == "runs as it was saved: nothing to compare it on: `x` lacks the column `a`"


def test_a_form_that_answers_otherwise_is_not_taken(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, Y)
    model.multi_class = "multinomial"  # as scikit-learn 1.6 had it; this one computes without a look at it
    save(model, tmp_path / "m.skops")

    lowered = lower(tmp_path)

    assert lowered.files == {}
    assert lowered.decisions[0].reason.startswith(
        "runs as it was saved: its lower form is not equal: the probabilities differ ("
    )
    assert lowered.decisions[0].reason.endswith(") for a row of the project")


def test_an_estimator_that_keeps_its_numbers_elsewhere_runs_as_it_was_saved(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, Y)
    del model.intercept_
    save(model, tmp_path / "m.skops")

    assert lower(tmp_path).decisions[0].reason == (
        "runs as it was saved: it could not be read "
        "(AttributeError: 'LogisticRegression' object has no attribute 'intercept_')"
    )


def test_without_the_library_for_trees_the_original_runs_and_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = save(DecisionTreeClassifier().fit(X, Y), tmp_path / "m.skops")
    monkeypatch.setitem(sys.modules, "onnx", None)

    decision = lower(tmp_path, trust=trust).decisions[0]

    assert decision.reason == "runs as it was saved: the extra `lower` is not installed where the release is made"


def test_a_file_that_is_not_trusted_runs_as_it_was_saved_and_names_its_types(tmp_path: Path) -> None:
    save(DecisionTreeClassifier().fit(X, Y), tmp_path / "m.skops")

    decision = lower(tmp_path).decisions[0]

    assert decision.reason == (
        "runs as it was saved: the model `m.skops` holds types that are not trusted; types: `sklearn.tree._tree.Tree`"
    )


def test_a_route_that_insists_fails_where_the_model_cannot_be_lowered(tmp_path: Path) -> None:
    trust = save(KNeighborsClassifier().fit(X, Y), tmp_path / "m.skops")

    with pytest.raises(NotLoweredError) as caught:
        lower(tmp_path, trust=trust, lower="on")

    assert caught.value.fact == (
        "the route `m` asks for a lowered model, and `m.skops` runs as it was saved: "
        "`KNeighborsClassifier` is not among the estimators that are lowered"
    )
