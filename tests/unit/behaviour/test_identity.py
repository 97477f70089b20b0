from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.behaviour.identity import Files, are_identical
from ci_core.lock_files import LOCK_FILES

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "serving/graph.py": "graph = 1\n",
    "serving/words.txt": "words",
    "helpers.py": "X = 1\n",
    "requirements.txt": "numpy\n",
    "README.md": "read",
    "docs/plan.md": "plan",
}
MODELS = {"models/m.onnx": "model", "data/d/1.csv": "1"}


def side(root: Path, changes: dict[str, str | None] | None = None, *, graph: str = "serving/graph.py:graph") -> Files:
    """Write a project; a file that is changed to None is not there."""
    files = {path: text for path, text in {**FILES, **MODELS, **(changes or {})}.items() if text is not None}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    names = frozenset(path for path in files if path not in MODELS)
    return Files(root=root, graph=graph, names=names, needs=frozenset({"models/m.onnx", "data/d"}))


@pytest.mark.parametrize("path", ["README.md", "docs/plan.md", "new.md"])
def test_what_no_graph_reads_changes_nothing(tmp_path: Path, path: str) -> None:
    assert are_identical(side(tmp_path / "base"), side(tmp_path / "head", {path: "other"}))


@pytest.mark.parametrize(
    "path",
    [
        *(path for path in FILES if not path.endswith(".md")),
        *MODELS,
        "serving/new.txt",
        "src/new.py",
        "data/d/2.csv",
        *LOCK_FILES,
    ],
)
def test_whatever_the_graph_may_depend_on_makes_the_sides_differ(tmp_path: Path, path: str) -> None:
    changed = side(tmp_path / "head", {path: "other"})

    assert not are_identical(side(tmp_path / "base"), changed)
    assert not are_identical(changed, side(tmp_path / "base2"))


@pytest.mark.parametrize("path", ["serving/words.txt", "helpers.py", "models/m.onnx", "data/d/1.csv"])
def test_a_file_that_is_gone_makes_the_sides_differ(tmp_path: Path, path: str) -> None:
    assert not are_identical(side(tmp_path / "base"), side(tmp_path / "head", {path: None}))


def test_another_graph_makes_the_sides_differ(tmp_path: Path) -> None:
    assert not are_identical(side(tmp_path / "base"), side(tmp_path / "head", graph="serving/graph.py:other"))


def test_of_a_graph_in_the_top_folder_only_python_files_are_its_code(tmp_path: Path) -> None:
    base = side(tmp_path / "base", graph="graph.py:graph")

    assert are_identical(base, side(tmp_path / "a", {"serving/words.txt": "other"}, graph="graph.py:graph"))
    assert not are_identical(base, side(tmp_path / "b", {"helpers.py": "other"}, graph="graph.py:graph"))
