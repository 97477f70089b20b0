"""What makes a change fail beside gates and stages is seen in every rendering, and before any warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.reports.render import render_html, render_junit, render_markdown, render_summary, render_terminal
from ci_core.reports.report import Behaviour, Note, Report
from ci_core.testing.sample_edges import unreadable_base_report
from ci_core.testing.sample_reports import sample_report

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURE = "the head's graph cannot be loaded: step `answr` is not defined"
TROUBLE = "do not merge yet: what the pipeline made could not be kept"
WARNING = "a warning of little weight"


def failing(report: Report) -> Report:
    """Return a report of a change whose graph cannot be loaded, and of which something else went wrong."""
    notes = (
        Note(kind="warning", text=WARNING),
        Note(kind="error", text=TROUBLE),
        Note(kind="error", text=FAILURE),
        *report.notes,
    )
    behaviour = Behaviour(source="requests.jsonl", problem=FAILURE, head_failure=FAILURE, head_exit_code=2)
    return report.model_copy(update={"verdict": "fail", "notes": notes, "behaviour": behaviour})


@pytest.mark.parametrize("report", [sample_report(), unreadable_base_report()], ids=["with a base", "without"])
@pytest.mark.parametrize(
    ("render", "trouble", "failure"),
    [
        (render_markdown, f"> ❌ {TROUBLE}", "> ❌ the head's graph cannot be loaded: step `answr` is not defined"),
        (render_summary, f"> ❌ {TROUBLE}", "> ❌ the head's graph cannot be loaded: step `answr` is not defined"),
        (
            render_html,
            f'<p class="call bad">{TROUBLE}</p>',
            '<p class="call bad">the head&#x27;s graph cannot be loaded: step <code><bdi>answr</bdi></code> is not def',
        ),
        (render_terminal, f"FAIL: {TROUBLE}", "FAIL: the head's graph cannot be loaded: step answr is not defined"),
    ],
)
def test_errors_come_before_warnings_and_the_title_says_that_it_cannot_serve(
    render: Callable[[Report], str], trouble: str, failure: str, report: Report
) -> None:
    page = render(failing(report))

    title = page.index("The serving graph cannot be loaded")
    assert title < page.index(trouble) < page.index(failure) < page.index(WARNING)


def test_in_junit_they_are_one_error() -> None:
    assert f'<error message="{TROUBLE}" type="report">{TROUBLE}\n{FAILURE}</error>' in render_junit(
        failing(sample_report())
    )


def test_a_comment_that_hardly_has_room_still_says_them() -> None:
    page = render_markdown(failing(sample_report()), 2_000)

    assert f"❌ {TROUBLE}" in page
    assert len(page) <= 2_000
