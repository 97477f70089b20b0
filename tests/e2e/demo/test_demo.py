"""``graphship demo`` as a whole, as a person runs it; a minute on two quiet cores."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
matrix = [pytest.mark.slow, pytest.mark.faults]


def _start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ci_core", "demo", "--folder", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        start_new_session=True,
    )


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of running programs that name `folder`."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = place.joinpath("cmdline").read_bytes()
            if os.fsencode(folder) in command:
                found.append(command.decode(errors="replace"))
    return found


def test_whole_loop_is_told_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "de mo ü"

    process = _start(folder)
    told, _ = process.communicate(timeout=600)

    assert process.returncode == 0, told
    for seen in (
        r"AUC 0\.6\d+ → 0\.6\d+",
        r"change request #1: graphship/report is success",
        r"requests meanwhile: [\d,]+ sent, 0 failed",
        r"13,365 sent, 0 failed",
        r"verdict `drift`: temp, dewp",
        r"`temp` by \d\.\d sd",
        r"issue #\d+ \(open\)",
        r"change request #\d+ \(open\): Retrain flights",
        r"a second scheduled run: nothing changed",
        r"1,727 sent, 0 failed",
        r"verdict `no-drift`",
        r"issue #\d+ \(closed\)",
    ):
        assert re.search(seen, told), f"{seen} in\n{told}"
    pages = sorted((folder / "pages").glob("*.html"), key=lambda page: page.stem)
    assert [page.stem for page in pages] == [
        "change-request",
        "deployments",
        "monitoring",
        "monitoring-drift",
        "retrain",
    ]
    assert all(page.stat().st_size < 1_000_000 for page in pages)
    assert all(
        "http://" not in re.sub(r"http://(www\.w3\.org|127\.0\.0\.1)", "", page.read_text("utf-8")) for page in pages
    )
    assert not _processes_of(folder)


@pytest.mark.parametrize(
    ("how", "moment"),
    [
        pytest.param(signal.SIGINT, "ask it yourself", id="ctrl-c-while-serving"),
        pytest.param(signal.SIGINT, "graphship run", id="ctrl-c-while-training", marks=matrix),
        pytest.param(signal.SIGTERM, "graphship run", id="term-while-training", marks=matrix),
        pytest.param(signal.SIGTERM, "ask it yourself", id="term-while-serving", marks=matrix),
        pytest.param(signal.SIGHUP, "graphship run", id="hangup-while-training", marks=matrix),
        pytest.param(signal.SIGHUP, "ask it yourself", id="hangup-while-serving", marks=matrix),
    ],
)
def test_interrupted_demo_leaves_nothing_running(tmp_path: Path, how: signal.Signals, moment: str) -> None:
    folder = tmp_path / "demo"
    process = _start(folder)
    assert process.stdout is not None
    for line in process.stdout:
        if moment in line:
            break

    process.send_signal(how)
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert not _processes_of(folder)
