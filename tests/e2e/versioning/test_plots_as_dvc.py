"""What is drawn of a plot is what DVC draws of it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.operations.plot_data import plot_parts
from ci_core.testing.projects import make_project
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PLOTS = """\
plots:
  - logs: {x: step}
  - sklearn/roc.json: {template: simple, x: fpr, y: tpr, title: ROC, x_label: False Positive Rate}
  - sklearn/prc.json: {template: simple, x: recall, y: precision}
  - sklearn/calibration.json: {template: simple, x: prob_pred, y: prob_true}
  - sklearn/classes.json: {template: confusion, x: actual, y: predicted}
  - losses: {x: step, y: {logs/loss.tsv: loss, logs/val/loss.tsv: loss}}
  - other x: {x: {more/steps.csv: epoch}, y: {more/values.csv: [a, b]}}
  - more/values.csv
  - more/columns.yaml: {x: n, y: [one, two]}
  - more/importance.csv: {template: bar_horizontal, x: gain, y: name}
  - images
"""


def _project(folder: Path) -> SampleProject:
    project = make_project(folder)
    for name, values in {"loss": (3, 2, 1), "acc": (0.5, 0.7, 0.9), "val/loss": (4, 3, 2.5)}.items():
        column = name.rpartition("/")[2]
        rows = "".join(f"{step}\t{value}\n" for step, value in enumerate(values))
        project.write(f"logs/{name}.tsv", f"step\t{column}\n{rows}")
    sklearn = {
        "roc": [{"fpr": 0.0, "tpr": 0.0}, {"fpr": 0.0, "tpr": 0.5}, {"fpr": 1.0, "tpr": 1.0}],
        "prc": [{"precision": 0.5, "recall": 1.0}, {"precision": 0.75, "recall": 0.5}, {"precision": 1, "recall": 0.0}],
        "calibration": [{"prob_true": 0.1, "prob_pred": 0.2}, {"prob_true": 0.9, "prob_pred": 0.8}],
    }
    for name, points in sklearn.items():
        project.write(f"sklearn/{name}.json", json.dumps({name: points}))
    pairs = [("cat", "cat"), ("cat", "dog"), ("dog", "dog"), ("dog", "dog")]
    classes = [{"actual": actual, "predicted": predicted} for actual, predicted in pairs]
    project.write("sklearn/classes.json", json.dumps(classes))
    project.write("more/steps.csv", "epoch\n10\n20\n")
    project.write("more/values.csv", "a,b\n1,2\n3,4\n")
    project.write("more/columns.yaml", "- {n: 1, one: 2, two: 3}\n- {n: 2, one: 4, two: 5}\n")
    project.write("more/importance.csv", "gain,name\n0.5,wind\n0.25,rain\n")
    (project.root / "images").mkdir()
    (project.root / "images" / "tree.png").write_bytes(PIXEL)
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text() + PLOTS)
    return project


def _as_dvc(project: SampleProject, commit: str) -> dict[str, list[list[tuple[Any, Any]]]]:
    """Return, by plot, the points of every line that DVC hands to Vega."""
    from dvc.render.converter.vega import VegaConverter
    from dvc.repo import Repo
    from dvc.repo.plots import infer_data_sources

    with Repo(str(project.root)) as repo:
        (shown,) = repo.plots.show(revs=[commit]).values()
    data = {path: read["data"] for path, read in shown["sources"]["data"].items()}
    found: dict[str, list[list[tuple[Any, Any]]]] = {}
    for content in shown["definitions"]["data"].values():
        for plot_id, properties in content["data"].items():
            sources = {path: data[path] for path in infer_data_sources(plot_id, properties)}
            if not any(isinstance(read, bytes) for read in sources.values()):
                rows, used = VegaConverter(plot_id, sources, properties).flat_datapoints(commit)
                lines: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
                for row in rows:
                    lines.setdefault((row["filename"], row["field"]), []).append((row[used["x"]], row[used["y"]]))
                found[plot_id] = list(lines.values())
    return found


def test_every_line_has_the_points_that_dvc_hands_to_vega(tmp_path: Path) -> None:
    project = _project(tmp_path)
    commit = CommitId(project.commit())

    parts = {part.name: part for part in plot_parts(None, DvcProject(project.root).plots(commit))}
    theirs = _as_dvc(project, commit)

    titles = {"sklearn/roc.json": "ROC", "plots/errors.csv": "Errors"}
    lines = {plot_id: lines for plot_id, lines in theirs.items() if parts[titles.get(plot_id, plot_id)].kind == "line"}
    assert len(lines) == 11
    for plot_id, expected in lines.items():
        part = parts[titles.get(plot_id, plot_id)]
        ours = [sorted(zip(series.x, series.y, strict=True)) for series in part.series]
        assert ours == [sorted((float(x), float(y)) for x, y in line) for line in expected], plot_id
        assert (part.notes, part.problems) == ((), ())


def test_bars_matrices_and_pictures_hold_what_their_files_hold(tmp_path: Path) -> None:
    project = _project(tmp_path)
    commit = CommitId(project.commit())

    parts = {part.name: part for part in plot_parts(None, DvcProject(project.root).plots(commit))}

    (matrix,) = parts["sklearn/classes.json"].matrices
    assert (matrix.classes, matrix.counts) == (("cat", "dog"), ((1, 1), (0, 2)))
    (bars,) = parts["more/importance.csv"].series
    assert (bars.x, bars.y) == (("wind", "rain"), (0.5, 0.25))
    (image,) = parts["images/tree.png"].images
    assert base64.b64decode(image.data) == PIXEL
    assert parts["ROC"].x_label == "False Positive Rate"


def test_the_work_tree_is_compared_with_a_commit(tmp_path: Path) -> None:
    project = _project(tmp_path)
    commit = CommitId(project.commit())
    dvc = DvcProject(project.root)
    project.write("more/values.csv", "a,b\n1,2\n3,5\n")
    (project.root / "logs" / "acc.tsv").unlink()

    parts = plot_parts(dvc.plots(commit), dvc.plots())

    changed = {part.name: part.change for part in parts if part.change != "same"}
    assert changed == {"more/values.csv": "changed", "other x": "changed", "logs/acc.tsv": "removed"}
    (values,) = (part for part in parts if part.name == "more/values.csv")
    assert [(series.side, series.y) for series in values.series] == [("base", (2.0, 4.0)), ("head", (2.0, 5.0))]
