"""Whoever comes from MLRun finds every claim of the table shown by tests that exist, or reads why there are none."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "coming-from-mlrun.md"
CODE = re.compile(r"`[^`]*`")
TESTS = re.compile(r"`(test_\w+)`(?:, `(test_\w+)`)*")
REASON = re.compile(r"\*[a-z ]+\*: \S.{10,}")
"""Words set off, a colon and a sentence: `*not here*: a request ends`."""


def rows(text: str) -> list[tuple[str, str, str]]:
    """Return the three cells of every row; a bar in code is none between cells."""
    found = []
    for line in text.splitlines():
        if not line.startswith("| ") or line.startswith("| MLRun |"):
            continue
        hidden = CODE.sub(lambda code: code[0].replace("|", "\0"), line)
        cells = [cell.strip().replace("\0", "|") for cell in hidden.removeprefix("|").removesuffix("|").split("|")]
        assert len(cells) == 3, line
        found.append((cells[0], cells[1], cells[2]))
    return found


def fault(spelling: str, shown_by: str, defined: set[str]) -> str | None:
    """Return what is wrong with the second and third cell of a row; None when nothing is."""
    if not shown_by:
        return None if REASON.search(CODE.sub("code", spelling)) else "neither a test nor a reason"
    if not TESTS.fullmatch(shown_by):
        return "more than names of tests"
    unknown = [name for name in re.findall(r"test_\w+", shown_by) if name not in defined]
    return f"no such test: {', '.join(unknown)}" if unknown else None


def test_every_row_names_tests_that_exist_or_says_why_there_is_none() -> None:
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    table = rows(PAGE.read_text(encoding="utf-8"))

    faults = {mlrun: fault(spelling, shown_by, defined) for mlrun, spelling, shown_by in table}

    assert len(table) > 110
    assert {mlrun: told for mlrun, told in faults.items() if told is not None} == {}


@pytest.mark.parametrize(
    ("spelling", "shown_by", "told"),
    [
        ("a sentence that is long enough to be a reason, but is not set off", "", "neither a test nor a reason"),
        ('`steps.Impute(**{"*": 0}, more, **{"*": 1})`: and a sentence', "", "neither a test nor a reason"),
        ("*not yet*", "", "neither a test nor a reason"),
        ("*not here*: a request ends", "", None),
        ("*not here*: a request ends", "`test_b`", "no such test: test_b"),
        ("the same", "`test_b`, `test_a`", "no such test: test_b"),
        ("the same", "`test_a`, see below", "more than names of tests"),
        ("the same", "`test_a`, `test_c`", None),
    ],
)
def test_the_check_of_the_rows_is_strict(spelling: str, shown_by: str, told: str | None) -> None:
    assert fault(spelling, shown_by, {"test_a", "test_c"}) == told
