"""How records of a serving process look."""

from __future__ import annotations

import json
import logging

import pytest

from ci_core.serving import Graph
from ci_core.serving.logs import LogFormatter, render_traceback


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    kept = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("ci_core.serving.server", logging.ERROR, "server.py", 1, message, arguments, kept)
    made.created = 1772357400.125
    return made


def test_a_line_has_iso_time_level_logger_and_message() -> None:
    line = LogFormatter().format(record("request failed path=%s step=%s", "/", "score"))

    assert line == "2026-03-01T09:30:00.125+00:00 ERROR ci_core.serving.server request failed path=/ step=score"


def convert(body: str) -> float:
    try:
        return _rate(body)
    except KeyError as error:
        raise ValueError(body) from error


def _rate(name: str) -> float:
    return {"usd": 1.0}[name]


def frames(text: str) -> list[str]:
    return [line.rpartition(" in ")[2] for line in text.splitlines() if line.startswith("  File ")]


def test_a_traceback_and_that_of_its_cause_begin_at_the_users_code() -> None:
    graph = Graph("g")
    graph.to(convert, name="convert").respond()
    with pytest.raises(ValueError, match="eur") as caught:
        graph.test("eur")
    assert caught.tb.tb_next is not None  # the first frame is of this test, the next are of the engine

    text = render_traceback(caught.type, caught.value, caught.tb.tb_next)

    assert frames(text) == ["convert", "_rate", "convert"]
    assert text.count("Traceback (most recent call last):\n") == 2
    assert "KeyError: 'eur'\n" in text
    assert "ValueError: eur\n" in text


def test_a_traceback_without_a_frame_of_the_users_is_whole() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    assert caught.tb.tb_next is not None

    text = render_traceback(caught.type, caught.value, caught.tb.tb_next)

    assert frames(text) == ["loads", "decode", "raw_decode"]
