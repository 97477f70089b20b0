"""Metrics and params of every odd shape, in the work tree and at a commit that is not checked out."""

from __future__ import annotations

import json
import math
import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import InvalidDvcFileError
from ci_core.testing.projects import make_project
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.snapshot import take_snapshot
from tests.e2e.versioning.shapes import METRICS, PARAMS, append, both, with_cached_metrics

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


# --- metrics ---


def test_metrics_are_told_as_they_are_whatever_they_turned_to(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    old = take_snapshot(project.root)
    content = '{"mae": "n/a", "test": {"rows": NaN, "top": Infinity, "none": null, "ok": true}, "folds": [0.5, 1]}'
    project.write("metrics.json", content)

    for snapshot in both(project):
        rows = snapshot.metrics["metrics.json:test.rows"]
        assert isinstance(rows, float)
        assert math.isnan(rows)
        assert {key: value for key, value in snapshot.metrics.items() if not key.endswith("rows")} == {
            "metrics.json:folds": [0.5, 1],
            "metrics.json:mae": "n/a",
            "metrics.json:test.ok": True,
            "metrics.json:test.top": math.inf,
        }
        notes = {metric.key: metric.note for metric in compare(old, snapshot).metrics}
        assert notes["metrics.json:mae"] == "is not a number any more"
        assert notes["metrics.json:test.rows"] == "became NaN"


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("0.0\n", 0.0), ("false", False), ("7", 7)])
def test_a_metrics_file_may_be_one_bare_value_and_zero_is_one(tmp_path: Path, text: str, value: float) -> None:
    project = make_project(tmp_path)
    project.write("metrics.json", text)

    for snapshot in both(project):
        assert snapshot.metrics == {"metrics.json": value}
        assert snapshot.problems == ()


UNREADABLE = {
    "gone": (None, "metrics.json: it is not there"),
    "empty": (b"", "metrics.json: JSON file structure is corrupted (Expecting value: line 1 column 1 (char 0))"),
    "no metric": (b'{"a": null, "b": []}', "metrics.json: there is no metric in it"),
    "long list": (json.dumps({"losses": [0.5] * 101}).encode(), "metrics.json: there is no metric in it"),
    "not UTF-8": (b'{"a": "\xff"}', "metrics.json: it is not valid utf-8 ('utf-8' codec can't decode byte 0xff"),
    "depth of 10,000": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "metrics.json: it nests deeper than 100 levels"),
    "depth of 101": (b'{"a":' * 101 + b"1" + b"}" * 101, "metrics.json: it nests deeper than 100 levels"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "metrics.json: only the pointer of Git LFS is there, not the file",
    ),
}


