"""What a serving process writes on standard error when requests fail."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.served_release import serving, write_release

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

CODE = """
import logging
import os


def step(body):
    if "warn" in body:
        logging.warning("careful")
        return None
    return rate(body["to"])


async def wait(body):
    return rate(body["to"])


def rate(name):
    return {"usd": 1.0}[name]
"""
LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 (?P<level>[A-Z]+) (?P<logger>\S+) (?P<message>.*)"


def release(folder: Path, code: str, **step: object) -> Path:
    steps = [{"name": "step", "step": "code:step", "after": ["request"], "respond": True, **step}]
    return write_release(folder / "release", {"name": "g", "steps": steps}, {"code.py": code})


@pytest.mark.parametrize("step", [{}, {"blocking": True}, {"step": "code:wait", "timeout": 5}, {"function": "other"}])
def test_a_failing_step_is_one_line_and_a_traceback_that_begins_in_its_code(
    step: dict[str, object], tmp_path: Path
) -> None:
    with serving(release(tmp_path, CODE, **step)) as server:
        server.ask({"to": "eur"}, **{"x-event-id": "e1"})
        server.stop()
    lines = server.said.splitlines()

    at = next(number for number, line in enumerate(lines) if "failed" in line)
    found = re.fullmatch(LINE, lines[at])
    assert found is not None, lines[at]
    assert found["level"] == "ERROR"
    assert found["message"].startswith(
        ("request failed path=/ step=step event=e1 ", "step failed function=other step=step event=e1")
    )
    assert lines[at + 1] == "Traceback (most recent call last):"
    assert re.fullmatch(r'  File ".*/bundle/code.py", line \d+, in (step|wait)', lines[at + 2])
    end = lines.index("KeyError: 'eur'")
    assert [line.rpartition(" ")[2] for line in lines[at:end] if line.startswith("  File ")][-1] == "rate"
    assert "ci_core" not in "".join(lines[at + 1 : end])


def test_a_warning_of_a_step_has_the_same_form_and_changes_nothing(tmp_path: Path) -> None:
    with serving(release(tmp_path, CODE)) as server:
        server.ask({"warn": True})
        server.ask({"to": "eur"})
        server.stop()

    found = [match for match in (re.fullmatch(LINE, line) for line in server.said.splitlines()) if match]
    assert [(one["level"], one["logger"]) for one in found] == [
        ("WARNING", "root"),
        ("ERROR", "ci_core.serving.server"),
    ]


OWN = """
logging.basicConfig(filename=os.environ["OWN_LOG"], filemode="w", format="mine %(levelname)s %(name)s %(message)s")
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_users_own_set_up_of_logging_wins(workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_LOG", str(tmp_path / "own.log"))
    with serving(release(tmp_path, CODE + OWN), "--workers", workers) as server:
        server.ask({"to": "eur"})
        server.ask({"warn": True})
        server.stop()

    lines = [line for line in (tmp_path / "own.log").read_text().splitlines() if line.startswith("mine ")]
    assert lines[0].startswith("mine ERROR ci_core.serving.server request failed path=/ step=step ")
    assert lines[1:] == ["mine WARNING root careful"]
    assert not re.search(LINE, server.said)
    assert "Traceback" not in server.said


def test_a_script_that_served_a_graph_can_set_logging_up_afterwards() -> None:
    code = """
import logging
from ci_core.serving import Graph
graph = Graph("g")
graph.to(lambda body: body, "same").respond()
graph.serve(port=0)
logging.basicConfig(format="mine %(message)s")
logging.warning("afterwards")
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()
    process.terminate()
    said = process.communicate(timeout=60)[1]

    assert (process.returncode, said) == (0, "mine afterwards\n")
