"""The end of a serving process, part by part."""

import asyncio
from typing import Any

import pytest

from ci_core.serving.ending import close_all


def _raise(error: BaseException) -> Any:
    raise error


def test_a_part_that_cannot_be_closed_is_logged_and_the_others_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    async def close_queues() -> None:
        closed.append("queues")

    parts = [
        ("functions", lambda: _raise(OSError("the socket is gone"))),
        ("queues", close_queues),
        ("steps", lambda: _raise(SystemExit(3))),
        ("capture", lambda: closed.append("capture")),
    ]
    asyncio.run(close_all(parts))

    assert closed == ["queues", "capture"]
    assert caplog.messages == ["could not be closed part=functions", "could not be closed part=steps"]


def test_a_process_that_is_cancelled_while_it_ends_closes_the_rest() -> None:
    closed: list[str] = []
    parts = [("queues", lambda: _raise(asyncio.CancelledError())), ("capture", lambda: closed.append("capture"))]

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(close_all(parts))

    assert closed == ["capture"]
