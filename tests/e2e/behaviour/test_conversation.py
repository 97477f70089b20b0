from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ci_core import _process
from ci_core.behaviour import conversation as spoken_with
from ci_core.behaviour.conversation import Conversation, LateError, ReplyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

LONG_S = 60.0


@contextlib.contextmanager
def conversation(tmp_path: Path, code: str) -> Iterator[Conversation]:
    """Speak with a program of Python."""
    log = tmp_path / "log"
    log.touch()
    with _process.companion([sys.executable, "-c", code], cwd=tmp_path, env=dict(os.environ), log=log) as process:
        yield Conversation(process, log)


def test_orders_are_answered_in_turn_however_the_lines_are_cut(tmp_path: Path) -> None:
    code = """
import json, sys
for line in sys.stdin:
    text = json.dumps({"got": json.loads(line)["do"]}) + "\\n"
    for character in text:
        print(character, end="", flush=True)
"""
    with conversation(tmp_path, code) as spoken:
        spoken.tell(do="one")
        spoken.tell(do="two")
        replies = [spoken.hear(LONG_S), spoken.hear(LONG_S)]

    assert replies == [{"got": "one"}, {"got": "two"}]


@pytest.mark.parametrize("said", ["no JSON", "[1]", "[" * 100_000, "7"])
def test_what_is_no_object_is_no_reply(tmp_path: Path, said: str) -> None:
    with (
        conversation(tmp_path, f"print({said!r}, flush=True); input()") as spoken,
        pytest.raises(ReplyError, match="said something that is no reply"),
    ):
        spoken.hear(LONG_S)


def test_a_line_without_an_end_is_read_up_to_its_limit(tmp_path: Path) -> None:
    with (
        conversation(tmp_path, "import sys\nwhile True: sys.stdout.write('a' * 100_000)") as spoken,
        pytest.raises(ReplyError, match="said something that is no reply"),
    ):
        spoken.hear(LONG_S)


def test_a_program_that_says_nothing_is_late(tmp_path: Path) -> None:
    with conversation(tmp_path, "input()") as spoken, pytest.raises(LateError, match=r"gave no answer within 0\.2 s"):
        spoken.hear(0.2)


def test_what_a_program_prints_is_thrown_away_while_it_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spoken_with, "_LOG_BYTES", 100_000)
    code = """
import os, sys, time
os.write(2, b"word " * 100_000)
while os.fstat(2).st_size:
    time.sleep(0.01)
print('{"thrown": "away"}', flush=True)
"""
    with conversation(tmp_path, code) as spoken:
        reply = spoken.hear(LONG_S)

    assert reply == {"thrown": "away"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("pass", "ended with exit code 0"),
        ("import sys; sys.exit('the last line\\n')", "ended with exit code 1; its last words: the last line"),
        ("import os; os.abort()", "was ended by SIGABRT"),
        ("import sys; sys.exit('a' * 201)", f"ended with exit code 1; its last words: {'a' * 200}…"),
        ("import sys; sys.exit('a' * 5000)", f"ended with exit code 1; its last words: …{'a' * 199}…"),
    ],
)
def test_a_program_that_ended_says_how_and_its_last_line(tmp_path: Path, code: str, reason: str) -> None:
    with conversation(tmp_path, code) as spoken:
        spoken.tell(do="nothing")
        with pytest.raises(ReplyError) as caught:
            spoken.hear(LONG_S)

    assert caught.value.reason == reason


def test_a_program_ends_with_the_block_and_so_do_its_children(tmp_path: Path) -> None:
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print('{"child": %d}' % child.pid, flush=True)
child.wait()
"""
    with conversation(tmp_path, code) as spoken:
        child = int(spoken.hear(LONG_S)["child"])

    deadline = time.monotonic() + LONG_S
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(child, 0)
            time.sleep(0.02)
        pytest.fail("the child still runs")
