"""What the sections of a report say, seen through the plainest rendering."""

from __future__ import annotations

from typing import Literal

import pytest

from ci_core.reports.build import COMMENT, document
from ci_core.reports.data_section import is_notable
from ci_core.reports.document import Section, Table
from ci_core.reports.render import render_markdown, render_terminal
from ci_core.reports.report import (
    Annotation,
    Change,
    ColumnRow,
    Commit,
    DataRow,
    EnvironmentRow,
    Gate,
    Graph,
    GraphNode,
    MetricRow,
    Place,
    Plan,
    Plot,
    Report,
    TableContent,
)
from ci_core.reports.text import exact
from ci_core.testing.sample_edges import huge_report, minimal_report, unchanged_report
from ci_core.testing.sample_reports import sample_report
from tests.unit.reports.shown import lines, plots_of, report_of, words

LEVELS: tuple[tuple[str, Literal["warning", "error"]], ...] = (("a", "warning"), ("b", "error"), ("c", "warning"))


def section(report: Report, slug: str) -> Section:
    found = [block for block in document(report, COMMENT).blocks if isinstance(block, Section) and block.slug == slug]
    return found[0]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (ColumnRow(name="c", change="same", distance=0.01, has_drifted=False), False),
        (ColumnRow(name="c", change="same", distance=0.4, has_drifted=True), True),
        (ColumnRow(name="c", change="added"), True),
        (ColumnRow(name="c", change="same", old_missing=0.0, new_missing=0.02, has_drifted=False), True),
        (ColumnRow(name="c", change="same", old_missing=0.2, new_missing=0.205, has_drifted=False), False),
        (ColumnRow(name="c", change="same", distance=0.2), True),
        (ColumnRow(name="c", change="same", note="an identifier, not compared"), False),
        (ColumnRow(name="c", change="same", distance=0.02, has_drifted=False, note="new value: `x`"), True),
    ],
)
def test_columns_without_news_are_counted_and_not_listed(column: ColumnRow, expected: bool) -> None:
    assert is_notable(column) is expected


def test_what_holds_for_columns_of_several_tables_is_said_once() -> None:
    named, dated = "an identifier, not compared", "`2024-01-01` to `2024-03-01`"
    columns = (ColumnRow(name="id", change="same", note=named), ColumnRow(name="key", change="same", note=named))
    tables = (
        TableContent(path="a.csv", old_rows=900, new_rows=900, columns=columns),
        TableContent(path="b.csv", old_rows=900, new_rows=900, columns=columns),
        TableContent(path="c.csv", columns=(ColumnRow(name="day", change="same", note=dated),)),
    )

    told = lines(report_of(tables=tables))

    assert told[told.index("Columns without a distance:") :][:3] == [
        "Columns without a distance:",
        "- id, key in a.csv, b.csv: an identifier, not compared",
        "- day in c.csv: 2024-01-01 to 2024-03-01",
    ]


def test_what_holds_for_a_whole_table_stands_above_its_columns() -> None:
    column = ColumnRow(name="x", change="same", distance=0.2)
    note = "fewer than 500 rows, so drift is not judged"
    content = TableContent(path="t", old_rows=9, new_rows=9, columns=(column,), note=note)

    assert f"t: 9 rows as before; schema as before; {note}." in lines(report_of(tables=(content,)))


def test_drifted_columns_come_after_the_schema_and_the_farthest_first() -> None:
    columns = (
        ColumnRow(name="near", change="same", distance=0.2, has_drifted=True),
        ColumnRow(name="even", change="same", distance=0.0, has_drifted=False),
        ColumnRow(name="far", change="same", distance=0.6, has_drifted=True),
        ColumnRow(name="new", change="added"),
    )
    data = section(report_of(tables=(TableContent(path="t", old_rows=9, new_rows=9, columns=columns),)), "data")

    (shown,) = [block for block in data.blocks if isinstance(block, Table)]

    assert [words(row[0]) for row in shown.rows] == ["new", "far", "near"]
    assert data.hint == "unchanged · 1 table drifted"


