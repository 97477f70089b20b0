"""Whoever carries the work on finds every file of the serving part on the page about architecture."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_file_and_folder_of_serving_is_named_and_no_other() -> None:
    section = PAGE.partition("### How a request runs")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)} - {"../lowering/"}
    folder = ROOT / "ci_core" / "serving"

    there = {f"{one.name}/" for one in folder.iterdir() if (one / "__init__.py").exists()}
    there |= {one.name for one in folder.glob("*.py")} - {"__init__.py"}

    assert named == there


def test_every_package_of_ours_is_in_the_layout() -> None:
    section = PAGE.partition("## Layout")[2].partition("\n### ")[0]
    named = set(re.findall(r"^\| `(\w+)/` \|", section, re.MULTILINE))

    there = {one.name for one in (ROOT / "ci_core").iterdir() if (one / "__init__.py").exists()}

    assert named == there
