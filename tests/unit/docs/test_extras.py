"""Whoever installs what a page says gets it: pip only warns of an extra that does not exist, and goes on without it."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def extras_in(text: str) -> set[str]:
    """Return the extras that a text names: of `graphship[ci,serve]` and `.[demo]`, and of `[onnx]` alone."""
    lists = re.findall(r"(?:graphship|\.)\[([\w,-]+)\]|(?<=[ `])\[([a-z]+(?:,[a-z]+)*)\](?=[`, \n])(?!\()", text)
    return {extra for named in lists for one in named for extra in one.split(",") if extra}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_extras_that_a_page_names_exist(page: Path) -> None:
    assert extras_in(page.read_text("utf-8")) <= EXTRAS


def test_extras_are_found_where_pages_name_them() -> None:
    assert extras_in("pip install '../graphship[ci,serve]' pytest, or `[xgboost]`; see [this](page.md)") == {
        "ci",
        "serve",
        "xgboost",
    }
