"""Failures of one request that become an HTTP answer; they never end the process and have no exit code.

Steps and models may raise :class:`RequestError` to refuse a request; any other exception is the server's own fault and
becomes a 500 without details.
"""

from __future__ import annotations

from typing import ClassVar


class RequestError(Exception):
    """The request cannot be answered, and the fault is the client's.

    Attributes:
        message: told to the client.
        status: HTTP status, 4xx.
    """

    slug: ClassVar[str] = "bad-request"
    status: ClassVar[int] = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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


class UnsupportedMediaTypeError(RequestError):
    """The body is declared to be something other than JSON."""

    slug = "unsupported-media-type"
    status = 415

    def __init__(self, content_type: str) -> None:
        super().__init__(f"expected a body of type application/json, found `{content_type}`")
