"""Whoever comes from MLRun finds every claim of the table shown by a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "coming-from-mlrun.md"


def test_every_row_names_a_test_that_exists_or_says_why_there_is_none() -> None:
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| (?!MLRun )", line)]

    named = [name for row in rows for name in re.findall(r"`(test_\w+)` \|$", row)]
    unexplained = [row for row in rows if row.endswith("| |") and "*" not in row and len(row.split("|")[2]) < 25]

    assert len(rows) > 80
    assert [name for name in named if name not in defined] == []
    assert unexplained == []
