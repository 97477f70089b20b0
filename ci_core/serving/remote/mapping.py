"""Make a request out of an event's body: path, query and body; pure.

What a graph says is read once, when it is compiled; no text of it is ever evaluated. What a client sends can fill the
places that the graph left open, and nothing else: it cannot add or remove a part of the path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote, urlencode

from ci_core.errors import quoted
from ci_core.serving.problems import RequestError
from ci_core.serving.remote.failures import WordError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.types import JsonValue

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_LITERAL: Final = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
"""RFC 3986, section 3.3: pchar and the slash."""
_SEPARATOR: Final = re.compile(r"[/\\]")
_DOTS: Final = frozenset({".", ".."})

Source: TypeAlias = "Callable[[Any], Any]"
"""Takes a value from a body."""


class ListError(RequestError):
    """A field is wanted of a body that is a list."""


def field_of(body: Any, path: str) -> Any:
    """Return the part of `body` at a dotted path.

    Raises:
        RequestError: the body has no such part.
        ListError: the body is a list.
    """
    if isinstance(body, list):
        raise ListError(f"the body is a list, and `{path}` is a field of an object")
    part = body
    for key in path.split("."):
        if not isinstance(part, dict) or key not in part:
            raise RequestError(f"the body has no `{path}`")
        part = part[key]
    return part


def scalar_text(value: Any, name: str, place: str) -> str:
    """Return a value as it stands in a path or query.

    Raises:
        RequestError: it is no text, number, or truth value.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return str(value)
    kind = "null" if value is None else type(value).__name__
    raise RequestError(f"`{name}` is {kind}, which cannot stand in {place}")


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path with places for fields of the body: ``/v1/users/{user.id}``."""

    segments: tuple[tuple[str, ...], ...]
    """The parts between slashes; in each, literals and names of fields take turns, a literal first."""
    constant: str | None = None
    """The path, when it has no fields."""

    @classmethod
    def parse(cls, text: str) -> PathTemplate:
        """Read a template.

        Raises:
            WordError: it is none.
        """
        if text and not text.startswith("/"):
            raise WordError("it does not begin with `/`")
        literals, names = _FIELD.split(text)[::2], _FIELD.split(text)[1::2]
        if any("{" in literal or "}" in literal for literal in literals):
            raise WordError("it has a brace without its other half")
        if any("?" in literal for literal in literals):
            raise WordError("it has a `?`; a query is written as `query`")
        if not all(_LITERAL.fullmatch(literal) for literal in literals):
            raise WordError("it has a character that must be percent-encoded")
        if not all(_is_field_path(name) and "/" not in name for name in names):
            raise WordError("it has a field without a name, or with a slash; a field is written as `{a.b}`")
        if _DOTS & set(text.split("/")):
            raise WordError("it has a part `.` or `..`")
        segments = tuple(tuple(_FIELD.split(segment)) for segment in text.split("/"))
        return cls(segments, constant=None if names else text)

    def fill(self, body: Any) -> str:
        """Return the path for `body`, percent-encoded.

        Raises:
            RequestError: the body lacks a field, or has a value that would make another path of it.
        """
        if self.constant is not None:
            return self.constant
        return "/".join(segment[0] if len(segment) == 1 else _fill_segment(segment, body) for segment in self.segments)


def _fill_segment(segment: tuple[str, ...], body: Any) -> str:
    names = segment[1::2]
    values = [scalar_text(field_of(body, name), name, "a path") for name in names]
    raw = "".join(literal + value for literal, value in zip(segment[::2], [*values, ""], strict=True))
    # Encoded they would be harmless, but there are servers that decode a path before they split it.
    if not all(values) or _DOTS & set(_SEPARATOR.split(raw)):
        raise RequestError(f"{quoted(names)} cannot stand in a path: it is empty, or has a part `.` or `..`")
    try:
        encoded = [quote(value, safe="") for value in values]
    except UnicodeEncodeError:
        raise RequestError(f"{quoted(names)} cannot stand in a path: it is no valid text") from None
    return "".join(literal + value for literal, value in zip(segment[::2], [*encoded, ""], strict=True))


def read_source(value: JsonValue) -> Source:
    """Return what takes a value from a body, as the graph says it.

    Args:
        value: a dotted path of the body, or ``{"value": …}``, which is always that value.

    Raises:
        WordError: it is neither.
    """
    if isinstance(value, str) and _is_field_path(value):
        return lambda body: field_of(body, value)
    if isinstance(value, Mapping) and set(value) == {"value"}:
        constant = value["value"]
        return lambda _: constant
    raise WordError('it is neither a field of the body, such as "a.b", nor {"value": …}')


@dataclass(frozen=True, slots=True)
class QueryTemplate:
    """Names of a query and where their values come from."""

    sources: tuple[tuple[str, Source], ...]

    def fill(self, body: Any) -> str:
        """Return the query for `body` with its question mark, percent-encoded; a list gives its name several times.

        Raises:
            RequestError: the body lacks a field, or has a value that cannot stand in a query.
        """
        if not self.sources:
            return ""
        pairs: list[tuple[str, str]] = []
        for name, source in self.sources:
            value = source(body)
            values = value if isinstance(value, list) else [value]
            pairs += [(name, scalar_text(one, name, "a query")) for one in values]
        try:
            return f"?{urlencode(pairs, quote_via=quote, safe='')}" if pairs else ""
        except UnicodeEncodeError:
            raise RequestError("a value of the query is no valid text") from None


def read_body(value: JsonValue, *, has_body_by_default: bool) -> Source | None:
    """Return what makes the value that is sent; None when nothing is.

    Args:
        value: None: the whole body where the method usually has one; True: the whole body; False: nothing; a dotted
            path: that part; a mapping of names to sources: an object of them.
        has_body_by_default: whether None means the whole body.

    Raises:
        WordError: it is none of these.
    """
    if value is None:
        value = has_body_by_default
    if isinstance(value, bool):
        return _whole if value else None
    if isinstance(value, str):
        return read_source(value)
    if not isinstance(value, Mapping):
        raise WordError("it is neither true, false, a field of the body, nor a mapping of names to fields")
    sources = {name: _named_source(name, one) for name, one in value.items()}
    return lambda body: {name: source(body) for name, source in sources.items()}


def read_query(value: Mapping[str, JsonValue]) -> QueryTemplate:
    """Return the template of a query.

    Raises:
        WordError: a value is no source; the text names it.
    """
    return QueryTemplate(tuple((name, _named_source(name, one)) for name, one in value.items()))


def _named_source(name: str, value: JsonValue) -> Source:
    try:
        return read_source(value)
    except WordError as error:
        raise WordError(f"of `{name}`, {error}") from None


def _whole(body: Any) -> Any:
    return body


def _is_field_path(text: str) -> bool:
    return all(text.split("."))
