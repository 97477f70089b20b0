from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ci_core.cli import cli
from ci_core.config.raw_values import check_name
from ci_core.config.reader import read_settings, settings_from_bytes
from ci_core.config.settings import Gates
from ci_core.config.survey import Metric, Survey, project_name
from ci_core.config.template import _SCORES, render
from ci_core.errors import FileNotWritableError, InvalidDvcFileError, WouldOverwriteError
from ci_core.operations.init_project import init_project
from ci_core.testing.golden import assert_golden
from ci_core.versioning.compare import known_goal

GOLDEN = Path(__file__).parents[2] / "golden" / "config"

DVC_YAML = """\
stages:
  prepare:
    cmd: python src/prepare.py
    params: [prepare.keep]
    deps: [data/raw.csv]
    outs: [data/train.parquet, data/test.parquet]
  train:
    cmd: python src/train.py
    params: [train.rate, {params/model.yaml: [depth]}]
    outs: [models/model.pkl, models/model.onnx]
  evaluate:
    cmd: python src/evaluate.py
    metrics: [metrics.json: {cache: false}]
    plots: [plots/roc.csv]
metrics: [eval/other.yaml]
"""


def make(root: Path, files: dict[str, str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def with_pipeline(root: Path) -> Path:
    return make(
        root,
        {
            "dvc.yaml": DVC_YAML,
            "params.yaml": "prepare: {keep: 1}",
            "params/model.yaml": "depth: 3",
            "metrics.json": json.dumps({"auc": 0.8312, "rows": 1200, "ok": True, "test": {"rmse": 12.5}}),
            "eval/other.yaml": "F1: 0.5\n",
            "src/features.py": "Graph = None\n",
        },
    )


def uncommented(text: str) -> str:
    """Take the ``#`` from every setting that is off."""
    return re.sub(r"^( *)#(?=[^ \n])", r"\1", text, flags=re.MULTILINE)


def test_a_project_with_a_pipeline_gets_its_metrics_and_its_table(tmp_path: Path) -> None:
    root = with_pipeline(tmp_path / "Churn Model")

    made = init_project(root)

    settings = read_settings(root, {})
    assert made.is_written
    assert settings.name == "churn-model"
    assert [(gate.key, gate.max_regression) for gate in settings.gates.metrics] == [
        ("metrics.json:auc", 0.01),
        ("eval/other.yaml:F1", 0.01),
    ]
    assert settings.monitor is not None
    assert settings.monitor.reference == "data/train.parquet"
    assert (settings.graph, settings.environments, settings.retrain) == (None, (), None)
    assert_golden(GOLDEN / "init-with-pipeline.yaml", (root / "graphship.yaml").read_text())


def test_a_project_that_has_everything_is_deployed_to_staging(tmp_path: Path) -> None:
    root = make(
        tmp_path / "churn",
        {
            "serving/graph.py": "from ci_core.serving import Graph, steps\n\ngraph = Graph('churn').respond()\n",
            "serving/requests.jsonl": "{}\n",
            "data/training_set.parquet.dvc": "outs: []\n",
        },
    )

    init_project(root)

    settings = read_settings(root, {})
    assert settings.graph == "serving/graph.py:graph"
    assert [(it.name, it.target, it.deploy_on) for it in settings.environments] == [("staging", "local", "merge")]
    assert settings.smoke == "serving/requests.jsonl"
    assert settings.monitor is not None
    assert settings.monitor.reference == "data/training_set.parquet"


@pytest.mark.parametrize("score", sorted(_SCORES))
def test_a_gate_that_is_on_can_be_judged_by_the_name_of_its_metric(score: str) -> None:
    assert known_goal(f"metrics.json:{score}") == "higher"


def test_an_empty_repository_gets_a_name_and_everything_else_as_comments(tmp_path: Path) -> None:
    root = make(tmp_path / "churn", {})

    init_project(root)

    assert_golden(GOLDEN / "init-empty.yaml", (root / "graphship.yaml").read_text())
    assert read_settings(root, {}).gates == Gates()


@pytest.mark.parametrize("prepare", [with_pipeline, lambda root: make(root, {})], ids=["with a pipeline", "empty"])
def test_every_setting_that_is_off_is_valid_when_it_is_turned_on(tmp_path: Path, prepare: object) -> None:
    assert callable(prepare)
    text = init_project(prepare(tmp_path), dry_run=True).text

    settings = settings_from_bytes(uncommented(text).encode(), root=tmp_path, env={}, check_files=False)

    assert settings.graph == "serving/graph.py:graph"
    assert settings.monitor is not None
    assert settings.monitor.time_column == "event_time"
    assert settings.retrain is not None
    assert settings.environments[0].name == "staging"


names = st.text(min_size=1, max_size=20)


@given(
    st.lists(st.tuples(names, st.floats(-1e12, 1e12)), max_size=4, unique_by=lambda it: it[0]),
    names,
    names,
)
def test_whatever_files_and_metrics_are_called_the_text_reads_back(
    metrics: list[tuple[str, float]], model: str, params: str
) -> None:
    found = Survey(
        name="churn",
        has_pipeline=True,
        metrics_files=("metrics.json",),
        params_files=(params,),
        metrics=tuple(Metric(key=f"metrics.json:{name}", value=value) for name, value in metrics),
        model=model,
        table="data/träin set #1.parquet",
    )

    settings = settings_from_bytes(
        uncommented(render(found)).encode(), root=Path("/nowhere"), env={}, check_files=False
    )

    assert settings.monitor is not None
    assert settings.monitor.reference == "data/träin set #1.parquet"
    assert [gate.metric for gate in settings.gates.metrics] == ([name for name, _value in metrics] or ["auc"])


@given(st.text())
def test_any_folder_name_gives_a_valid_project_name(folder: str) -> None:
    check_name(project_name(folder))


@pytest.mark.parametrize(
    ("folder", "name"),
    [("churn", "churn"), ("My_Project 2", "my-project-2"), ("2024-größe", "gro-e"), ("数据", "project")],
)
def test_a_project_is_named_after_its_folder(folder: str, name: str) -> None:
    assert project_name(folder) == name


def test_an_existing_file_is_left_as_it_is(tmp_path: Path) -> None:
    make(tmp_path, {"graphship.yaml": "mine"})

    with pytest.raises(WouldOverwriteError, match=r"`graphship.yaml` exists already"):
        init_project(tmp_path)

    assert (tmp_path / "graphship.yaml").read_text() == "mine"


def test_force_replaces_an_existing_file(tmp_path: Path) -> None:
    make(tmp_path, {"graphship.yaml": "mine"})

    init_project(tmp_path, force=True)

    assert read_settings(tmp_path, {}).name == project_name(tmp_path.name)


def test_a_dry_run_prints_the_file_and_writes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["init", "--dry-run", "--project", str(tmp_path)], obj={})

    assert result.exit_code == 0
    assert settings_from_bytes(result.stdout_bytes, root=tmp_path, env={}).name == project_name(tmp_path.name)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_found_and_what_comes_next(tmp_path: Path) -> None:
    root = with_pipeline(tmp_path / "churn")

    result = CliRunner().invoke(cli, ["init", "--project", str(root)], obj={})

    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == (
        "wrote graphship.yaml: found pipeline `dvc.yaml`, metrics `metrics.json, eval/other.yaml`, "
        "params `params.yaml, params/model.yaml`, model `models/model.onnx`, reference `data/train.parquet`\n"
        "next: `graphship doctor` says what is still missing\n"
    )


def test_a_broken_pipeline_file_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    make(tmp_path, {"dvc.yaml": "stages:\n\ttrain: {}\n"})

    with pytest.raises(InvalidDvcFileError) as caught:
        init_project(tmp_path)

    assert caught.value.known == ("dvc.yaml:2: the line is indented with a tab, which YAML does not allow",)
    assert not (tmp_path / "graphship.yaml").exists()


def test_a_place_that_refuses_the_file_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "graphship.yaml").mkdir()

    with pytest.raises(FileNotWritableError, match="is a directory"):
        init_project(tmp_path, force=True)

    assert [path.name for path in tmp_path.iterdir()] == ["graphship.yaml"]