def test_rows_that_were_counted_inside_a_table_stand_beside_its_file() -> None:
    report = report_of(
        data=(DataRow(path="t.csv", change="changed", old_bytes=10, new_bytes=20),),
        tables=(TableContent(path="t.csv", old_rows=1, new_rows=12_000),),
    )

    assert "changed  t.csv  1 row, 10 B  12,000 rows, 20 B  +11,999 rows, +10 B" in [
        line.replace("\N{NO-BREAK SPACE}", " ") for line in lines(report)
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(5, "5"), ("5", '"5"'), (True, "true"), ("true", '"true"'), (None, "null"), ("null", '"null"'), ("", '""')],
)
def test_a_param_is_shown_with_its_type(value: object, shown: str) -> None:
    assert exact(value) == shown  # type: ignore[arg-type]  # one of the scalars above


@pytest.mark.parametrize("value", ["text", "1.2.3", "1e", "2013-06-15", "5 trees", "[1, 2]", "nullable"])
def test_text_that_is_text_has_no_quotes(value: str) -> None:
    assert exact(value) == value


def test_gates_that_all_pass_are_folded_and_others_stand_open() -> None:
    assert section(unchanged_report(), "gates").folded
    assert not section(sample_report(), "gates").folded


def test_a_line_that_explains_several_gates_stands_once() -> None:
    annotations = tuple(
        Annotation(
            where=Place(file="params.yaml", line=3),
            level=level,
            text=f"`trees` fell; the gate on `{gate}` {'failed' if level == 'error' else 'warns'}",
            gate=gate,
        )
        for gate, level in LEVELS
    )
    report = report_of(gates=(Gate(key="a", state="warn"),), verdict="warn", annotations=annotations)

    told = lines(report)

    assert told[told.index("What to look at in this change for b, a, c:") + 1] == "- params.yaml:3: trees fell"


def test_lines_that_explain_other_gates_are_parted() -> None:
    annotations = tuple(
        Annotation(
            where=Place(file=file, line=line), level="error", text=f"{what}; the gate on `{gate}` failed", gate=gate
        )
        for file, line, what, gate in (
            ("params.yaml", 3, "`trees` fell", "auc"),
            ("run.sh", 7, "this line looks like a token", "secrets"),
            ("params.yaml", 9, "`rate` rose", "auc"),
        )
    )
    report = report_of(gates=(Gate(key="auc", state="fail"),), verdict="fail", annotations=annotations)

    told = lines(report)

    start = told.index("What to look at in this change for auc:")
    assert [line for line in told[start : start + 7] if line] == [
        "What to look at in this change for auc:",
        "- params.yaml:3: trees fell",
        "- params.yaml:9: rate rose",
        "What to look at in this change for secrets:",
        "- run.sh:7: this line looks like a token",
    ]


def test_a_gate_that_the_change_edits_is_told_without_its_sentence_again() -> None:
    said = "`auc` is 0.5, less than the 0.6 it must be"
    where = Place(file="graphship.yaml", line=4)
    annotation = Annotation(where=where, level="error", text=f"the gate on `auc` failed: {said}", gate="auc")
    gate = Gate(key="auc", state="fail", new=0.5, sentence=said)

    told = lines(report_of(gates=(gate,), verdict="fail", annotations=(annotation,)))

    assert "- graphship.yaml:4: the gate is changed here" in told
    assert "✗ fail  auc   0.5000  is 0.5, less than the 0.6 it must be" in told


def test_metrics_are_folded_when_there_are_many_or_none_moved() -> None:
    assert not section(sample_report(), "metrics").folded
    assert not section(minimal_report(), "metrics").folded
    assert section(unchanged_report(), "metrics").folded
    assert section(huge_report(50), "metrics").folded


def test_a_param_that_is_declared_as_a_metric_is_not_celebrated() -> None:
    report = report_of(metrics=(MetricRow(key="trees", old=1, new=2, difference=1, note="it is a param"),))

    assert "trees        1      2  ▲ +1, it is a param" in lines(report)


