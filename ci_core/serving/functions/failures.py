"""How a failure travels between two processes, and what becomes of it on the other side.

A failure that says what the client is told (:class:`HttpError`) arrives as the same class with the same status and
text. Any other exception arrives as a :class:`RemoteStepError` that has its name and its text, and is caught as the
built-in exception it was, too; its traceback stays in the log of the process where it happened.
"""

from __future__ import annotations

import builtins
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ci_core.serving import problems
from ci_core.serving.crashes import encodable, text_of
from ci_core.serving.problems import HttpError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = {
    kind.slug: kind
    for kind in vars(problems).values()
    if isinstance(kind, type) and issubclass(kind, HttpError) and kind is not HttpError
}


class RemoteStepError(Exception):
    """A step in another process raised what is no :class:`HttpError`.

    The class has the name of the exception there, so that logs and error handlers show what they would have shown.

    Attributes:
        text: of the exception there.
    """

    text: str

    def __str__(self) -> str:
        return self.text


def write_failure(error: BaseException) -> dict[str, Any]:
    """Return an exception as plain data."""
    kind = type(error).__name__
    if isinstance(error, RemoteStepError):
        return {"kind": kind, "text": encodable(error.text)}
    if not isinstance(error, HttpError):
        return {"kind": kind, "text": text_of(error)}
    return {
        "kind": kind,
        "text": encodable(error.message),
        "slug": error.slug,
        "status": error.status,
        "retry_after_s": error.retry_after_s,
    }


def read_failure(stored: Mapping[str, Any]) -> Exception:
    """Return the exception that another process wrote."""
    if "slug" in stored:
        return _http_error(stored)
    error = _class_of(str(stored["kind"]))()
    error.text = str(stored["text"])
    return error


def _http_error(stored: Mapping[str, Any]) -> HttpError:
    kind = _KINDS.get(stored["slug"], HttpError)
    # not by the constructor: those of some kinds build their text from other facts
    error = kind.__new__(kind)
    HttpError.__init__(error, stored["text"], status=stored["status"], retry_after_s=stored["retry_after_s"])
    if kind is HttpError:
        error.__dict__["slug"] = stored["slug"]  # a class of the user's own
    return error


@lru_cache(maxsize=256)
def _class_of(kind: str) -> type[RemoteStepError]:
    base = getattr(builtins, kind, None)
    if isinstance(base, type) and issubclass(base, Exception):
        try:
            both = type(kind, (RemoteStepError, base), {})
            both()
        except TypeError:  # one that must be made with certain arguments, such as UnicodeDecodeError
            pass
        else:
            return both
    return type(kind, (RemoteStepError,), {})
