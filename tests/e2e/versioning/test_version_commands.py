from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_project
from tests.e2e.by_command import graphship

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_snapshot_of_another_commit_is_json_with_full_names(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    first = project.head()
    project.write("README.md", "more\n")
    project.commit()

    done = graphship(project, "snapshot", "--rev", "HEAD~1", "--json")

    assert done.returncode == 0, done.stderr
    snapshot = json.loads(done.stdout)
    assert snapshot["code"] == {"commit": first, "dirty": None}
    assert snapshot["params"] == {
        "params.yaml:prepare.keep": 40,
        "params.yaml:train.rate": 0.001,
        "params.yaml:train.steps": 3,
    }


def test_a_comparison_reads_well(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    graphship(project, "run")
    project.commit()
    old, new = project.git("rev-parse", "HEAD~1")[:7], project.head()[:7]

    done = graphship(project, "diff", "HEAD~1", "HEAD")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:10] == [
        f"sample · {new} against {old}",
        "· 1 metric better",
        "  mae 6.346 → 2.937 (better)",
        "  Changed: 1 param, 1 data file, 1 plot.",
        "",
        "Metrics",
        "───────",
        "metric                  before  after  difference",
        "metrics.json:mae         6.346  2.937  ▼ -3.41 better",
        "metrics.json:test.rows      20     20  =",
    ]


def test_a_comparison_as_json_has_no_whole_texts(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    metrics = json.loads((project.root / "metrics.json").read_text())
    project.write("metrics.json", json.dumps({**metrics, "summary": "word " * 20_000}))

    done = graphship(project, "diff", "HEAD", "--json")

    assert done.returncode == 0, done.stderr
    (summary,) = [one for one in json.loads(done.stdout)["metrics"] if one["key"] == "metrics.json:summary"]
    assert (len(summary["new"]), summary["shortened"]) == (500, {"new": 100_000})
    assert len(done.stdout) < 10_000


def test_a_snapshot_in_text_has_digests_of_models_that_git_keeps(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("rules.json", "one\n")
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text() + "artifacts:\n  rules: {path: rules.json}\n")

    done = graphship(project, "snapshot")

    # `git hash-object` of the file's content
    assert "\n  rules  rules.json  4 B  git:5626abf0  no version\n" in done.stdout


def test_data_of_the_work_tree_that_no_commit_names_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/raw.csv", "x,y\n1,2\n")

    done = graphship(project, "diff", "HEAD")

    assert done.returncode == 0, done.stderr
    assert "the work tree holds other data than its commit names: data/raw.csv; dvc checkout" in " ".join(
        done.stdout.split()
    )
    assert "other data" not in graphship(project, "diff", "HEAD", "HEAD").stdout


def test_an_unknown_base_ends_with_two(tmp_path: Path) -> None:
    done = graphship(make_project(tmp_path), "diff", "mian")

    assert done.returncode == 2
    assert "error[unknown-revision]: there is no commit `mian` in this clone" in done.stderr
    assert done.stdout == ""


def test_neither_json_nor_text_shows_a_secret_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "correct-horse-battery"
    monkeypatch.setenv("UPLOAD_TOKEN", secret)
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", f"rate: {secret}")
    commands = (["diff", "HEAD"], ["snapshot"], ["run", "--dry-run"])

    printed = [graphship(project, *command, *more) for command in commands for more in ([], ["--json"])]

    assert [done.returncode for done in printed] == [0] * 6
    assert [secret in done.stdout + done.stderr for done in printed] == [False] * 6
    changed = json.loads(printed[1].stdout)["params"]
    assert [param["new"] for param in changed] == ["***"]
