"""No text becomes code in the serving part, whoever wrote it; a user's modules are imported, and that is all."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ci_core.serving

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(ci_core.serving.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))
RUNNERS = {"eval", "exec", "compile", "__import__"}
MODULES = {"code", "codeop", "dill", "joblib", "marshal", "pickle", "runpy", "shelve"}
MAKERS = {"CodeType", "unsafe_load", "full_load"}


def runs_text(source: str) -> Iterator[int]:
    """Yield the lines that name something which makes code, or objects, of text or bytes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            named = node.id in RUNNERS
        elif isinstance(node, ast.Attribute):
            named = node.attr in MAKERS | {"eval", "exec", "__import__", "__builtins__"}
        elif isinstance(node, ast.Import):
            named = any(one.name.partition(".")[0] in MODULES for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            named = (node.module or "").partition(".")[0] in MODULES or any(one.name in MAKERS for one in node.names)
        else:
            continue
        if named:
            yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_file_of_the_serving_part_makes_code_of_text(path: Path) -> None:
    assert list(runs_text(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "run = exec",
        "compile('1', 'f', 'eval')",
        "builtins.exec(text)",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "types.CodeType(0)",
        "yaml.unsafe_load(text)",
    ],
)
def test_what_would_make_code_of_text_is_seen(source: str) -> None:
    assert list(runs_text(f"x = 1\n{source}")) == [2]


@pytest.mark.parametrize("source", ["re.compile('a')", "graph.compile()", "import importlib"])
def test_patterns_plans_and_imports_are_no_text_that_is_run(source: str) -> None:
    assert list(runs_text(source)) == []
