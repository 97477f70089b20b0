from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ci_core.reports.deployments import DeploymentsReport
from ci_core.reports.markdown import length
from ci_core.reports.monitoring import MonitoringReport
from ci_core.reports.render import render_deployments_markdown, render_issue, render_markdown
from ci_core.reports.report import (
    Commit,
    DataRow,
    EnvironmentRow,
    Gate,
    Graph,
    GraphEdge,
    GraphNode,
    Link,
    MetricRow,
    ModelRow,
    Note,
    ParamRow,
    Pipeline,
    Plan,
    Plot,
    Report,
    Series,
    Stage,
    StageFailure,
    StepChange,
)
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_reports import sample_deployments, sample_failed_report, sample_monitoring, sample_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports"
OURS = re.compile(r"<details>\n<summary><b>[A-Z][a-z ]+</b>[^\n]*</summary>\n?|</details>\n?")
ACTIVE = re.compile(r"[@#<>|\[\]*~$^{}]|://|www\.|(?<!\d):\w+:|GH-\d|(?:^|\s)[!%&/]\w")
ATTACKS = [
    "|",
    "\n",
    "<!-- graphship:v1 key=0 -->",
    "@team",
    "#123",
    "!7",
    "/close",
    "<img src=x onerror=alert(1)>",
    "</details>",
    "```",
    "`",
    "\u202e",
    "![x](http://tracker.example/p.png)",
    "[x](javascript:alert(1))",
    "https://tracker.example",
    "www.tracker.example",
    "\\",
    "\U0001f600",
    "\r\n\r\n",
]
hostile = st.lists(st.sampled_from(ATTACKS) | st.text(max_size=4), max_size=5).map("".join)
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def tokens(markdown: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(markdown):
        yield token
        yield from token.children or ()


def hostile_report(name: str) -> Report:
    """Return a report in which everything that a user can name has this name."""
    commit = Commit(id=name or "0", label=name)
    stage = Stage(name=name, state="failed", reason=name)
    return Report(
        project=name,
        title=name,
        verdict="fail",
        base=commit,
        head=commit,
        gates=(Gate(key=name, state="fail", old=name, new=name, limit=name, sentence=name),),
        metrics=(MetricRow(key=name, old=name, new=name),),
        params=(ParamRow(key=name, old=name, new=name),),
        data=(DataRow(path=name, old_path=name, change="renamed", detail=name),),
        models=(ModelRow(path=name, change="changed", old_digest=name, new_digest=name),),
        environment=(EnvironmentRow(name=name, old=name, new=name),),
        pipeline=Pipeline(
            stages=(stage,), note=name, failure=StageFailure(stage=name, command=name, exit_code=1, tail=name)
        ),
        graph=Graph(
            name=name,
            nodes=(GraphNode(id="a", text=name, detail=name), GraphNode(id="b", text=name)),
            edges=(GraphEdge(source="a", target="b", text=name),),
        ),
        plans=(
            Plan(
                environment=name,
                target=name,
                action="refused",
                release=name,
                steps=(StepChange(step=name, change="added", detail=name),),
                models=(name,),
                notes=(name,),
            ),
        ),
        plots=(
            Plot(name=name, kind="line", x_label=name, series=(Series(side="head", label=name, x=(0, 1), y=(0, 1)),)),
        ),
        notes=(Note(text=name), Note(kind="warning", text=name)),
        links=(Link(text=name, url=f"javascript:{name}"), Link(text=name, url="https://ci.example/run")),
    )


def assert_harmless(markdown: str) -> None:
    """Assert that the page holds our own structure only."""
    found = list(tokens(markdown))
    text = [token.content for token in found if token.type == "text" and ACTIVE.search(token.content)]
    html = [token.content for token in found if token.type in {"html_block", "html_inline"}]
    links = [str(token.attrs["href"]) for token in found if token.type == "link_open"]
    assert text == []
    assert [block for block in html if not OURS.fullmatch(block)] == []
    assert not any(token.type == "image" for token in found)
    assert set(links) <= {"https://ci.example/run"}
    assert "<!--" not in markdown
    assert_details_are_closed(html)
    assert_tables_are_whole(found)


def assert_details_are_closed(html: list[str]) -> None:
    open_now = 0
    for block in html:
        open_now += 1 if block.startswith("<details>") else -1
        assert open_now in {0, 1, 2}
    assert open_now == 0


def assert_tables_are_whole(found: list[Token]) -> None:
    columns = cells = 0
    for token in found:
        if token.type == "table_open":
            columns = 0
        elif token.type == "th_open":
            columns += 1
        elif token.type == "tr_open":
            cells = 0
        elif token.type == "td_open":
            cells += 1
        elif token.type == "tr_close" and cells:
            assert cells == columns


@quick
@given(hostile)
@example("<!-- graphship:v1 key=0 -->\n@team #123 | `x` </details> ![x](http://tracker.example/p.png) \u202e ```")
def test_names_of_a_stranger_do_nothing_in_a_report(name: str) -> None:
    assert_harmless(render_markdown(hostile_report(name)))


@quick
@given(hostile)
def test_names_of_a_stranger_do_nothing_in_an_issue(name: str) -> None:
    sample = sample_monitoring()
    columns = tuple(
        column.model_copy(update={"name": name, "quality": (name,), "window_summary": name})
        for column in sample.columns
    )
    report = MonitoringReport.model_validate(
        {
            **sample.model_dump(),
            "project": name,
            "environment": name,
            "reasons": (name,),
            "columns": columns,
            "next_steps": (name,),
            "links": (),
        }
    )

    assert_harmless(render_issue(report))


@quick
@given(hostile)
def test_names_of_a_stranger_do_nothing_in_the_deployment_history(name: str) -> None:
    row = sample_deployments().rows[0]
    update = {"environment": name, "release": name, "commit": name, "reason": name, "who": name, "url": f"data:{name}"}
    report = DeploymentsReport(project=name, rows=(row.model_copy(update=update),))

    assert_harmless(render_deployments_markdown(report))


def large_report(rows: int) -> Report:
    name = "params.yaml:a|`b`.😀." + "n" * 80
    return sample_report().model_copy(
        update={
            "params": tuple(ParamRow(key=f"{name}{index}", old=index, new="v" * 60) for index in range(rows)),
            "metrics": tuple(MetricRow(key=f"m{index}", old=1.0, new=2.0, difference=1.0) for index in range(rows)),
            "notes": tuple(Note(text=f"note {index} " + "word " * 90) for index in range(rows)),
        }
    )


@pytest.mark.parametrize("limit", [2_000, 2_001, 2_500, 3_333, 5_000, 8_192, 16_000, 20_000, 65_536])
@pytest.mark.parametrize("make", [lambda: large_report(300), sample_failed_report, sample_report])
def test_a_cut_page_fits_and_is_whole(limit: int, make: object) -> None:
    markdown = render_markdown(make(), limit)  # type: ignore[operator]  # one of the makers above

    assert length(markdown) <= limit
    found = list(tokens(markdown))
    assert_details_are_closed([token.content for token in found if token.type == "html_block"])
    assert not [token for token in found if token.type == "text" and "```" in token.content]
    assert_tables_are_whole(found)


@quick
@given(st.integers(min_value=2_000, max_value=9_000), hostile)
def test_cut_pages_are_harmless_at_any_limit(limit: int, name: str) -> None:
    report = hostile_report(name).model_copy(update={"params": large_report(40).params})

    markdown = render_markdown(report, limit)

    assert length(markdown) <= limit
    assert_harmless(markdown)


def test_last_line_says_what_was_cut_and_where_the_whole_is() -> None:
    markdown = render_markdown(large_report(300), 5_000)

    last = markdown.splitlines()[-1]
    assert "Shortened to fit 5000 characters" in last
    assert "params, data, models, plan" in last
    assert "[the whole report](<https://ci.example/runs/42/report.html>)" in last


def test_page_of_exactly_the_limit_is_not_cut() -> None:
    exact = length(render_markdown(sample_report()))

    assert "Shortened" not in render_markdown(sample_report(), exact)
    assert "Shortened" in render_markdown(sample_report(), exact - 1)


def test_output_of_a_failed_stage_keeps_its_last_lines() -> None:
    report = sample_failed_report()
    assert report.pipeline is not None
    assert report.pipeline.failure is not None
    tail = "\n".join(f"line {index} {'x' * 200}" for index in range(60)) + "\nValueError: the cause"
    failure = report.pipeline.failure.model_copy(update={"tail": tail})
    long = report.model_copy(update={"pipeline": report.pipeline.model_copy(update={"failure": failure})})

    markdown = render_markdown(long, 3_000)

    assert "ValueError: the cause" in markdown
    assert "earlier lines" in markdown


def test_limit_without_room_for_the_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="1999"):
        render_markdown(sample_report(), 1_999)


def test_run_times_do_not_change_the_body() -> None:
    report = sample_report()
    run = report.run.model_copy(update={"started_at": "2030-01-01T00:00:00Z", "seconds": 77.0, "url": "https://x/9"})

    assert render_markdown(report.model_copy(update={"run": run})) == render_markdown(report)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("report.md", lambda: render_markdown(sample_report())),
        ("report-failed.md", lambda: render_markdown(sample_failed_report())),
        ("report-cut.md", lambda: render_markdown(sample_report(), 2_600)),
        ("issue.md", lambda: render_issue(sample_monitoring())),
        ("deployments.md", lambda: render_deployments_markdown(sample_deployments())),
    ],
)
def test_markdown_is_as_reviewed(name: str, make: object) -> None:
    assert_golden(GOLDEN / name, make())  # type: ignore[operator]  # one of the makers above


def test_empty_report_says_so() -> None:
    markdown = render_markdown(Report(project="p", verdict="pass", head=Commit(id="a" * 40, label="main")))

    assert markdown.startswith("## ✅ No gate is set\n\n**p** · `main` with nothing to compare with\n")
