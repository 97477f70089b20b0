"""Failures of one request that become an HTTP answer; they never end the process and have no exit code.

Steps and models may raise :class:`RequestError` to refuse a request, :class:`DependencyError` when a service they need
fails; any exception that is not an :class:`HttpError` is the server's own fault and becomes a 500 without details.
"""

from __future__ import annotations

from typing import ClassVar

_FAILURES = range(400, 600)


class HttpError(Exception):
    """An exception that says what the client is told; every other exception of a step becomes a 500 without details.

    Attributes:
        message: told to the client.
        status: HTTP status.
        slug: kebab-case name of the kind, told to the client too.
        retry_after_s: when a repeated request may succeed, in seconds; becomes ``Retry-After``. None when unknown.
    """

    slug: ClassVar[str] = "internal-error"
    status: int = 500

    def __init__(self, message: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        if status is not None:
            if status not in _FAILURES:
                raise ValueError(f"the status of a failure is 400 to 599, not {status!r}")
            self.status = status


class RequestError(HttpError):
    """The request cannot be answered, and the fault is the client's: a 4xx, 400 unless `status` says otherwise.

    What steps and models raise to refuse a request; its text is told to the client. It is never tried again.

    Example:
        >>> from ci_core.serving import Graph
        >>> def check(body):
        ...     if "user" not in body:
        ...         raise RequestError("the body lacks `user`", status=422)
        ...     return body
        >>> graph = Graph("checked")
        >>> _ = graph.to(check)
        >>> try:
        ...     graph.test({})
        ... except RequestError as error:
        ...     print(error.status, error.message)
        422 the body lacks `user`
    """

    slug = "bad-request"
    status = 400


class DependencyError(HttpError):
    """A service that a step asked failed or cannot be reached: 502."""

    slug = "dependency-failed"
    status = 502


class DependencyTimeoutError(DependencyError):
    """A service that a step asked did not answer in time: 504."""

    slug = "dependency-timeout"
    status = 504


class StepTimeoutError(HttpError):
    """A step took longer than its ``timeout``: 504. What it does in its thread goes on and is thrown away."""

    slug = "step-timeout"
    status = 504


class DeadlineError(HttpError):
    """The request's deadline passed before the answer was there: 504."""

    slug = "deadline-exceeded"
    status = 504


class NotReadyError(HttpError):
    """A model is still loading, or could not be loaded: 503."""

    slug = "not-ready"
    status = 503


class OverloadedError(HttpError):
    """More is asked than can be done now: 429 of the whole server, 503 of one step; always with ``Retry-After``."""

    slug = "overloaded"
    status = 503

    def __init__(self, message: str, *, status: int | None = None, retry_after_s: float = 1.0) -> None:
        super().__init__(message, status=status, retry_after_s=retry_after_s)


class UnknownPathError(RequestError):
    """Nothing is served under this path."""

    slug = "unknown-path"
    status = 404


class UnknownModelError(RequestError):
    """The request asks for a model that the router does not have."""

    slug = "unknown-model"
    status = 404

    def __init__(self, name: str, known_names: tuple[str, ...]) -> None:
        self.name, self.known_names = name, known_names
        super().__init__(f"there is no model `{name}`; models: {', '.join(f'`{known}`' for known in known_names)}")


class ModelNotReachedError(RequestError):
    """A step before the model sent the request another way, so that the answer is not the model's."""

    slug = "model-not-reached"
    status = 422

    def __init__(self, model: str) -> None:
        super().__init__(
            f"this request did not reach the model `{model}`: a step before it sent it another way; "
            f"ask the graph at `/` for whatever answers such a body"
        )


class MethodNotAllowedError(RequestError):
    """The path exists, but not with this method."""

    slug = "method-not-allowed"
    status = 405

    def __init__(self, method: str, path: str, allowed: str) -> None:
        self.allowed = allowed
        super().__init__(f"`{path}` does not take {method}; it takes {allowed}")


class BodyTooLargeError(RequestError):
    """The request's body is over the limit."""

    slug = "body-too-large"
    status = 413

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body is larger than {limit_bytes} bytes")


class BodyTimeoutError(RequestError):
    """The client did not send the whole body in time."""

    slug = "body-timeout"
    status = 408

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"the body was not complete after {timeout_s:g} seconds")


class BodyIncompleteError(RequestError):
    """The client closed the connection, or its half of it, before the body was complete."""

    slug = "body-incomplete"

    def __init__(self) -> None:
        super().__init__("the connection was closed before the body was complete")


class UrlTooLongError(RequestError):
    """The request's path and query are over the limit."""

    slug = "url-too-long"
    status = 414

    def __init__(self, limit: int) -> None:
        super().__init__(f"the URL is longer than {limit} characters")


class HeadersTooLargeError(RequestError):
    """The request has too many headers, or too large ones."""

    slug = "headers-too-large"
    status = 431

    def __init__(self, limit: int, limit_bytes: int) -> None:
        super().__init__(f"at most {limit} headers of {limit_bytes} bytes together are taken")


class UnsupportedMediaTypeError(RequestError):
    """The body is declared to be something that is not understood."""

    slug = "unsupported-media-type"
    status = 415

    def __init__(self, declared: str, *, expected: str = "a body of type application/json") -> None:
        super().__init__(f"expected {expected}, found `{declared:.100}`")


_SHOWN_CHARS = 40


def shown(value: object) -> str:
    """Return a JSON value as a message shows it: a value, not a document."""
    if isinstance(value, dict | list):  # may be nested deeper than `repr` can go
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
