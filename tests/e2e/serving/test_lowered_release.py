"""A project with scikit-learn models becomes a release that a process without scikit-learn serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ci_core.config.settings import Settings
from ci_core.deploy.bundle import unpack_bundle
from ci_core.deploy.release import build_release
from ci_core.operations.lowering import lower_models
from ci_core.serving.segments import read_segments
from ci_core.testing.served_release import serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

GRAPH = """
name: churn
steps:
  - name: r
    router: single
    routes:
      linear: {model: models/linear.skops, columns: [age, income]}
      forest: {model: models/forest.skops, columns: [age, income], trust: [sklearn.tree._tree.Tree]}
    respond: true
"""
CONFIG = """
name: churn
graph: serving/graph.yaml
smoke: serving/requests.jsonl
environments:
  staging: {target: local}
"""
X = np.random.default_rng(4).normal(size=(80, 2))
Y = np.where(X[:, 0] > 0, "stays", "leaves")
ROWS = [{"age": age, "income": income} for age, income in X.tolist()]
MODELS = {
    "linear": make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "forest": RandomForestClassifier(20, random_state=0).fit(X, Y),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "serving").mkdir()
    (folder / "models").mkdir()
    for name, model in MODELS.items():
        skops.io.dump(model, folder / f"models/{name}.skops")
    (folder / "serving/graph.yaml").write_text(GRAPH)
    (folder / "serving/requests.jsonl").write_text(json.dumps(ROWS) + "\n")
    (folder / "graphship.yaml").write_text(CONFIG)
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_cannot_import_scikit_learn_serves_the_release(
    project: Path, tmp_path: Path, workers: int
) -> None:
    settings = Settings(root=project, name="churn", graph="serving/graph.yaml", smoke="serving/requests.jsonl")
    built = build_release(settings, tmp_path / "out", lower=lambda graph: lower_models(settings, graph))
    folder = tmp_path / "release"
    folder.mkdir()
    unpack_bundle(built.bundle.path, built.bundle.digest, folder / "bundle")
    (folder / "release.json").write_text(json.dumps(built.release.to_dict()))
    for library in ("sklearn", "skops", "onnx"):
        (folder / "bundle" / f"{library}.py").write_text("raise ImportError('not in this pod')\n")

    captures = tmp_path / "captures"
    with serving(folder, "--workers", str(workers), "--captures", str(captures)) as server:
        told = {name: server.ask({"id": name, "inputs": _tensors()}, f"/v2/models/{name}/infer") for name in MODELS}
        plain = server.ask(ROWS)
        refused = server.ask([ROWS[0], {"age": None, "income": 1}])
        metadata = server.ask(path="/v2/models/linear")
        graph = server.ask(path="/graph")
        code = server.stop()

    assert code == 0
    for name, model in MODELS.items():
        status, answer = told[name]
        assert status == 200
        outputs = {output["name"]: output["data"] for output in answer["outputs"]}
        assert outputs["prediction"] == model.predict(X).tolist()
        np.testing.assert_allclose(outputs["probability"], model.predict_proba(X)[:, 1], atol=1e-6)
    assert [answer["prediction"] for answer in plain[1]] == MODELS["linear"].predict(X).tolist()
    assert refused[0] == 400
    assert refused[1]["error"]["message"] == "row 1, column `age`: the value is missing, and the model needs one"
    assert metadata[1]["platform"] == "graphship_skops"
    assert graph[1]["models"] == {"linear": "models/linear.skops", "forest": "models/forest.skops"}
    captured = read_segments(captures.rglob("*.arrow"))
    assert sorted(set(captured["age"])) == sorted(X[:, 0].tolist())


def _tensors() -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": "FP64", "shape": [len(X)], "data": X[:, index].tolist()}
        for index, name in enumerate(("age", "income"))
    ]


def test_the_plan_says_in_a_sentence_what_runs_for_each_route(project: Path) -> None:
    git = ("git", "-c", "user.email=a@example.org", "-c", "user.name=a")
    for command in ((*git, "init", "-q"), (*git, "add", "."), (*git, "commit", "-qm", "first")):
        subprocess.run(command, cwd=project, check=True)

    planned = subprocess.run(
        [sys.executable, "-m", "ci_core", "plan", "staging"],
        cwd=project,
        env={**os.environ, "CI": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert (
        "`linear` runs as numpy alone: it answers 80 rows of `serving/requests.jsonl` as the original does" in planned
    )
    assert (
        "`forest` runs as numpy and ONNX: it answers 80 rows of `serving/requests.jsonl` as the original does"
        in planned
    )
    assert ".lowered` added: " in planned
