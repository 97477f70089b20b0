"""The live half of a remote step: turns a body into a call and the call's answer into a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import MissingExtraError
from ci_core.serving.problems import DependencyError, RequestError
from ci_core.serving.remote.caller import Caller
from ci_core.serving.remote.client import HttpClient

try:
    import orjson
except ModuleNotFoundError as error:
    raise MissingExtraError(extra="serve", module="orjson") from error

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.event import Event
    from ci_core.serving.remote.caller import CallRules, CallState
    from ci_core.serving.remote.connection import Answer, AnswerLimits
    from ci_core.serving.remote.origin import Origin
    from ci_core.serving.remote.request import RequestTemplate


class RemoteService:
    """Asks one service for one step.

    Args:
        origin: of the service.
        template: of the requests.
        rules: of the calls.
        limits: of the answers.
        answer: ``json``, ``text`` or ``bytes``: what becomes of an answer.
    """

    def __init__(
        self, origin: Origin, template: RequestTemplate, rules: CallRules, limits: AnswerLimits, answer: str
    ) -> None:
        self._client = HttpClient(origin, limits=limits, max_kept=rules.max_in_flight)
        self._caller = Caller(self._client, rules)
        self._template = template
        self._service = rules.service
        self._read = _READERS[answer]

    @property
    def state(self) -> CallState:
        """How the calls are doing."""
        return self._caller.state

    @property
    def open_connections(self) -> int:
        """Connections, at work or idle."""
        return self._client.open_connections

    async def ask(self, body: Any, event: Event) -> Any:
        """Return the result for `body`, the event's or a part of it; None when the answer is empty JSON.

        Raises:
            HttpError: see :meth:`Caller.call`; also when the body does not fit, or the answer is of another kind.
        """
        template = self._template
        target, headers = template.head(body, event)
        payload: bytes | None = None
        if template.body is not None:
            payload, content_type = _encode(template.body(body))
            if not template.has_content_type:
                headers += content_type
        answer = await self._caller.call(
            template.method, target, headers=headers, body=payload, deadline=event.deadline
        )
        encoding = answer.header("content-encoding")
        if encoding is not None and encoding.lower() != "identity":
            raise DependencyError(f"the answer of `{self._service}` is encoded as {encoding!r:.40}, unasked")
        try:
            return self._read(answer)
        except ValueError as error:
            raise DependencyError(f"the answer of `{self._service}` cannot be read: {error}") from error

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


def _encode(value: Any) -> tuple[bytes, bytes]:
    """Return a body and its content type as a header line."""
    if isinstance(value, bytes):
        return value, b"content-type: application/octet-stream\r\n"
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), b"content-type: application/json\r\n"
    except TypeError as error:
        raise RequestError(f"the body cannot be sent as JSON: {error}") from error


def _json(answer: Answer) -> Any:
    if not answer.body:
        return None
    try:
        return orjson.loads(answer.body)
    except ValueError:
        # its own text would repeat what the service said
        raise ValueError("it is no JSON") from None


def _text(answer: Answer) -> str:
    charset = "utf-8"
    for part in (answer.header("content-type") or "").split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    if charset not in _CHARSETS:
        raise ValueError("it is in a character set that is not known here")
    try:
        return answer.body.decode(charset)
    except UnicodeDecodeError:
        raise ValueError(f"it is not {charset}") from None


def _bytes(answer: Answer) -> bytes:
    return answer.body


# Python knows more names, and some of them stand for codecs that are no character sets
_CHARSETS: Final = frozenset(
    {"ascii", "iso-8859-1", "iso-8859-15", "latin-1", "us-ascii", "utf-8", "utf8", "windows-1252"}
)

_READERS: Final[dict[str, Callable[[Answer], Any]]] = {"json": _json, "text": _text, "bytes": _bytes}
