"""Make requests out of events: the words of a remote step, read once and filled in for each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ci_core.serving.problems import RequestError
from ci_core.serving.remote.failures import WordError
from ci_core.serving.remote.headers import OWN, SECRET, header_line, is_name
from ci_core.serving.remote.mapping import PathTemplate, QueryTemplate, Source, read_body, read_query
from ci_core.serving.remote.methods import METHODS, WITH_BODY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.serving.event import Event
    from ci_core.types import JsonValue

T = TypeVar("T")

_PASSED_ON: Final = ("traceparent", "tracestate")
_SECRET_KEYS: Final = frozenset({"env", "prefix"})


class RequestHead(NamedTuple):
    """What stands before a request's body, without what each attempt adds."""

    target: str
    headers: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RequestTemplate:
    """Everything that is the same for all requests of a step."""

    method: str
    path: PathTemplate
    query: QueryTemplate
    body: Source | None
    """Takes what is sent from the event's body; None sends nothing."""
    headers: bytes
    """The fixed lines; they hold secrets and are never shown."""
    forwarded: tuple[str, ...]
    """Names of the headers that are passed on, lower case."""
    has_content_type: bool
    """Whether the fixed lines say what the body is."""

    def head(self, body: Any, event: Event) -> RequestHead:
        """Return the head of the request for `body`, which is the event's or a part of it.

        Raises:
            RequestError: the body lacks a field, or has a value that does not fit its place.
        """
        lines = [self.headers]
        if event.id.isascii() and event.id.isprintable():  # no header can hold another one; answers go by the same rule
            lines.append(header_line("x-event-id", event.id))
        for name in self.forwarded:
            value = event.headers.get(name)
            if value is not None:
                lines.append(_passed_line(name, value))
        return RequestHead(self.path.fill(body) + self.query.fill(body), b"".join(lines))


def read_request(
    *,
    path: str,
    method: str,
    query: Mapping[str, JsonValue] | None,
    body: JsonValue,
    headers: Mapping[str, JsonValue] | None,
    forward_headers: Sequence[str],
    secret: Callable[[str], str],
) -> RequestTemplate:
    """Return the template that the words of a graph describe.

    Args:
        path: with fields in braces.
        method: of the request.
        query: names → fields of the body.
        body: see ``mapping.read_body``.
        headers: names → texts, or ``{"env": VARIABLE, "prefix": …}``.
        forward_headers: names of headers of the request to the graph.
        secret: returns the value of an environment variable, or raises.

    Raises:
        WordError: a word makes no sense; the text says which.
        GraphshipError: what `secret` raises.
    """
    if method not in METHODS:
        raise WordError(f"has the method `{method}`; methods are {', '.join(METHODS)}")
    forwarded = _read_forwarded(forward_headers)
    names = [name.lower() for name in headers or {}]
    for name in (*names, *forwarded):
        if not is_name(name):
            raise WordError(f"has a header `{name}`, which is no name of a header")
        if name in OWN:
            raise WordError(f"has a header `{name}`, which is set for every call and cannot be changed")
    twice = sorted({name for name in (*names, *forwarded) if (*names, *forwarded).count(name) > 1})
    if twice:
        raise WordError(f"has the header `{twice[0]}` twice")
    return RequestTemplate(
        method=method,
        path=_explained("path", lambda: PathTemplate.parse(path)),
        query=_explained("query", lambda: read_query(query or {})),
        body=_explained("body", lambda: read_body(body, has_body_by_default=method in WITH_BODY)),
        headers=b"".join(_fixed_line(name, value, secret) for name, value in (headers or {}).items()),
        forwarded=(*forwarded, *_PASSED_ON),
        has_content_type="content-type" in names,
    )


def _explained(word: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except WordError as error:
        raise WordError(f"has a wrong `{word}`: {error}") from None


def _read_forwarded(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise WordError("has `forward_headers` that are no list of names")
    return tuple(name.lower() for name in names)


def _fixed_line(name: str, value: JsonValue, secret: Callable[[str], str]) -> bytes:
    if isinstance(value, Mapping):
        variable, prefix = value.get("env"), value.get("prefix", "")
        if not isinstance(variable, str) or not isinstance(prefix, str) or set(value) - _SECRET_KEYS:
            raise WordError(f'has a header `{name}` that is neither a text nor {{"env": "VARIABLE", "prefix": "…"}}')
        text = prefix + secret(variable)
    elif not isinstance(value, str):
        raise WordError(f"has a header `{name}` whose value is no text")
    elif name.lower() in SECRET:
        raise WordError(f'has the secret of the header `{name}` in the graph; write {{"env": "VARIABLE"}} instead')
    else:
        text = value
    try:
        return header_line(name.lower(), text)
    except ValueError as error:
        raise WordError(f"cannot send a header: {error}") from None


def _passed_line(name: str, value: str) -> bytes:
    try:
        return header_line(name, value)
    except ValueError as error:
        raise RequestError(f"the request cannot be passed on: {error}") from None
