"""Each side of a comparison answers with the models and data of its own commit."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from tests.e2e.operations.behaviour_project import CONFIG, GRAPH, make, requests

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


# --- models and data ---


def test_rows_of_the_reference_are_asked_where_nothing_is_recorded(tmp_path: Path) -> None:
    files = {
        "graphship.yaml": "name: sample\ngraph: serving/graph.py:graph\n"
        "monitor: {reference: data/raw.csv, window: 1d, target: y}\n"
    }
    project = make(tmp_path, files)
    (project.root / "serving/requests.jsonl").unlink()
    project = type(project)(sample=project.sample, base=CommitId(project.sample.commit()))
    project.steps('return {"y": 0, "fields": sorted(body)}')
    (project.root / "data/raw.csv").unlink()  # a clone whose data was not pulled

    found = project.compare()

    assert (found.source, found.requests, found.changed) == ("40 rows of data/raw.csv", 40, 40)
    assert isinstance(found.largest[0].new, dict)
    assert found.largest[0].new["fields"] == ["x"]
    assert not (project.root / "data/raw.csv").exists()


@pytest.mark.parametrize("kind", ["skops", "onnx"])
def test_models_that_dvc_keeps_are_those_of_their_commits(tmp_path: Path, kind: str) -> None:
    graph = f"""
        name: churn
        steps:
          - router: single
            routes: {{m: {{model: models/m.{kind}, columns: [age, income]}}}}
            respond: true
    """
    files = {
        "graphship.yaml": CONFIG.replace("graph.py:graph", "graph.yaml"),
        "serving/graph.yaml": graph,
        "serving/requests.jsonl": requests({"age": 0.5, "income": 1.0}, {"age": -3.0, "income": 0.0}),
    }
    project = make(tmp_path, files)
    write_model(project.root / f"models/m.{kind}", flipped=False)
    DvcProject(project.root).add([f"models/m.{kind}"])
    base = CommitId(project.sample.commit())
    write_model(project.root / f"models/m.{kind}", flipped=True)
    DvcProject(project.root).add([f"models/m.{kind}"])
    head = project.sample.commit()

    found = type(project)(sample=project.sample, base=base).compare(head=head)

    assert (found.requests, found.changed, found.problem) == (2, 2, None)


def write_model(path: Path, *, flipped: bool) -> None:
    x = np.random.default_rng(4).normal(size=(80, 2))
    model = LogisticRegression().fit(x, (x[:, 0] > 0) != flipped)
    if path.suffix == ".skops":
        skops.io.dump(model, path)
    else:
        from skl2onnx import to_onnx

        path.write_bytes(to_onnx(model, x[:1].astype(np.float32), options={"zipmap": False}).SerializeToString())


def test_models_of_the_base_are_fetched_when_the_cache_lacks_them(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.sample.git("push", "-q", "origin", "HEAD:main")
    clone = project.sample.clone("fresh")
    clone.write("models/model.json", '{"slope": 1.0}')
    files = sorted(
        path for path in clone.root.rglob("*") if path.relative_to(clone.root).parts[0] not in {".dvc", ".git"}
    )

    found = type(project)(sample=clone, base=project.base).compare()

    assert (found.changed, found.problem) == (5, None)
    after = sorted(
        path for path in clone.root.rglob("*") if path.relative_to(clone.root).parts[0] not in {".dvc", ".git"}
    )
    assert after == files


def test_a_model_of_the_base_that_nobody_has_is_named(tmp_path: Path) -> None:
    project = make(tmp_path)
    shutil.rmtree(tmp_path / "dvc-remote")
    shutil.rmtree(project.root / ".dvc/cache")

    found = project.compare()

    assert found.problem is not None
    assert "what the base's graph needs cannot be had" in found.problem
    assert "models/model.json" in found.problem
    assert found.base is None
    assert found.head is not None
    assert found.head.failed == 0


def test_a_graph_whose_code_reads_a_model_when_it_is_imported_is_replayed(tmp_path: Path) -> None:
    graph = f"import json\nMODEL = json.load(open('models/model.json'))\n{GRAPH}"
    project = make(tmp_path, {"serving/graph.py": graph}, count=2)
    project.sample.write("models/model.json", '{"slope": 3.0}')

    found = project.compare()

    assert (found.requests, found.changed, found.problem) == (2, 1, None)


# --- projects of other shapes ---


def test_a_work_tree_whose_models_were_not_pulled_says_how_to_get_them(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    (project.root / "models/model.json").unlink()

    found = project.compare()

    assert found.problem is not None
    assert found.problem.startswith("the head's graph cannot be loaded: ")
    assert found.problem.endswith("; what DVC keeps was not fetched: `dvc pull models/model.json`")
    assert found.base is not None