def test_digests_are_short_and_versions_are_whole() -> None:
    rows = (
        EnvironmentRow(name="uv.lock", old="sha256:" + "ab" * 32, new="cd" * 20),
        EnvironmentRow(name="x", new="1.2"),
    )

    text = render_terminal(report_of(environment=rows), width=200)

    assert "uv.lock  sha256:abababab  cdcdcdcd" in text
    assert "added    x        –                1.2" in text


def test_a_plan_that_changes_nothing_is_one_sentence() -> None:
    report = report_of(plans=(Plan(environment="staging", action="none", release="8c1f" * 16),))

    text = render_terminal(report, width=200)

    assert "Merging changes nothing in staging: release 8c1f8c1f8c1f is live already." in text
    assert "What merging deploys" not in text


MIXED: tuple[Change, ...] = ("same", "changed")


def test_of_many_plots_those_without_one_side_come_first_and_unchanged_ones_last() -> None:
    shown = lines(report_of(plots=plots_of(*MIXED * 5, "added", "removed", None)))

    named = [line for line in shown if line.startswith("plot ")]
    assert named == ["plot 11", "plot 10", "plot 12", "plot 1", "plot 3", "plot 5", "plot 7", "plot 9"]
    assert "… and 5 plots more in the data of this report" in shown


def test_plots_with_nothing_to_draw_are_counted() -> None:
    gone = Plot(name="gone.csv", kind="line", problems=("base: it is not there", "head: it is not there"))

    assert "Plots (2 plots, 1 changed, 1 with nothing to draw)" in lines(report_of(plots=(gone, *plots_of("changed"))))


def test_plots_that_are_not_shown_are_counted_by_what_happened_to_them() -> None:
    shown = lines(report_of(plots=plots_of(*MIXED[1:] * 10)))

    assert "… and 2 plots more in the data of this report: 2 changed" in shown


def drawn(count: int, *, hidden: int = 0) -> Graph:
    nodes = (GraphNode(id=str(index), text=f"s{index}", kind="stage", change="changed") for index in range(count))
    return Graph(name="pipeline", nodes=tuple(nodes), hidden=hidden)


def test_stale_stages_are_counted_whether_they_are_drawn_or_not() -> None:
    report = report_of(pipeline_graph=drawn(3, hidden=147), stale=150)

    assert section(report, "pipeline").hint == "at least 3 nodes changed, 150 stale"


def test_changed_boxes_are_counted_exactly_when_only_unchanged_ones_are_left_out() -> None:
    nodes = (*drawn(3).nodes, GraphNode(id="same", text="same", kind="stage"))
    report = report_of(pipeline_graph=Graph(nodes=nodes, hidden=9))

    assert section(report, "pipeline").hint == "3 nodes changed"


def test_texts_that_did_not_change_are_counted_below_the_metrics() -> None:
    rows = (MetricRow(key="m.json:auc", old=0.5, new=0.75, difference=0.25, direction="better"),)
    metrics = section(report_of(metrics=rows, unchanged_texts=9500, more_texts=40), "metrics")
    table = metrics.blocks[0]

    assert metrics.hint == "1 better, 40 changed otherwise, 9500 unchanged"
    assert isinstance(table, Table)
    assert table.hidden == 40
    assert "9500 metrics that are text are as at the base" in lines(report_of(metrics=rows, unchanged_texts=9500))


def test_metrics_that_are_all_unchanged_texts_are_metrics() -> None:
    shown = lines(report_of(unchanged_texts=1))

    assert "· No metric changed" in shown
    assert "1 metric that is text is as at the base" in shown


def test_commits_are_linked_on_pages_and_named_on_a_terminal() -> None:
    url = "https://host.example/commit/5d1c7e0b9a3f"
    report = report_of(head=Commit(id="5d1c7e0b9a3f" + "0" * 28, label="x", url=url))

    assert url in render_markdown(report)
    assert "graphship: head 5d1c7e0b9a3f" in render_terminal(report, width=200)
    assert url not in render_terminal(report, width=200)
