"""The examples in docstrings are run: what reference pages show is what comes out."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in sorted((ROOT / "ci_core").rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8") and "project" not in file.relative_to(ROOT).parts
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_give_what_they_show(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(name)

    outcome = doctest.testmod(module)

    assert outcome.attempted > 0
    assert outcome.failed == 0, capsys.readouterr().out
