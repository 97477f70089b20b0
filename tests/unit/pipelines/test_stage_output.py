from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from ci_core.masking import Masker
from ci_core.pipelines._stage_output import StageOutput

if TYPE_CHECKING:
    from pathlib import Path


def test_all_is_in_the_file_and_the_lines_are_told(tmp_path: Path) -> None:
    lines: list[str] = []
    output = StageOutput(tmp_path / "log", lines.append)

    with output.caught() as descriptor:
        os.write(descriptor, b"one\ntwo\r\nthr\xffee")

    assert (tmp_path / "log").read_bytes() == b"one\ntwo\r\nthr\xffee"
    assert lines == ["one", "two", "thr\ufffdee"]
    assert output.last_lines == ("one", "two", "thr\ufffdee")


def test_the_last_twenty_lines_are_kept(tmp_path: Path) -> None:
    output = StageOutput(tmp_path / "log", lambda _line: None)

    with output.caught() as descriptor:
        os.write(descriptor, b"".join(b"%d\n" % number for number in range(50)))

    assert output.last_lines == tuple(str(number) for number in range(30, 50))


def test_what_an_unfinished_line_shows_is_told_apart(tmp_path: Path) -> None:
    shown = threading.Event()

    def see(text: str) -> None:
        if text == "50 %":
            shown.set()

    output = StageOutput(tmp_path / "log", lambda _line: None, see)

    with output.caught() as descriptor:
        os.write(descriptor, b"10 %\r50 %")

        assert shown.wait(60)


def test_somebody_who_still_holds_the_pipe_does_not_hold_it_up(tmp_path: Path) -> None:
    output = StageOutput(tmp_path / "log", lambda _line: None)

    with output.caught() as descriptor:
        other = os.dup(descriptor)
        os.write(other, b"before\n")
    os.close(other)

    assert output.last_lines == ("before",)


def test_a_listener_that_fails_is_heard_of_after_all_was_kept(tmp_path: Path) -> None:
    def fail(_line: str) -> None:
        raise RuntimeError("a mistake of the listener")

    output = StageOutput(tmp_path / "log", fail)

    with pytest.raises(RuntimeError, match="a mistake of the listener"), output.caught() as descriptor:
        os.write(descriptor, b"one\ntwo\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


def test_a_file_that_cannot_be_written_does_not_stop_the_lines(tmp_path: Path) -> None:
    lines: list[str] = []
    output = StageOutput(tmp_path / "nowhere/log", lines.append)

    with output.caught() as descriptor:
        os.write(descriptor, b"one\n")

    assert lines == ["one"]
    assert isinstance(output.log_problem, FileNotFoundError)


def test_a_disk_that_is_full_does_not_stop_the_lines(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    lines: list[str] = []
    output = StageOutput(tmp_path / "log", lines.append)

    with output.caught() as descriptor:
        os.write(descriptor, b"one\n")
        os.write(descriptor, b"two\n")

    assert lines == ["one", "two"]
    assert output.log_problem is not None
    assert output.log_problem.strerror == "No space left on device"


def test_a_secret_that_is_printed_in_two_halves_is_nowhere(tmp_path: Path) -> None:
    told: list[str] = []
    first_half_was_read = threading.Event()

    def see(text: str) -> None:
        told.append(text)
        if text.endswith("***"):
            first_half_was_read.set()

    output = StageOutput(tmp_path / "log", told.append, see, masker=Masker(["s3cr-value/of-the-stage"]))

    with output.caught() as descriptor:
        os.write(descriptor, b"login with s3cr-value/")
        assert first_half_was_read.wait(60)
        os.write(descriptor, b"of-the-stage now\nat s3cr-value/of-the-stage")

    assert (tmp_path / "log").read_bytes() == b"login with *** now\nat ***"
    assert output.last_lines == ("login with *** now", "at ***")
    assert not any("s3cr" in text or "stage" in text for text in told)


def test_a_secret_at_which_a_long_line_is_cut_is_masked(tmp_path: Path) -> None:
    lines: list[str] = []
    output = StageOutput(tmp_path / "log", lines.append, masker=Masker(["s3cr-value/of-the-stage"]))

    with output.caught() as descriptor:
        os.write(descriptor, b"x" * 3_990 + b"s3cr-value/of-the-stage and more\n")

    assert lines == ["x" * 3_990 + "*** and mo… (2 bytes more)"]
