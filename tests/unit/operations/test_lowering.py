"""Releases with lowered models: which rows decide, what the plan says, what the release holds."""

from __future__ import annotations

import csv
import json
import tarfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from ci_core.config.settings import MonitorSettings, Settings
from ci_core.deploy.release import build_release
from ci_core.deploy.spec import Release, ReleaseRecord
from ci_core.operations.lowering import lower_models, may_be_lowered
from ci_core.serving.graph_file import read_graph_file
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ci_core.deploy.release import BuiltRelease
    from ci_core.serving.spec import GraphSpec

GRAPH = """
name: churn
steps:
  - name: r
    router: single
    routes:
      m: {model: models/m.skops, columns: [age, income]}
    respond: true
"""
REFERENCE = MonitorSettings(reference="data/train.csv", window=timedelta(days=1), target="y")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = np.random.default_rng(4).normal(size=(60, 2))
    labels = (made[:, 0] > 0).astype(int)
    for folder in ("serving", "models", "data"):
        (tmp_path / folder).mkdir()
    skops.io.dump(LogisticRegression().fit(made, labels), tmp_path / "models/m.skops")
    (tmp_path / "serving/graph.yaml").write_text(GRAPH)
    with (tmp_path / "data/train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "income", "y"])
        writer.writerows([*row, label] for row, label in zip(made.tolist(), labels.tolist(), strict=True))
    smoke = [{"age": age, "income": income} for age, income in made[:15].tolist()]
    requests: list[Any] = [*smoke, {"body": smoke, "path": "/v2/models/m/infer"}, {"age": 1}, 7]
    (tmp_path / "serving/requests.jsonl").write_text("\n".join(json.dumps(request) for request in requests))
    return tmp_path


def settings_of(project: Path, **more: Any) -> Settings:
    return Settings(root=project, name="churn", graph="serving/graph.yaml", **more)


def graph_of(settings: Settings) -> GraphSpec:
    return read_graph_file(settings.root / "serving/graph.yaml", shown_as="serving/graph.yaml")


def listed(root: Path, folder: str) -> Iterable[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if path.is_file())


def build(settings: Settings) -> BuiltRelease:
    return build_release(
        settings,
        settings.root / "out",
        load=lambda _reference, _root: graph_of(settings),
        lower=lambda graph: lower_models(settings, graph),
        list_files=listed,
    )


def test_rows_of_the_reference_decide(project: Path) -> None:
    settings = settings_of(project, monitor=REFERENCE)

    (decision,) = lower_models(settings, graph_of(settings)).decisions

    assert (decision.form, decision.rows) == ("numpy", 60)
    assert decision.sentence == "`m` runs as numpy alone: it answers 60 rows of `data/train.csv` as the original does"


def test_without_a_reference_the_rows_of_smoke_requests_decide(project: Path) -> None:
    settings = settings_of(project, smoke="serving/requests.jsonl")

    (decision,) = lower_models(settings, graph_of(settings)).decisions

    assert (decision.form, decision.rows) == ("numpy", 30)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({}, "the project has neither `monitor.reference` nor `smoke`"),
        ({"smoke": "serving/none.jsonl"}, "cannot be read"),
        (
            {"monitor": MonitorSettings(reference="serving/requests.jsonl", window=timedelta(days=1))},
            "`serving/requests.jsonl` lacks the column",
        ),
        ({"monitor": MonitorSettings(reference="data/gone.parquet", window=timedelta(days=1))}, "gone.parquet"),
    ],
    ids=["neither", "no smoke file", "no column", "no reference"],
)
def test_without_rows_the_original_runs_and_the_reason_is_told(
    more: dict[str, Any], problem: str, project: Path
) -> None:
    settings = settings_of(project, **more)

    (decision,) = lower_models(settings, graph_of(settings)).decisions

    assert decision.form == "original"
    assert decision.reason.startswith("runs as it was saved: nothing to compare it on: ")
    assert problem in decision.reason


def test_a_release_holds_the_lowered_file_and_names_it_beside_the_saved_model(project: Path) -> None:
    built = build(settings_of(project, monitor=REFERENCE))

    (decision,) = built.lowering
    steps: Any = built.release.graph["steps"]
    route = steps[0]["routes"][0]
    assert route["model"] == "models/m.skops"
    assert route["lowered"] == decision.file
    assert [model.path for model in built.release.models] == [decision.file, "models/m.skops"]
    assert built.release.models[0].digest == decision.digest
    with tarfile.open(built.bundle.path) as tar:
        assert decision.file in tar.getnames()
    assert built.notes == (decision.sentence,)


def test_the_same_project_gives_the_same_release_however_often_it_is_made(project: Path) -> None:
    settings = settings_of(project, monitor=REFERENCE)

    assert build(settings).release.id == build(settings).release.id


def test_the_rows_that_were_compared_are_recorded_beside_the_release_and_not_in_its_id(project: Path) -> None:
    by_reference = build(settings_of(project, monitor=REFERENCE))
    by_smoke = build(settings_of(project, smoke="serving/requests.jsonl"))
    record = ReleaseRecord(
        release=by_reference.release,
        commit=CommitId("c" * 40),
        lowering=tuple(decision.to_dict() for decision in by_reference.lowering),
    )

    assert by_reference.release.graph == by_smoke.release.graph
    assert by_reference.release.models == by_smoke.release.models
    assert ReleaseRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert record.lowering[0]["rows"] == 60
    assert Release.from_dict(record.release.to_dict()).id == record.release.id


def test_a_record_from_before_lowering_is_read(project: Path) -> None:
    record = ReleaseRecord(release=build(settings_of(project)).release, commit=CommitId("c" * 40))
    stored = record.to_dict()

    assert "lowering" not in stored
    assert ReleaseRecord.from_dict(stored) == record


@pytest.mark.parametrize(
    ("route", "asks"), [("{model: m.skops}", True), ("{model: m.skops, lower: off}", False), ("m.onnx", False)]
)
def test_rows_are_fetched_only_for_models_that_may_be_lowered(route: str, *, asks: bool, tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(f"name: g\nsteps:\n  - {{router: single, routes: {{m: {route}}}}}\n")

    assert may_be_lowered(read_graph_file(tmp_path / "g.yaml", shown_as="g.yaml")) is asks
