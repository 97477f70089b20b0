"""What the first screen of a report says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci_core.reports.build import COMMENT, PAGE, document
from ci_core.reports.document import Code, Tiles
from ci_core.reports.render import render_terminal
from ci_core.reports.report import (
    DataRow,
    EnvironmentRow,
    Gate,
    MetricRow,
    ParamRow,
    Run,
)
from ci_core.testing.sample_edges import unchanged_report, unreadable_base_report
from tests.unit.reports.shown import lines, plots_of, report_of

if TYPE_CHECKING:
    from ci_core.reports.report import GateState, Report


def test_what_changed_is_counted_in_one_line() -> None:
    report = report_of(
        params=(ParamRow(key="a", old=1, new=2),),
        data=(DataRow(path="d", change="removed"), DataRow(path="e", change="same")),
        environment=(EnvironmentRow(name="onnx", new="1"),),
    )

    assert "  Changed: 1 param, 1 data file, 1 part of the environment." in lines(report)


def test_without_a_base_nothing_is_said_to_be_as_before() -> None:
    text = render_terminal(unreadable_base_report(), width=200)

    assert "as at the base" not in text
    assert "unchanged" not in text
    assert "WARN: the base could not be read: there is no commit origin/main in this shallow clone of depth 1" in text


def test_without_a_base_no_metric_is_new() -> None:
    (tile,) = [
        tile for block in document(unreadable_base_report(), COMMENT).blocks for tile in getattr(block, "tiles", ())
    ]

    assert (tile.value, tile.change, tile.before) == ("0.7412", "", "")


def test_nothing_changed_is_said() -> None:
    assert "  What DVC tracks (params, data, models, stages) and the environment are as at the base." in lines(
        unchanged_report()
    )


@pytest.mark.parametrize(
    ("parts", "title"),
    [
        ({"gates": (Gate(key="a", state="pass"),)}, "✓ The gate passes"),
        ({"gates": (Gate(key="a", state="pass"), Gate(key="b", state="pass"))}, "✓ Both gates pass"),
        (
            {"gates": (Gate(key="a", state="fail"), Gate(key="b", state="pass")), "verdict": "fail"},
            "✗ 1 of 2 gates fails",
        ),
        ({"verdict": "fail"}, "✗ This cannot be merged"),
        ({}, "· No metrics"),
        ({"metrics": (MetricRow(key="m", old=1, new=1, difference=0),)}, "· No metric changed"),
        ({"metrics": (MetricRow(key="m", old=1, new=2, difference=1),)}, "· Metrics changed"),
        (
            {"metrics": (MetricRow(key="m", old=1, new=2, difference=1, direction="better"),)},
            "· 1 metric better",
        ),
        ({"run": Run(event="change-request")}, "· No metrics; no gate is set"),
        ({"base": None}, "· Nothing to compare with"),
        (
            {"base": None, "gates": (Gate(key="a", state="pass"),)},
            "✓ The gate passes; there was nothing to compare with",
        ),
    ],
)
def test_the_heading_says_whether_it_may_merge(parts: dict[str, object], title: str) -> None:
    assert lines(report_of(**parts))[1] == title


def test_metrics_of_one_name_are_told_apart_by_their_files_on_the_first_screen() -> None:
    rows = [
        MetricRow(key=f"{name}:mae", old=2.0, new=1.0, difference=-1.0, direction="better")
        for name in ("north.json", "south.json")
    ]

    (heading,) = [line for line in lines(report_of(metrics=rows)) if "→" in line and "," in line]

    assert heading.strip() == "north.json:mae 2.000 → 1.000 (better), south.json:mae 2.000 → 1.000 (better)"


def metric(key: str, **more: Any) -> MetricRow:
    return MetricRow(**{"key": key, "old": 2.0, "new": 1.0, "difference": -1.0, "direction": "better", **more})


def first_metrics(report: Report) -> list[str]:
    """Return the names of the metrics in the heading."""
    return [piece.text for piece in document(report, COMMENT).banner.lines[0] if isinstance(piece, Code)]


def test_scores_of_other_files_than_the_gated_ones_are_not_on_the_first_screen() -> None:
    rows = [metric(f"{name}.json:mae") for name in ("east", "north", "total", "west")]

    report = report_of(metrics=(*rows, metric("total.json:rmse")), gates=(Gate(key="total.json:mae", state="pass"),))

    assert first_metrics(report) == ["total.json:mae", "rmse"]
    (tiles,) = [block.tiles for block in document(report, PAGE).blocks if isinstance(block, Tiles)]
    assert [tile.label for tile in tiles] == ["total.json:mae", "rmse"]


def test_a_gate_on_no_metric_leaves_the_first_screen_to_all_of_them() -> None:
    rows = [metric(f"{name}.json:mae") for name in ("east", "north")]

    report = report_of(metrics=rows, gates=(Gate(key="secrets", state="pass"),))

    assert first_metrics(report) == ["east.json:mae", "north.json:mae"]


def test_the_metrics_of_the_worst_gates_come_first() -> None:
    states: dict[str, GateState] = {"a": "pass", "b": "warn", "c": "pass", "d": "fail"}

    report = report_of(
        metrics=[metric(f"m.json:{name}") for name in states],
        gates=[Gate(key=f"m.json:{name}", state=state) for name, state in states.items()],
        verdict="fail",
    )

    assert first_metrics(report) == ["d", "b", "a"]


def test_changed_plots_are_told_on_the_first_screen() -> None:
    shown = lines(report_of(plots=plots_of("changed", "changed", "removed", "same")))

    assert "· 3 plots changed" in shown
    assert "  Changed: 3 plots." in shown
    assert "Plots (4 plots, 2 changed, 1 removed)" in shown


def test_plots_as_at_the_base_change_no_title() -> None:
    assert "· No metrics" in lines(report_of(plots=plots_of("same", None)))
