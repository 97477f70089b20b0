"""Lock files, pipelines and projects of every odd shape, in the work tree and at a commit that is not checked out."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import InvalidDvcFileError
from ci_core.testing.projects import SampleProject, make_project
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.snapshot import take_snapshot
from tests.e2e.versioning.shapes import METRICS, PARAMS, both

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


# --- lock files ---


def test_a_lock_file_of_dvc_1_is_read_and_never_written_to(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    expected = take_snapshot(project.root)
    lines = (project.root / "dvc.lock").read_text().split("stages:\n")[1].splitlines()
    old = "".join(f"{line[2:]}\n" for line in lines if "hash: md5" not in line)
    project.write("dvc.lock", old)

    for snapshot in both(project):
        assert snapshot.outputs == expected.outputs
        assert snapshot.metrics == METRICS
        assert snapshot.problems == ()
    project.write("dvc.lock", old)
    with (
        pytest.raises(InvalidDvcFileError) as caught,
        DvcProject(project.root).session("run the pipeline") as repo,
    ):
        repo.index.stages  # noqa: B018 - read as a run reads it
    assert caught.value.message == "DVC 1 wrote it: put `schema: '2.0'` first, and its stages under `stages:`"


def test_digests_of_dvc_2_are_read_as_they_are(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    expected = take_snapshot(project.root)
    lock = (project.root / "dvc.lock").read_text()
    project.write("dvc.lock", "".join(line for line in lock.splitlines(keepends=True) if "hash: md5" not in line))

    for snapshot in both(project):
        assert snapshot.outputs == expected.outputs


@pytest.mark.parametrize("schema", ["'3.0'", "3", "null"])
def test_a_lock_file_of_a_newer_schema_is_named(tmp_path: Path, schema: str) -> None:
    project = make_project(tmp_path)
    project.replace("dvc.lock", "schema: '2.0'", f"schema: {schema}")
    commit = project.commit()

    for revision in (None, commit):
        with pytest.raises(InvalidDvcFileError) as caught:
            take_snapshot(project.root, revision)
        assert caught.value.file == "dvc.lock"
        assert "and this version of DVC knows `2.0`: a newer one wrote it" in caught.value.message


# --- templates, stages ---


def test_a_templated_pipeline_is_read_with_its_values(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("values.yaml", "regions: [north, south]\nsizes: {small: 1}\n")
    project.write(
        "dvc.yaml",
        """\
vars: [values.yaml, {out: made}]
stages:
  fit:
    foreach: ${regions}
    do: {cmd: "echo ${item} > ${out}/${item}", outs: ["${out}/${item}"]}
  grid:
    matrix: {region: "${regions}", size: [1, 2]}
    cmd: echo ${item.region} ${item.size} ${sizes.small}
    outs: ["${out}/${item.region}-${item.size}"]
  once:
    vars: [{name: mine}]
    frozen: true
    cmd: [echo a, "echo ${name}"]
    deps: ["${out}/north"]
