"""Every environment variable that describes a run or its surroundings has its place in the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_variable_of_a_plain_shell_is_on_the_page_about_running_anywhere() -> None:
    page = (ROOT / "docs" / "reference" / "ci.md").read_text(encoding="utf-8")
    files = [*(ROOT / "ci_core" / "ci").glob("plain*.py"), ROOT / "ci_core" / "cli" / "_adapters.py"]
    read = {name for file in files for name in re.findall(r'"((?:GRAPHSHIP|CI|XDG)_[A-Z_]+)"', file.read_text("utf-8"))}

    assert {"GRAPHSHIP_EVENT", "CI_RUN_URL", "GRAPHSHIP_SUMMARY", "GRAPHSHIP_STATE_DIR"} <= read
    assert {name for name in read if f"`{name}`" not in page} == set()


def test_every_output_of_a_run_is_on_that_page() -> None:
    page = (ROOT / "docs" / "reference" / "ci.md").read_text(encoding="utf-8")
    files = (ROOT / "ci_core").rglob("*.py")
    outputs = {name for file in files for name in re.findall(r'console\.output\("([a-z-]+)"', file.read_text("utf-8"))}

    assert "release-id" in outputs
    assert {name for name in outputs if f"`{name}`" not in page} == set()
