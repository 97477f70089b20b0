import errno
import sys

import click
import pytest

from ci_core.cli._render import render_error, run
from ci_core.errors import ExitCode, GraphshipError, Location, UnknownNameError, worst


class _CalibrationError(GraphshipError):
    slug = "unknown-next-step"
    exit_code = ExitCode.USER_CODE

    def __init__(self) -> None:
        super().__init__(
            "step `score` leads to `calibrate`, which the graph does not define",
            where=Location(file="serving/graph.yaml", line=14, key="steps.score.next"),
            known=["defined steps: `clean`, `calibrated`, `score`"],
            hint="rename it to `calibrated`, or add a step named `calibrate`",
        )


def test_an_error_is_rendered_as_fact_place_knowledge_and_hint() -> None:
    assert render_error(_CalibrationError()) == (
        "error[unknown-next-step]: step `score` leads to `calibrate`, which the graph does not define\n"
        "  --> serving/graph.yaml:14, steps.score.next\n"
        "  defined steps: `clean`, `calibrated`, `score`\n"
        "\n"
        "hint: rename it to `calibrated`, or add a step named `calibrate`"
    )


def test_an_error_becomes_its_exit_code_and_text_on_stderr_only(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def failing() -> None:
        raise _CalibrationError

    code = run(failing, [], {})

    printed = capsys.readouterr()
    assert code == 3
    assert printed.out == ""
    assert printed.err.startswith("error[unknown-next-step]: ")


def test_no_color_keeps_escape_codes_out(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def failing() -> None:
        raise _CalibrationError

    run(failing, [], {"NO_COLOR": "1"})

    assert "\x1b" not in capsys.readouterr().err


def test_debug_adds_the_traceback_and_keeps_text_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    @click.option("--debug", is_flag=True)
    def failing(*, debug: bool) -> None:
        raise _CalibrationError

    code = run(failing, ["--debug"], {})

    printed = capsys.readouterr().err
    assert code == 3
    assert printed.startswith("Traceback (most recent call last):")
    assert "\nerror[unknown-next-step]: " in printed
    assert printed.count("rename it to `calibrated`, or add a step named `calibrate`") == 1


def test_a_reader_that_goes_away_is_no_failed_gate() -> None:
    @click.command()
    def unread() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    streams = sys.stdout, sys.stderr
    try:
        assert run(unread, [], {}) == 141
    finally:
        sys.stdout, sys.stderr = streams  # click silences them


def test_a_full_disk_is_one_message_wherever_it_is_met(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def writing() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "report.html")

    assert run(writing, [], {}) == 2
    assert capsys.readouterr().err.startswith(
        "error[file-not-writable]: the file cannot be written: no space left on device\n  --> report.html\n"
    )


def test_a_bug_of_ours_keeps_its_traceback_and_asks_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    code = run(broken, [], {})

    told = capsys.readouterr().err
    assert code == 70
    assert "worth a report" in told
    assert "ZeroDivisionError" in told


@pytest.mark.parametrize(
    "error", [OSError("no: correct-horse"), UnknownNameError(kind="step", name="correct-horse", known_names=[])]
)
@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_secrets_of_the_environment_are_masked_in_errors_and_tracebacks(
    error: Exception, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @click.option("--debug", is_flag=True)
    def failing(debug: bool) -> None:
        raise error

    run(failing, arguments, {"STORE_PASSWORD": "correct-horse"})

    printed = capsys.readouterr()
    assert "***" in printed.err
    assert "correct-horse" not in printed.err


def test_a_wrong_option_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def quiet() -> None: ...

    assert run(quiet, ["--nonsense"], {}) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_of_several_causes_usage_comes_first_and_delivery_last() -> None:
    assert worst([ExitCode.NOT_DELIVERED, ExitCode.CHECK_FAILED, ExitCode.DEPLOYMENT]) is ExitCode.DEPLOYMENT
    assert worst([ExitCode.UNREACHABLE, ExitCode.CHECK_FAILED]) is ExitCode.CHECK_FAILED
    assert worst([ExitCode.USER_CODE, ExitCode.USAGE]) is ExitCode.USAGE
    assert worst([]) is ExitCode.DONE


def test_an_unknown_name_is_told_with_the_nearest_known_one() -> None:
    error = UnknownNameError(kind="environment", name="stagin", known_names=["staging", "production"])

    assert render_error(error) == (
        "error[unknown-name]: there is no environment `stagin`\n"
        "  known: `staging`, `production`\n"
        "\n"
        "hint: did you mean `staging`?"
    )


def test_control_characters_in_a_message_are_shown_and_not_obeyed() -> None:
    error = GraphshipError("stage `a\x1b[2J` failed", known=["col\u202eumn"], hint="see `\x07`")

    text = render_error(error)

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    assert "stage `a\\x1b[2J` failed" in text