""",
    )

    for snapshot in both(project):
        stages = {stage.name: stage for stage in snapshot.stages}
        assert list(stages) == [
            "fit@north", "fit@south", "grid@north-1", "grid@north-2", "grid@south-1", "grid@south-2", "once",
        ]  # fmt: skip
        assert stages["fit@south"].command == "echo south > made/south"
        assert stages["grid@north-2"].makes == ("made/north-2",)
        assert stages["once"].command == "echo a\necho mine"
        assert "once" not in snapshot.stale
        assert snapshot.params["values.yaml:sizes.small"] == 1


def test_several_pipelines_with_wdir_and_vars_are_one_project(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("sub/vars.yaml", "name: result\n")
    project.write("sub/params.yaml", "a: 1\n")
    project.write("sub/work/m.json", '{"auc": 0.5}')
    project.write(
        "sub/dvc.yaml",
        "vars: [vars.yaml]\nstages:\n  one:\n    wdir: work\n    cmd: touch ${name}\n    deps: [../../data/raw.csv]\n"
        "    params: [../params.yaml: [a]]\n    outs: ['${name}']\n    metrics: [{m.json: {cache: false}}]\n",
    )

    for snapshot in both(project):
        (stage,) = [stage for stage in snapshot.stages if stage.name == "sub/dvc.yaml:one"]
        assert stage.needs == ("data/raw.csv",)
        assert stage.params == ("sub/params.yaml:a",)
        assert stage.makes == ("sub/work/m.json", "sub/work/result")
        assert snapshot.metrics["sub/work/m.json:auc"] == 0.5
        assert snapshot.params["sub/params.yaml:a"] == 1
        assert snapshot.params["sub/vars.yaml:name"] == "result"


def test_a_renamed_stage_and_a_frozen_one_are_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    old = take_snapshot(project.root)
    project.replace("dvc.yaml", "  train:", "  fit:")
    project.replace("dvc.yaml", "    cmd: python3 src/prepare.py", "    frozen: true\n    cmd: python3 src/prepare.py")
    project.replace("params.yaml", "keep: 40", "keep: 30")

    before, after = both(project)

    for snapshot in (before, after):
        assert [(stage.name, stage.change) for stage in compare(old, snapshot).stages] == [
            ("fit", "added"),
            ("train", "removed"),
        ]
        assert snapshot.stale == ("fit", "evaluate")
    assert [file.digest for file in after.outputs if file.path == "models/model.json"] == [None]


# --- two projects, sub-folders ---


def _monorepo(folder: Path, *, dvc_root: str) -> SampleProject:
    """Make a Git repository with the projects ``teams/a`` and ``teams/b``; DVC's root is the folder `dvc_root`."""
    project = make_project(folder)
    for path in [path for path in project.root.iterdir() if path.name != ".git"]:
        project.git("rm", "-rq", "--cached", "--ignore-unmatch", path.name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    from dvc.repo import Repo

    (project.root / dvc_root).mkdir(parents=True, exist_ok=True)
    Repo.init(str(project.root / dvc_root), subdir=bool(dvc_root)).close()
    for team, auc in (("a", 0.5), ("b", 0.25)):
        at = f"teams/{team}"
        project.write(f"{at}/graphship.yaml", f"name: {team}\n")
        project.write(f"{at}/params.yaml", f"rate: {auc}\n")
        project.write(f"{at}/metrics.json", json.dumps({"auc": auc}))
        project.write(f"{at}/roc.csv", f"x,y\n1,{auc}\n")
        project.write(
            f"{at}/dvc.yaml",
            "stages:\n  train:\n    cmd: train\n    params: [rate]\n    metrics: [{metrics.json: {cache: false}}]\n"
            "plots:\n  - roc: {x: {roc.csv: x}, y: {roc.csv: y}}\n  - roc.csv\n",
        )
    return project


@pytest.mark.parametrize("dvc_root", ["", "teams"])
def test_two_projects_of_a_monorepo_know_nothing_of_each_other(tmp_path: Path, dvc_root: str) -> None:
    project = _monorepo(tmp_path, dvc_root=dvc_root)
    commit = CommitId(project.commit())

    for revision in (None, commit):
        for team, auc in (("a", 0.5), ("b", 0.25)):
            root = project.root / "teams" / team
            snapshot = take_snapshot(root, revision)
            assert snapshot.metrics == {"metrics.json:auc": auc}
            assert snapshot.params == {"params.yaml:rate": auc}
            assert [stage.name for stage in snapshot.stages] == ["train"]
            assert [file.path for file in snapshot.outputs] == ["metrics.json"]
            assert snapshot.problems == ()
            plots = DvcProject(root).plots(revision)
            assert [(plot.id, plot.sources[0].path, plot.sources[0].rows) for plot in plots] == [
                ("roc", "roc.csv", ({"x": "1", "y": str(auc)},)),
                ("roc.csv", "roc.csv", ({"x": "1", "y": str(auc)},)),
            ]


# --- artifacts, and nothing at all ---


def test_an_empty_pipeline_and_declared_artifacts_are_fine(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("dvc.yaml", "artifacts:\n  m: {path: models/model.json, type: model, labels: [a]}\n")

    for snapshot in both(project):
        assert snapshot.stages == ()
        assert snapshot.outputs == ()
        assert [file.path for file in snapshot.data] == ["data/raw.csv"]
        assert snapshot.params == PARAMS
        assert snapshot.problems == ()
