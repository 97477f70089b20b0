from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.behaviour import tree
from ci_core.behaviour.tree import CommitTree
from ci_core.testing.projects import SampleProject, make_plain_repository, make_project, run_git
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.git import GitRepository

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

FILES = {
    "serving/graph.py": "graph = 1\n",
    "helpers.py": "X = 1\n",
    "notes.txt": "words\n",
    'with blank/ä"b.txt': "ü\n",
}


def tree_of(project: SampleProject, folder: Path, *, inner: str = "", commit: str | None = None) -> CommitTree:
    root = project.root / inner
    return CommitTree(GitRepository(root), DvcProject(root), CommitId(commit or project.head()), folder)


def written(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_the_files_of_a_commit_are_written_as_they_were(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, FILES)
    first = project.head()
    project.write("helpers.py", "X = 2\n")
    project.write("new.txt", "new")
    project.commit()
    project.write("helpers.py", "not committed")

    tree_of(project, tmp_path / "tree", commit=first).write("serving")

    assert written(tmp_path / "tree") == FILES
    assert (project.root / "helpers.py").read_text() == "not committed"


def test_neither_index_nor_list_of_work_trees_change(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, FILES)
    index = (project.root / ".git/index").read_bytes()

    tree_of(project, tmp_path / "tree").write("serving")

    assert (project.root / ".git/index").read_bytes() == index
    assert project.git("worktree", "list").count("\n") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "tree"]


def test_a_project_in_a_folder_is_written_alone_at_its_place(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"other/big.txt": "x", "team/model/serving/graph.py": "graph = 1\n"})

    found = tree_of(project, tmp_path / "tree", inner="team/model")
    found.write("serving")

    assert found.root == tmp_path / "tree/team/model"
    assert written(tmp_path / "tree") == {"team/model/serving/graph.py": "graph = 1\n"}
    assert found.names == {"serving/graph.py"}


def test_of_a_large_project_code_is_written_and_the_rest_when_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_FILES", 3)
    project = make_plain_repository(
        tmp_path, {**FILES, "models/m.onnx": "model", "data/d/1.csv": "1", "data/d/2.csv": "2"}
    )

    found = tree_of(project, tmp_path / "tree")
    found.write("serving")
    code = sorted(written(tmp_path / "tree"))
    found.bring(["models/m.onnx", "data/d", "absent.txt"])

    assert code == ["helpers.py", "serving/graph.py"]
    assert sorted(written(tmp_path / "tree")) == [
        "data/d/1.csv",
        "data/d/2.csv",
        "helpers.py",
        "models/m.onnx",
        "serving/graph.py",
    ]


def test_a_project_that_is_large_by_its_bytes_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MOST_BYTES", 20)
    project = make_plain_repository(tmp_path, {"graph.py": "graph = 1\n", "notes.txt": "words and words\n"})

    tree_of(project, tmp_path / "tree").write(".")

    assert written(tmp_path / "tree") == {"graph.py": "graph = 1\n"}


def test_submodules_stay_empty_and_links_stay_links(tmp_path: Path) -> None:
    inner = make_plain_repository(tmp_path / "inner", {"x.py": "X = 1\n"})
    project = make_plain_repository(tmp_path / "outer", FILES)
    project.git("submodule", "add", "-q", str(inner.root), "vendor")
    (project.root / "again.py").symlink_to("helpers.py")
    project.commit()

    tree_of(project, tmp_path / "tree").write("serving")

    assert not (tmp_path / "tree/vendor").exists()
    assert (tmp_path / "tree/again.py").readlink().name == "helpers.py"


def test_filters_of_git_are_applied_as_in_a_checkout(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {".gitattributes": "*.bin filter=upper\n", "a.bin": "small"})
    run_git(project.root, "config", "filter.upper.smudge", "tr a-z A-Z")

    tree_of(project, tmp_path / "tree").write(".")

    assert (tmp_path / "tree/a.bin").read_text() == "SMALL"


def test_what_dvc_keeps_is_brought_beside_what_git_keeps(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    found = tree_of(project, tmp_path / "tree")
    found.write("src")
    before = (tmp_path / "tree/models/model.json").exists()
    found.bring(["models/model.json", "data/prepared", "src/train.py", "absent.json"])

    assert not before
    assert (tmp_path / "tree/models/model.json").read_text() == (project.root / "models/model.json").read_text()
    assert (tmp_path / "tree/data/prepared/test.csv").is_file()


def test_a_project_without_dvc_brings_what_git_keeps(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, FILES)

    found = tree_of(project, tmp_path / "tree")
    found.bring(["notes.txt", "models/absent.onnx"])

    assert written(tmp_path / "tree") == {"notes.txt": "words\n"}
