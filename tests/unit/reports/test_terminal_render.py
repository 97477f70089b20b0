from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.render import render_monitoring_terminal, render_terminal
from ci_core.reports.report import Commit, MetricRow, Note, Report
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_reports import sample_failed_report, sample_monitoring, sample_report

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports"


def columns(line: str) -> int:
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in line
    )


def test_report_is_as_reviewed() -> None:
    assert_golden(GOLDEN / "report.txt", render_terminal(sample_report(), width=100))


def test_failed_report_is_as_reviewed() -> None:
    assert_golden(GOLDEN / "report-failed.txt", render_terminal(sample_failed_report(), width=80))


def test_monitoring_is_as_reviewed() -> None:
    assert_golden(GOLDEN / "monitoring.txt", render_monitoring_terminal(sample_monitoring(), width=100))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("make", [sample_report, sample_failed_report])
def test_no_line_is_wider_than_the_terminal(width: int, make: object) -> None:
    text = render_terminal(make(), width=width)  # type: ignore[operator]  # one of the makers

    assert max(columns(line) for line in text.splitlines()) <= width


@given(st.text(max_size=300), st.integers(min_value=40, max_value=120))
def test_names_of_a_stranger_cannot_drive_the_terminal(name: str, width: int) -> None:
    report = Report(
        project="p",
        verdict="pass",
        head=Commit(id="a" * 40, label=name),
        metrics=(MetricRow(key=name, old=name, new=1.5), MetricRow(key="数据" * 60, new=1)),
        notes=(Note(text=name),),
    )

    text = render_terminal(report, width=width)

    assert all(letter == "\n" or unicodedata.category(letter) not in {"Cc", "Cf"} for letter in text)
    assert max(columns(line) for line in text.splitlines()) <= width
