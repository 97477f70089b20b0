"""Where the file is looked for, and which paths it may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.config.reader import find_project, read_settings
from ci_core.errors import NotAProjectError
from tests.unit.config.written_config import make, message

if TYPE_CHECKING:
    from pathlib import Path


def test_the_file_is_found_above_the_start(tmp_path: Path) -> None:
    make(tmp_path, "name: churn\n", "src/deep/file.py")

    assert find_project(tmp_path / "src" / "deep") == tmp_path


def test_a_path_with_blanks_and_unicode_is_a_path_like_another(tmp_path: Path) -> None:
    root = tmp_path / "mein Projekt – größe"
    make(root, "name: a\ngraph: src dir/größe.py:graph\n", "src dir/größe.py")

    assert read_settings(root, {}).graph == "src dir/größe.py:graph"


def test_a_file_above_the_top_of_the_git_work_tree_is_not_ours(tmp_path: Path) -> None:
    make(tmp_path, "name: other\n", "repo/.git/HEAD", "repo/src/file.py")

    with pytest.raises(NotAProjectError) as caught:
        find_project(tmp_path / "repo" / "src")

    assert caught.value.hint == "run `graphship init` in the top folder of your repository"


def test_a_nearly_right_file_name_is_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "graphship.yml").write_text("name: a\n")

    with pytest.raises(NotAProjectError) as caught:
        find_project(tmp_path)

    assert caught.value.hint == f"rename `{tmp_path}/graphship.yml` to `graphship.yaml`"


def test_at_the_top_of_a_monorepo_its_projects_are_named(tmp_path: Path) -> None:
    make(tmp_path, "name: churn\n", ".git/HEAD")
    (tmp_path / "graphship.yaml").unlink()
    make(tmp_path / "teams" / "churn", "name: churn\n")
    make(tmp_path / "teams" / "fraud", "name: fraud\n")
    make(tmp_path / ".cache" / "old", "name: old\n")
    make(tmp_path / "a" / "b" / "c" / "too-deep", "name: deep\n")

    with pytest.raises(NotAProjectError) as caught:
        find_project(tmp_path)

    assert caught.value.known == ("projects below: `teams/churn`, `teams/fraud`",)
    assert caught.value.hint == "go to the project's folder, or add `--project teams/churn`"


@pytest.mark.parametrize(
    ("pipeline", "path"),
    [
        ("stages: {prepare: {cmd: a, outs: [data/train.parquet]}}", "data/train.parquet"),
        ("stages: {prepare: {cmd: a, outs: [data]}}", "data/train.parquet"),
        ("stages: {prepare: {cmd: a, outs: [{data/train.parquet: {cache: false}}]}}", "data/train.parquet"),
        ("stages: {prepare: {cmd: a, wdir: data, outs: [train.parquet]}}", "data/train.parquet"),
        ("stages: {prepare: {foreach: [a], do: {cmd: a, outs: ['data/${item}.parquet']}}}", "data/a.parquet"),
    ],
)
def test_an_output_of_a_stage_may_be_absent_from_the_disk(tmp_path: Path, pipeline: str, path: str) -> None:
    make(tmp_path, f"name: a\nmonitor: {{reference: {path}}}\n")
    (tmp_path / "dvc.yaml").write_text(pipeline)

    settings = read_settings(tmp_path, {})

    assert settings.monitor is not None
    assert settings.monitor.reference == path


def test_a_file_in_a_folder_that_dvc_tracks_may_be_absent_from_the_disk(tmp_path: Path) -> None:
    make(tmp_path, "name: a\nmonitor: {reference: data/raw/train.parquet}\n", "data/raw.dvc")

    assert read_settings(tmp_path, {}).monitor is not None


def test_a_graph_file_that_is_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "project", "name: a\ngraph: g.py:graph\n")
    (tmp_path / "g.py").write_text("")
    (tmp_path / "project" / "g.py").symlink_to(tmp_path / "g.py")

    assert "graphship.yaml:2, graph: `g.py` is a link that leaves the project" in message(tmp_path / "project")


def test_a_table_that_is_a_link_into_a_shared_cache_is_accepted(tmp_path: Path) -> None:
    make(tmp_path / "project", "name: a\nmonitor: {reference: d.parquet}\n", "d.parquet.dvc")
    (tmp_path / "cached").write_text("")
    (tmp_path / "project" / "d.parquet").symlink_to(tmp_path / "cached")

    assert read_settings(tmp_path / "project", {}).monitor is not None


@pytest.mark.parametrize("path", ["x" * 300, "x/" * 2000, "a\\0b"])
def test_text_that_no_file_system_can_hold_is_no_path(tmp_path: Path, path: str) -> None:
    make(tmp_path, f'name: a\nsmoke: "{path}"\n')

    assert "cannot be a path" in message(tmp_path)
