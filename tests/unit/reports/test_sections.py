"""What the sections of a report say, seen through the plainest rendering."""

from __future__ import annotations

from typing import Literal

import pytest

from ci_core.reports.behaviour_section import behaviour_sentence
from ci_core.reports.build import COMMENT, document
from ci_core.reports.data_section import is_notable
from ci_core.reports.document import Code, Line, Mark, Section, Strong, Table
from ci_core.reports.render import render_terminal
from ci_core.reports.report import (
    Annotation,
    AnswerChange,
    Behaviour,
    BehaviourSide,
    Change,
    ColumnRow,
    Commit,
    DataRow,
    EnvironmentRow,
    FieldChange,
    Gate,
    Graph,
    GraphNode,
    Interval,
    MetricRow,
    ParamRow,
    Place,
    Plan,
    Plot,
    Report,
    Run,
    TableContent,
    ValueChange,
)
from ci_core.reports.text import exact
from ci_core.testing.sample_edges import huge_report, minimal_report, unchanged_report, unreadable_base_report
from ci_core.testing.sample_reports import sample_report

LEVELS: tuple[tuple[str, Literal["warning", "error"]], ...] = (("a", "warning"), ("b", "error"), ("c", "warning"))
BASE = Commit(id="b" * 40, label="main")


def report_of(**parts: object) -> Report:
    return Report.model_validate(
        {"project": "p", "verdict": "pass", "base": BASE, "head": Commit(id="a" * 40, label="x"), **parts}
    )


def words(line: Line) -> str:
    return "".join(
        part if isinstance(part, str) else part.text for part in line if isinstance(part, str | Code | Strong | Mark)
    )


def lines(report: Report) -> list[str]:
    return render_terminal(report, width=200).splitlines()


def section(report: Report, slug: str) -> Section:
    found = [block for block in document(report, COMMENT).blocks if isinstance(block, Section) and block.slug == slug]
    return found[0]


P = FieldChange(place="p", kind="number", answers=1, median=0.25, largest=0.25)
NEW = FieldChange(place="q", kind="new", answers=4, values=(ValueChange(old="", new="true", answers=4),))


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (Behaviour(source="s", requests=200), "All 200 requests are answered as before."),
        (Behaviour(source="s", requests=1), "The 1 request is answered as before."),
        (
            Behaviour(source="s", requests=6, changed=4, added=2, added_changed=1, fields=(P,)),
            "3 of 4 requests (75 %) are answered otherwise, as is 1 of 2 that the change adds: p by up to 0.25.",
        ),
        (
            Behaviour(source="s", requests=6, changed=2, added=2, added_changed=2, fields=(P,)),
            "0 of 4 requests (0 %) are answered otherwise, as are 2 of 2 that the change adds: p by up to 0.25.",
        ),
        (
            Behaviour(source="s", requests=200, changed=1, fields=(P,)),
            "1 of 200 requests (0.5 %) is answered otherwise: p by up to 0.25.",
        ),
        (
            Behaviour(source="s", requests=4, changed=4, gained=1, fields=(NEW, P)),
            """4 of 4 requests (100 %) are answered otherwise: p by up to 0.25, and 1 new field
            (1 answer only gained fields).""",
        ),
        (
            Behaviour(source="s", requests=4, changed=4, gained=4, fields=(NEW,)),
            "4 of 4 requests (100 %) are answered otherwise: 1 new field and nothing else.",
        ),
        (
            Behaviour(
                source="s",
                requests=9,
                changed=9,
                fields=(
                    FieldChange(place="", kind="status", answers=2),
                    FieldChange(place="id", kind="gone", answers=1),
                    FieldChange(place="at", kind="gone", answers=1),
                    FieldChange(place="label", kind="other", answers=3),
                    P,
                    P,
                ),
                more_fields=4,
            ),
            """9 of 9 requests (100 %) are answered otherwise: 2 with another status, label in 3, p by up to 0.25,
            2 fields gone, and 5 other fields.""",
        ),
        (
            Behaviour(source="s", requests=4, changed=2, fields=(FieldChange(place="", kind="other", answers=2),)),
            "2 of 4 requests (50 %) are answered otherwise: the whole answer in 2.",
        ),
        (
            Behaviour(
                source="s",
                requests=4,
                base=BehaviourSide(failed=1),
                head=BehaviourSide(failed=3),
                latency_ratio=Interval(value=0.5, low=0.45, high=0.55),
                memory_ratio=1.3,
            ),
            """All 4 requests are answered as before; the head fails 2 requests more than the base;
            answering takes 0.5 × the time (95 %: 0.45 to 0.55), and 1.3 × the memory.""",
        ),
        (
            Behaviour(
                source="s", requests=4, latency_ratio=Interval(value=1.02, low=0.98, high=1.06), memory_ratio=1.01
            ),
            "All 4 requests are answered as before; answering takes as long as before (1.02 ×, 95 %: 0.98 to 1.06).",
        ),
        (
            Behaviour(source="s", requests=60, is_identical=True),
            "What answers the 60 recorded requests is as at the base: code, models and data files, so none was sent.",
        ),
        (
            Behaviour(source="s", problem="the base's graph cannot be loaded"),
            "The answers of base and head were not compared: the base's graph cannot be loaded",
        ),
    ],
)
def test_behaviour_is_one_sentence(behaviour: Behaviour, sentence: str) -> None:
    assert words(behaviour_sentence(behaviour)).split() == sentence.split()