@pytest.mark.parametrize(("content", "said"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_metrics_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes | None, said: str) -> None:
    project = make_project(tmp_path)
    (project.root / "metrics.json").unlink()
    if content is not None:
        (project.root / "metrics.json").write_bytes(content)

    for snapshot in both(project):
        assert snapshot.metrics == {}
        assert snapshot.params == PARAMS
        assert len(snapshot.problems) == 1
        assert snapshot.problems[0].startswith(said)
        assert "\n" not in snapshot.problems[0]


def test_a_hundred_levels_are_read(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("metrics.json", '{"a":' * 100 + "1" + "}" * 100)

    for snapshot in both(project):
        assert list(snapshot.metrics.values()) == [1]


@pytest.mark.parametrize(
    ("count", "last"),
    [(30_000, 3749.875), pytest.param(300_000, 37499.875, marks=[pytest.mark.faults, pytest.mark.slow])],
)
def test_a_megabyte_of_metrics_and_ten_are_read_whole(tmp_path: Path, count: int, last: float) -> None:
    project = make_project(tmp_path)
    metrics = {f"part{number}": {"value": number / 8} for number in range(count)}
    project.write("metrics.json", json.dumps(metrics))

    for snapshot in both(project):
        assert len(snapshot.metrics) == count
        assert snapshot.metrics[f"metrics.json:part{count - 1}.value"] == last


def test_metrics_in_yaml_toml_and_of_top_level_sections_are_read(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("more/a.yaml", "deep: {er: {auc: 0.5}}\nday: 2024-01-01\n")
    project.write("more/b.toml", "[test]\nauc = 0.25\n")
    project.write("number.json", "0.75")
    append(project, "dvc.yaml", "metrics: [more/a.yaml, more/b.toml, number.json]\n")

    for snapshot in both(project):
        assert snapshot.metrics == {
            **METRICS,
            "more/a.yaml:deep.er.auc": 0.5,
            "more/a.yaml:day": "2024-01-01",
            "more/b.toml:test.auc": 0.25,
            "number.json": 0.75,
        }


def test_metrics_and_plots_that_only_dvc_keeps_are_read_from_the_remote(tmp_path: Path) -> None:
    project = with_cached_metrics(tmp_path)
    clone = project.clone("fresh")

    for revision in (None, "HEAD"):
        snapshot = take_snapshot(clone.root, revision)
        assert snapshot.metrics == METRICS
        assert snapshot.problems == ()
    for commit in (None, CommitId(clone.head())):
        (plot,) = DvcProject(clone.root).plots(commit)
        assert len(plot.sources[0].rows) == 20
    assert not (clone.root / "metrics.json").exists()


def test_metrics_that_no_place_has_are_said_with_the_place(tmp_path: Path) -> None:
    project = with_cached_metrics(tmp_path)
    lost = project.clone("lost")
    shutil.rmtree(project.dvc_remote)
    project.dvc_remote.mkdir()
    without = project.clone("without")
    without.write(".dvc/config", "")
    without.commit()

    for revision in (None, "HEAD"):
        snapshot = take_snapshot(lost.root, revision)
        assert snapshot.metrics == {}
        assert snapshot.problems == ("metrics.json: neither this clone's cache nor the DVC remote `storage` has it",)
        assert take_snapshot(without.root, revision).problems == (
            "metrics.json: it is not in this clone's cache, and there is no default DVC remote",
        )
        (plot,) = DvcProject(lost.root).plots(None if revision is None else CommitId(lost.head()))
        assert plot.sources[0].problem == "neither this clone's cache nor the DVC remote `storage` has it"


# --- params ---

HOSTILE = {
    "alias bomb": (
        "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        "its aliases stand for more than 1,000,000 values",
    ),
    "alias of itself": ("r: &r {a: *r}\n", "it nests deeper than 100 levels"),
    "depth of 3,000": ("deep: " + "{a: " * 3000 + "1" + "}" * 3000 + "\n", "it nests deeper than 100 levels"),
    "a Python object": (
        "x: !!python/object/apply:os.mkdir ['pwned']\n",
        "could not determine a constructor for the tag",
    ),
    "one key twice": ("train: {}\n", 'found duplicate key "train"'),
}


@pytest.mark.parametrize("file", ["params.yaml", "dvc.yaml"])
@pytest.mark.parametrize(("text", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_yaml_file_is_refused_by_name(tmp_path: Path, file: str, text: str, said: str) -> None:
    project = make_project(tmp_path)
    append(project, file, text if "train" not in text or file == "params.yaml" else "stages: {}\n")
    commit = project.commit()

    for revision in (None, commit):
        with pytest.raises(InvalidDvcFileError) as caught:
            take_snapshot(project.root, revision)
        assert caught.value.file == file
        assert said.replace('"train"', '"train"' if file == "params.yaml" else '"stages"') in caught.value.message
    assert not (project.root / "pwned").exists()


def test_aliases_within_bounds_mean_what_they_mean_in_dvc(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    append(project, "params.yaml", "base: &base {rate: 1}\nother: {<<: *base, more: *base}\n")

    for snapshot in both(project):
        assert snapshot.params == {
            **PARAMS,
            "params.yaml:base.rate": 1,
            "params.yaml:other.rate": 1,
            "params.yaml:other.more.rate": 1,
        }


def test_params_of_several_files_and_a_file_that_is_gone_are_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "params.yaml").unlink()
    project.write("more.toml", "[a]\nb = [1, 2]\n")
    append(project, "dvc.yaml", "params: [more.toml]\n")

    for snapshot in both(project):
        assert snapshot.params == {"more.toml:a.b": [1, 2]}
        assert snapshot.problems == ("params.yaml: it is not there",)
