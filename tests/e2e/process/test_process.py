"""Programs are real here: Python itself, told what to do by ``-c``."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ci_core import _process
from ci_core.errors import ExitCode, ProgramFailedError, ProgramNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_lines_are_told_as_they_come_and_kept(tmp_path: Path) -> None:
    told: list[str] = []

    finished = _process.run(python("print('one'); print('two')"), cwd=tmp_path, on_line=told.append)

    assert told == ["one", "two"]
    assert finished.output == "one\ntwo\n"
    assert finished.exit_code == 0


def test_the_command_is_echoed_quoted_before_it_runs(tmp_path: Path) -> None:
    said: list[str] = []

    _process.run([sys.executable, "-c", "print('a b')"], cwd=tmp_path, echo=said.append, on_line=said.append)

    assert said == [f"""{sys.executable} -c 'print('"'"'a b'"'"')'""", "a b"]


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    finished = _process.run([*python("import sys; print(sys.argv[1])"), "$(touch pwned); `touch pwned`"], cwd=tmp_path)

    assert finished.output == "$(touch pwned); `touch pwned`\n"
    assert list(tmp_path.iterdir()) == []


def test_a_failure_shows_the_last_twenty_lines_(tmp_path: Path) -> None:
    code = "for n in range(30): print('line', n)\nprint('the end')\nraise SystemExit(7)"

    with pytest.raises(ProgramFailedError) as caught:
        _process.run(python(code), cwd=tmp_path)

    assert caught.value.exit_code == ExitCode.USER_CODE
    assert caught.value.fact == "a program ended with exit code 7"
    assert len(caught.value.known) == 20
    assert caught.value.known[0] == "line 11"
    assert caught.value.known[-1] == "the end"


def test_errors_can_be_kept_apart_from_the_output(tmp_path: Path) -> None:
    finished = _process.run(
        python("import sys; print('data'); print('trouble', file=sys.stderr); sys.exit(3)"),
        cwd=tmp_path,
        merge_errors=False,
        check=False,
    )

    assert (finished.output, finished.errors, finished.exit_code) == ("data\n", "trouble\n", 3)
    assert finished.last_lines() == ("trouble",)


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    told: list[str] = []

    with pytest.raises(ProgramFailedError, match="did not end within 1 s"):
        _process.run(python(code), cwd=tmp_path, timeout_s=1, on_line=told.append)

    assert has_ended(int(told[0]))


def test_a_child_that_does_not_listen_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "_PATIENCE_S", 0.5)
    stubborn = (
        "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    code = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {stubborn!r}])\ntime.sleep(60)"
    told: list[str] = []

    with pytest.raises(ProgramFailedError, match="did not end within 2 s"):
        _process.run(python(code), cwd=tmp_path, timeout_s=2, on_line=told.append)

    assert has_ended(int(told[0]))


def test_an_error_in_the_listener_ends_the_program(tmp_path: Path) -> None:
    pids: list[int] = []

    def stop(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _process.run(
            python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"), cwd=tmp_path, on_line=stop
        )

    assert has_ended(pids[0])


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFoundError, match="`no-such-program`"):
        _process.run(["no-such-program"], cwd=tmp_path)


def test_a_missing_folder_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _process.run([sys.executable, "-V"], cwd=tmp_path / "missing")


def test_a_daemon_has_its_own_session_and_leaves_no_zombie(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"

    pid = _process.start_detached(
        python("import os; print(os.getsid(0) == os.getpid(), os.environ['COLOUR'])"),
        cwd=tmp_path,
        env={"COLOUR": "green"},
        log=log,
    )

    assert has_ended(pid)
    assert log.read_text() == "True green\n"


def has_ended(pid: int, within_s: float = 10) -> bool:
    """Wait until no process, not even a zombie, has this id."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False