def test_each_field_that_changed_has_a_line_above_the_largest_changes() -> None:
    label = FieldChange(
        place="rows[].label",
        kind="other",
        answers=3,
        values=(ValueChange(old='"a"', new='"b"', answers=2), ValueChange(old="number", new="null", answers=1)),
        more_values=4,
    )
    moved = FieldChange(place="p", kind="number", answers=4, median=0.012, largest=0.25, share=0.5)
    behaviour = Behaviour(
        source="s",
        requests=9,
        changed=4,
        fields=(NEW, label, moved),
        more_fields=6,
        largest=(AnswerChange(request="{}", where="p", size=0.25),),
    )

    told = [" ".join(line.split()) for line in lines(sample_report().model_copy(update={"behaviour": behaviour}))]

    start = told.index("field change answers by (median) by up to of base's range values")
    assert told[start + 1 : start + 7] == [
        "q new 4 4 × true",
        'rows[].label changed 3 2 × "a" → "b", 1 × number → null, …',
        "p changed 4 0.012 0.25 50 %",
        "… and 6 more",
        "",
        "request before after by where",
    ]


def test_places_that_differ_by_themselves_are_named() -> None:
    behaviour = Behaviour(source="s", requests=9, unsteady=4, unsteady_places=("", *"abcde"))

    told = lines(sample_report().model_copy(update={"behaviour": behaviour}))

    assert (
        "- 4 requests are answered otherwise by the base itself when it is asked again, and not compared there: the"
        " whole answer, a, b, c, d, …" in told
    )


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


def test_what_changed_is_counted_in_one_line() -> None:
    report = report_of(
        params=(ParamRow(key="a", old=1, new=2),),
        data=(DataRow(path="d", change="removed"), DataRow(path="e", change="same")),
        environment=(EnvironmentRow(name="onnx", new="1"),),
    )

    assert "  Changed: 1 param, 1 data file, environment (1)." in lines(report)


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
        ({"gates": (Gate(key="a", state="pass"), Gate(key="b", state="pass"))}, "✓ All 2 gates pass"),
        (
            {"gates": (Gate(key="a", state="fail"), Gate(key="b", state="pass")), "verdict": "fail"},
            "✗ 1 of 2 gates fails",
        ),
        ({"verdict": "fail"}, "✗ This can not be merged"),
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


def test_gates_that_all_pass_are_folded_and_others_stand_open() -> None:
    assert section(unchanged_report(), "gates").folded
    assert not section(sample_report(), "gates").folded


def test_a_line_that_explains_several_gates_stands_once() -> None:
    annotations = tuple(
        Annotation(where=Place(file="params.yaml", line=3), level=level, text=f"`trees` fell; gate `{gate}`", gate=gate)
        for gate, level in LEVELS
    )
    report = report_of(gates=(Gate(key="a", state="warn"),), verdict="warn", annotations=annotations)

    assert "- ✗ error params.yaml:3: trees fell; gate b (also a, c)" in lines(report)


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

    assert "uv.lock  abababababab  cdcdcdcdcdcd" in text
    assert "added    x        –             1.2" in text


def test_a_plan_that_changes_nothing_is_one_sentence() -> None:
    report = report_of(plans=(Plan(environment="staging", action="none", release="8c1f" * 16),))

    text = render_terminal(report, width=200)

    assert "Merging changes nothing in staging: release 8c1f8c1f8c1f is live already." in text
    assert "What merging deploys" not in text


def test_metrics_of_one_name_are_told_apart_by_their_files_on_the_first_screen() -> None:
    rows = [
        MetricRow(key=f"{name}:mae", old=2.0, new=1.0, difference=-1.0, direction="better")
        for name in ("north.json", "south.json")
    ]

    (heading,) = [line for line in lines(report_of(metrics=rows)) if "→" in line and "," in line]

    assert heading.strip() == "north.json:mae 2.000 → 1.000 (better), south.json:mae 2.000 → 1.000 (better)"


MIXED: tuple[Change, ...] = ("same", "changed")


def plots_of(*changes: Change | None) -> tuple[Plot, ...]:
    return tuple(Plot(name=f"plot {index}", kind="line", change=change) for index, change in enumerate(changes))


def test_changed_plots_are_told_on_the_first_screen() -> None:
    shown = lines(report_of(plots=plots_of("changed", "changed", "removed", "same")))

    assert "· 3 plots changed" in shown
    assert "  Changed: 3 plots." in shown
    assert "Plots (4 plots, 2 changed, 1 removed)" in shown


def test_plots_as_at_the_base_change_no_title() -> None:
    assert "· No metrics" in lines(report_of(plots=plots_of("same", None)))


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
