from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.render import render_monitoring_terminal, render_terminal
from ci_core.reports.report import Commit, Gate, Graph, GraphEdge, GraphNode, MetricRow, Note, ParamRow, Report
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_edges import minimal_report, unchanged_report
from ci_core.testing.sample_monitoring import sample_monitoring
from ci_core.testing.sample_reports import sample_failed_report, sample_report

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports"


def columns(line: str) -> int:
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in line
    )


def test_report_is_as_reviewed() -> None:
    assert_golden(GOLDEN / "report.txt", render_terminal(sample_report(), width=100))


def test_failed_report_is_as_reviewed() -> None:
    assert_golden(GOLDEN / "report-failed.txt", render_terminal(sample_failed_report(), width=80))


def test_a_narrow_report_is_as_reviewed() -> None:
    assert_golden(GOLDEN / "report-narrow.txt", render_terminal(sample_report(), width=40))


def test_a_comparison_without_gates_and_plans_is_as_reviewed() -> None:
    assert_golden(GOLDEN / "comparison.txt", render_terminal(comparison(), width=80))


def comparison() -> Report:
    """Return what `graphship diff` has to say: no gate, no plan, no run."""
    left_out = {"gates", "plans", "pipeline", "annotations", "notes", "links", "run", "title", "verdict", "plots"}
    kept = {name: value for name, value in sample_report() if name not in left_out and name != "schema_version"}
    return Report(verdict="pass", **kept)


@pytest.mark.parametrize("make", [sample_report, sample_failed_report, comparison, unchanged_report, minimal_report])
def test_colours_add_nothing_but_colours(make: Callable[[], Report]) -> None:
    plain, coloured = render_terminal(make(), width=80), render_terminal(make(), width=80, with_colour=True)

    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]+m", "", coloured) == plain


def test_better_is_green_and_worse_is_red() -> None:
    text = render_terminal(sample_report(), with_colour=True)

    assert "\x1b[32m▲ +0.0219 better\x1b[0m" in text
    assert "\x1b[31m▲ +0.0007 worse\x1b[0m" in text


def test_wide_letters_take_two_columns_in_a_table() -> None:
    rows = (ParamRow(key="数据", old="a", new="b"), ParamRow(key="name", old="c", new="d"))
    report = Report(project="p", verdict="pass", head=Commit(id="a" * 40, label="x"), params=rows)

    lines = render_terminal(report).splitlines()

    assert "数据   a       b" in lines
    assert "name   c       d" in lines


def test_a_cell_that_is_too_long_goes_on_below_and_loses_nothing() -> None:
    gate = Gate(key="metrics.json:auc", state="fail", old=0.5, new=0.4, sentence="`auc` fell " + "by a lot " * 9 + "!")
    report = Report(project="p", verdict="fail", head=Commit(id="a" * 40, label="x"), gates=(gate,))

    text = render_terminal(report, width=60)

    assert "…" not in text
    assert " ".join(re.findall(r"\w+|!", text)).count("lot") == 9


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


def test_no_name_in_a_diagram_is_cut_to_nothing() -> None:
    name = "pipelines/churn/dvc.yaml:fit@… (4)"
    targets = [GraphNode(id=str(index), text=f"model/dvc.yaml:evaluate-{index}", kind="stage") for index in range(10)]
    graph = Graph(
        nodes=(GraphNode(id="fit", text=name, kind="stage", change="changed", is_stale=True), *targets),
        edges=tuple(GraphEdge(source="fit", target=target.id) for target in targets),
    )
    commit = Commit(id="a" * 40, label="x")

    shown = render_terminal(Report(project="p", verdict="pass", head=commit, pipeline_graph=graph), width=80)

    assert shown.splitlines()[5:10] == [
        "~ stage pipelines/churn/dvc.yaml:fit@… (4) (stale) → model/dvc.yaml:evaluate-0,",
        "    model/dvc.yaml:evaluate-1, model/dvc.yaml:evaluate-2,",
        "    model/dvc.yaml:evaluate-3, model/dvc.yaml:evaluate-4,",
        "    model/dvc.yaml:evaluate-5, model/dvc.yaml:evaluate-6,",
        "    model/dvc.yaml:evaluate-7 and 2 more",
    ]
