"""What the demo writes to a terminal and into a log."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

from rich.console import Console

from ci_core.demo.narrator import Narrator


def _narrator(*, is_verbose: bool = False) -> tuple[Narrator, io.StringIO]:
    written = io.StringIO()
    seconds = itertools.count(start=10.0, step=1.5)
    console = Console(file=written, width=100, force_terminal=False, highlight=False)
    return Narrator(console, clock=lambda: next(seconds), is_verbose=is_verbose), written


def test_step_is_told_with_its_number_and_its_time() -> None:
    narrator, written = _narrator()

    with narrator.step(2, 8, "The first release") as result:
        narrator.fact("it answers")
        result.append("live")

    lines = written.getvalue().splitlines()
    assert lines[1].startswith("2/8  The first release ──")
    assert lines[2:] == ["  • it answers", "  1.5 s"]
    assert [(summary.result, summary.seconds) for summary in narrator.summaries] == [("live", 1.5)]


def test_what_a_program_says_stays_in_a_log_only_when_asked_for() -> None:
    for is_verbose, expected in ((False, "  … training\n"), (True, "  … training\n    │ 20 trees\n")):
        narrator, written = _narrator(is_verbose=is_verbose)

        with narrator.busy("training") as on_line:
            on_line("  20 trees")

        assert written.getvalue() == expected


def test_square_brackets_and_escape_codes_are_text_and_not_markup() -> None:
    narrator, written = _narrator(is_verbose=True)

    with narrator.busy("a[red]b") as on_line:
        on_line("error[stage-failed] \x1b[31mred")
    narrator.fact("[/]")

    assert "a[red]b" in written.getvalue()
    assert "error[stage-failed]" in written.getvalue()
    assert "\x1b" not in written.getvalue()
    assert "• [/]" in written.getvalue()


def test_command_to_paste_is_one_line_however_long() -> None:
    narrator, written = _narrator()

    narrator.command("curl " + "x" * 200)

    assert written.getvalue() == f"\n  curl {'x' * 200}\n\n"


def test_table_names_steps_results_and_pages() -> None:
    narrator, written = _narrator()
    with narrator.step(1, 1, "A project") as result:
        result.append("trained and pushed")

    narrator.table([("Monitoring", Path("/demo/pages/monitoring.html"))], 61.25)

    text = written.getvalue()
    assert "1  A project  trained and pushed   1.5 s" in text
    assert "61.2 s" in text
    assert "Monitoring             /demo/pages/monitoring.html" in text


def test_the_second_line_of_a_fact_starts_under_the_first() -> None:
    told = io.StringIO()
    narrator = Narrator(Console(file=told, width=20), clock=lambda: 0.0)

    narrator.fact("temp moved by 4.7 sd")

    assert [line.rstrip() for line in told.getvalue().splitlines()] == ["  • temp moved by", "    4.7 sd"]
