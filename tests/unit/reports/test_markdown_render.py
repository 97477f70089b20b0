from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ci_core.reports.deployments import DeploymentsReport
from ci_core.reports.markdown import length, length_bytes
from ci_core.reports.monitoring import MonitoringReport
from ci_core.reports.render import render_deployments_markdown, render_issue, render_markdown, render_summary
from ci_core.reports.report import (
    Commit,
    Note,
    Report,
)
from ci_core.testing.golden import assert_golden
from ci_core.testing.hostile_text import MARKDOWN_ATTACKS, with_texts
from ci_core.testing.sample_edges import huge_report, minimal_report, unchanged_report, unreadable_base_report
from ci_core.testing.sample_monitoring import sample_deployments, sample_monitoring
from ci_core.testing.sample_reports import sample_failed_report, sample_report
from tests.unit.reports.markdown_tokens import assert_tables_are_whole, tokens

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports"
OURS = re.compile(r"<details>\n<summary><b>[A-Z][a-z ]+</b>[^\n]*</summary>\n?|</details>\n?")
ACTIVE = re.compile(r"[@#<>|\[\]*~$^{}]|://|www\.|(?<!\d):\w+:|GH-\d|(?:^|\s)[!%&/]\w")
hostile = st.lists(st.sampled_from(MARKDOWN_ATTACKS) | st.text(max_size=4), max_size=5).map("".join)
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def hostile_report(name: str) -> Report:
    """Return a report in which every text is this name; addresses stay."""
    kept = {"Link.url", "Commit.url", "Run.url"}
    return with_texts(sample_report(), lambda field, held: held if field in kept else name)


def assert_harmless(markdown: str) -> None:
    """Assert that the page holds our own structure only."""
    found = list(tokens(markdown))
    text = [token.content for token in found if token.type == "text" and ACTIVE.search(token.content)]
    html = [token.content for token in found if token.type in {"html_block", "html_inline"}]
    links = [str(token.attrs["href"]) for token in found if token.type == "link_open"]
    assert text == []
    assert [block for block in html if not OURS.fullmatch(block)] == []
    assert not any(token.type == "image" for token in found)
    assert set(links) <= {link.url for link in sample_report().links}
    assert "<!--" not in markdown
    assert_details_are_closed(html)
    assert_tables_are_whole(found)


def assert_details_are_closed(html: list[str]) -> None:
    open_now = 0
    for block in html:
        open_now += 1 if block.startswith("<details>") else -1
        assert open_now in {0, 1, 2}
    assert open_now == 0


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


@pytest.mark.parametrize("limit", [2_000, 2_001, 2_500, 3_333, 5_000, 8_192, 16_000, 20_000, 65_536])
@pytest.mark.parametrize("make", [huge_report, sample_failed_report, sample_report])
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
    report = hostile_report(name).model_copy(update={"params": huge_report(40).params})

    markdown = render_markdown(report, limit)

    assert length(markdown) <= limit
    assert_harmless(markdown)


def test_last_line_says_what_was_cut_and_where_the_whole_is() -> None:
    markdown = render_markdown(huge_report(300), 8_000)

    last = markdown.splitlines()[-1]
    assert "Shortened to fit 8000 characters" in last
    assert "gates, metrics, params, data, models, pipeline" in last
    assert "[the whole report](<https://ci.example/runs/42/report.html>)" in last


def test_a_page_without_an_address_says_which_files_are_whole() -> None:
    report = huge_report(300).model_copy(update={"links": ()})

    last = render_markdown(report, 8_000).splitlines()[-1]

    assert last.endswith("The whole is in the run's `report.html` and `report.json`.")


def test_every_section_of_a_page_that_is_cut_keeps_something() -> None:
    titles = re.findall(r"^(?:### |<summary><b>)([A-Z][a-z ]+)", render_markdown(huge_report()), re.MULTILINE)

    assert titles == [
        "Gates",
        "Metrics",
        "Params",
        "Data",
        "Models",
        "Pipeline",
        "Serving graph",
        "Behaviour",
        "Environment",
        "Plots",
        "What merging deploys",
    ]


@pytest.mark.parametrize("letter", ["x", "é", "数", "😀", "\r\n"])
@pytest.mark.parametrize("render", [render_markdown, render_summary])
def test_a_page_is_cut_when_it_is_one_too_long(letter: str, render: object) -> None:
    notes = tuple(Note(text=f"{index} a{letter * 300}b") for index in range(9))
    report = sample_failed_report().model_copy(update={"notes": notes})
    measure = length if render is render_markdown else length_bytes
    exact = measure(render(report))  # type: ignore[operator]  # one of the two

    pages = [render(report, limit) for limit in (exact - 1, exact, exact + 1)]  # type: ignore[operator]

    assert measure(pages[0]) < exact
    assert pages[1] == pages[2]
    assert ["Shortened" in page for page in pages] == [True, False, False]


def test_hosts_count_characters_by_the_larger_way() -> None:
    assert (length("x"), length("é"), length("数"), length("😀")) == (1, 1, 1, 2)
    assert (length_bytes("x"), length_bytes("é"), length_bytes("数"), length_bytes("😀")) == (1, 2, 3, 4)


def test_line_ends_of_windows_are_written_as_one_character() -> None:
    note = Note(kind="warning", text="one\r\ntwo")

    assert "\r" not in render_markdown(sample_report().model_copy(update={"notes": (note,)}))


@pytest.mark.parametrize("limit", [65_536, 1_000_000])
def test_a_huge_report_fits_a_comment(limit: int) -> None:
    markdown = render_markdown(huge_report(), limit)

    assert length(markdown) <= limit
    assert_harmless(markdown)


def test_a_huge_report_fits_a_summary_of_a_mebibyte() -> None:
    assert length_bytes(render_summary(huge_report())) <= 1_048_576


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
        ("report-cut.md", lambda: render_markdown(sample_report(), 4_000)),
        ("report-minimal.md", lambda: render_markdown(minimal_report())),
        ("report-unreadable-base.md", lambda: render_markdown(unreadable_base_report())),
        ("report-unchanged.md", lambda: render_markdown(unchanged_report())),
        ("report-huge.md", lambda: render_markdown(huge_report(), 8_000)),
        ("summary.md", lambda: render_summary(sample_report())),
        ("issue.md", lambda: render_issue(sample_monitoring())),
        ("deployments.md", lambda: render_deployments_markdown(sample_deployments())),
    ],
)
def test_markdown_is_as_reviewed(name: str, make: object) -> None:
    assert_golden(GOLDEN / name, make())  # type: ignore[operator]  # one of the makers above


def test_empty_report_says_so() -> None:
    markdown = render_markdown(Report(project="p", verdict="pass", head=Commit(id="a" * 40, label="main")))

    assert markdown == "## ➖ Nothing to compare with\n\n**p** · `main`\n\ngraphship: head `aaaaaaaaaaaa`\n"
