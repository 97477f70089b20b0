"""What counts as a failure of a request, and what is an order to stop that no request may swallow."""

from __future__ import annotations

import asyncio
from typing import Any


class CrashError(RuntimeError):
    """Code of a step or model raised what no caller can be given as it is.

    That is what is no ``Exception`` (``sys.exit()``, a panic of a library, a cancellation), and ``StopIteration``,
    which no coroutine may raise: a graph would fail otherwise than it did as soon as one of its steps is async.
    """


class OperationAnsweredError(BaseException):
    """Ends the run of a graph at the router that answered an operation other than ``infer``.

    No ``Exception``, because nothing failed: no handler is asked, nothing is tried again, nothing is counted.
    """

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer


def failure_of(raised: BaseException) -> Exception:
    """Return the failure that `raised` is.

    Code in a step may raise anything: ``SystemExit``, a library's panic that is no ``Exception``, the
    ``CancelledError`` of something that it cancelled itself. Those fail the request, and nothing else.

    Raises:
        BaseException: `raised` itself, when it orders us to stop: ``KeyboardInterrupt``, ``GeneratorExit``, an
            :class:`OperationAnsweredError`, and a ``CancelledError`` while the current task is being cancelled.
    """
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    if isinstance(raised, KeyboardInterrupt | GeneratorExit | OperationAnsweredError) or (
        isinstance(raised, asyncio.CancelledError) and is_being_cancelled()
    ):
        raise raised
    failure = CrashError(f"it raised {type(raised).__name__}")
    failure.__cause__ = raised
    return failure


def text_of(error: BaseException) -> str:
    """Return the text of an exception, whatever its class makes of that; :func:`encodable`."""
    try:
        text = str(error)
    except Exception as raised:  # noqa: BLE001 - of the user's class
        return f"its text raised {type(raised).__name__}"
    return encodable(text)


def encodable(text: str) -> str:
    """Return `text` with halves of surrogate pairs, which no message can hold, written as escapes."""
    return text.encode(errors="backslashreplace").decode()


def is_being_cancelled() -> bool:
    """Whether somebody cancelled the task that runs here."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return False
    return task is not None and task.cancelling() > 0
