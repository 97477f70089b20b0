from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.ci.plain import PlainConsole
from ci_core.errors import Location, OutputFileError

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.ci.console import Console


def test_groups_are_indented_headings() -> None:
    log = io.StringIO()
    console: Console = PlainConsole(log)

    with console.group("deploy to staging"):
        console.step("candidate ready")
        with console.group("smoke"):
            console.step("3 requests answered")
    console.step("done")

    assert log.getvalue() == "deploy to staging\n  candidate ready\n  smoke\n    3 requests answered\ndone\n"


def test_a_group_that_fails_does_not_indent_what_follows() -> None:
    log = io.StringIO()
    console = PlainConsole(log)

    with pytest.raises(RuntimeError), console.group("deploy"):
        raise RuntimeError
    console.step("done")

    assert log.getvalue() == "deploy\ndone\n"


def test_remarks_say_what_they_are_and_where() -> None:
    log = io.StringIO()
    console = PlainConsole(log)

    console.notice("two stages are stale")
    console.warning("the metric fell", where=Location(file="metrics.json", key="auc"))
    console.error("first line\nsecond line", where=Location(file="graphship.yaml", line=3))

    assert log.getvalue() == (
        "notice: two stages are stale\n"
        "warning: the metric fell (metrics.json, auc)\n"
        "error: first line (graphship.yaml:3)\n"
        "       second line\n"
    )


def test_text_of_the_users_repository_cannot_act_on_the_terminal() -> None:
    log = io.StringIO()

    PlainConsole(log).step("branch \x1b]0;title\x07\rhidden")

    assert log.getvalue() == "branch \\x1b]0;title\\x07\\rhidden\n"


def test_an_output_is_appended_to_the_file_and_shown(tmp_path: Path) -> None:
    log = io.StringIO()
    console = PlainConsole(log, output_file=tmp_path / "out")

    console.output("verdict", "drift")
    console.output("release-id", "3f2a=c1")

    assert (tmp_path / "out").read_text() == "verdict=drift\nrelease-id=3f2a=c1\n"
    assert log.getvalue() == "verdict: drift\nrelease-id: 3f2a=c1\n"


def test_a_value_with_line_breaks_stays_one_output(tmp_path: Path) -> None:
    delimiters = iter(["EOF", "d1"])
    console = PlainConsole(io.StringIO(), output_file=tmp_path / "out", new_delimiter=lambda: next(delimiters))

    console.output("report", "a\nEOF\nverdict=no-drift")

    assert (tmp_path / "out").read_text() == "report<<d1\na\nEOF\nverdict=no-drift\nd1\n"


def test_the_delimiter_is_another_one_each_time(tmp_path: Path) -> None:
    console = PlainConsole(io.StringIO(), output_file=tmp_path / "out")

    console.output("a", "1\n2")
    console.output("b", "1\n2")

    first, second = [line.split("<<")[1] for line in (tmp_path / "out").read_text().splitlines() if "<<" in line]
    assert first != second
    assert len(first) == len("graphship-") + 32


@given(st.text())
def test_whatever_the_value_a_reader_finds_exactly_one_output(value: str) -> None:
    from ci_core.ci.plain import _encoded

    lines = _encoded("name", value, lambda: "delimiter-0").splitlines()

    if lines[0].startswith("name="):
        assert len(lines) == 1
    else:
        assert lines[0] == "name<<delimiter-0"
        assert lines.index("delimiter-0") == len(lines) - 1


def test_the_summary_is_appended_to_its_file(tmp_path: Path) -> None:
    console = PlainConsole.from_environment({"GRAPHSHIP_SUMMARY": str(tmp_path / "page.md")}, io.StringIO())

    console.summary("# One")
    console.summary("two\n\n")

    assert (tmp_path / "page.md").read_text() == "# One\ntwo\n"


def test_without_files_outputs_are_shown_and_the_summary_is_dropped() -> None:
    log = io.StringIO()
    console = PlainConsole.from_environment({"GRAPHSHIP_OUTPUT": ""}, log)

    console.output("report", "two\nlines")
    console.summary("# One")

    assert log.getvalue() == "report: two\\nlines\n"


def test_an_output_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    env = {"GRAPHSHIP_OUTPUT": str(tmp_path / "no" / "folder")}
    console = PlainConsole.from_environment(env, io.StringIO())

    with pytest.raises(OutputFileError, match="`GRAPHSHIP_OUTPUT` names a file that cannot be written"):
        console.output("verdict", "drift")


def test_an_outputs_name_is_in_kebab_case(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kebab-case"):
        PlainConsole(io.StringIO(), output_file=tmp_path / "out").output("a=b\nc", "x")


def test_values_of_secret_variables_are_masked_in_log_outputs_and_summary(tmp_path: Path) -> None:
    log = io.StringIO()
    env = {
        "STORE_PASSWORD": "correct-horse",
        "GRAPHSHIP_OUTPUT": str(tmp_path / "out"),
        "GRAPHSHIP_SUMMARY": str(tmp_path / "page.md"),
    }
    console = PlainConsole.from_environment(env, log)

    console.step("sending to https://me:correct-horse@store")
    console.error("it answered: correct-horse is wrong")
    console.output("address", "store?key=correct-horse")
    console.summary("# correct-horse")

    said = [log.getvalue(), (tmp_path / "out").read_text(), (tmp_path / "page.md").read_text()]
    assert not [text for text in said if "correct-horse" in text]
    assert said[1:] == ["address=store?key=***\n", "# ***\n"]
