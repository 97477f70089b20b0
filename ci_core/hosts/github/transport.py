"""PyGithub's requester, with what it leaves open closed.

PyGithub 2.10 follows redirects (dropping the query of the address, so that a filtered list comes back unfiltered),
waits and asks again without end on 202, reads answers of any size, takes an empty answer for an empty list and a web
page for data, and hands a broken JSON on as an exception without the status. What a wrong empty list costs here is a
second comment. So the connections below follow nothing, take a bounded answer in a bounded time, and let only JSON
through.

Repeating is off: see ``hosts/patience.py``. One connection is kept open; proxies come from the usual variables.
Imports PyGithub; imported by ``client.py`` when a host is opened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from github.Auth import Token
from github.Requester import (
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    Requester,
    RequestsResponse,
)

from ci_core.hosts._http import whole_content
from ci_core.hosts.github.answers import UnusableAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER_LIMIT_BYTES: Final = 64 << 20
"""A page of 100 comments of the greatest length, each character escaped."""
_ANSWER_LIMIT_S: Final = 60.0


class RedirectedError(Exception):
    """The host named another address; the message says which."""


@dataclass(frozen=True, slots=True)
class _Line:
    """What all requests to one host have in common."""

    session: requests.Session
    timeout_s: float
    verify: bool | str


class _Guarded:
    """A connection as PyGithub wants one; it makes one for each request, all on the one line of its class."""

    protocol: str
    line: _Line

    def __init__(self, host: str, port: int | None = None, **_options: Any) -> None:
        name = f"[{host}]" if ":" in host else host
        self._origin = f"{self.protocol}://{name}" + (f":{port}" if port else "")
        self.host = host

    def request(
        self,
        verb: str,
        url: str,
        input: Any,  # noqa: A002 - PyGithub's signature
        headers: dict[str, str],
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the same
    ) -> None:
        """Remember what to ask, as PyGithub does it in two steps."""
        self._asked = (verb, self._origin + url, headers, input)

    def getresponse(self) -> RequestsResponse:
        """Ask, and return the whole answer.

        Raises:
            requests.RequestException: no answer, or not all of it.
            RedirectedError: the answer is at another address.
            UnusableAnswerError: it is not JSON, or too much.
        """
        verb, url, headers, body = self._asked
        with self.line.session.request(
            verb,
            url,
            headers=headers,
            data=body,
            timeout=self.line.timeout_s,
            verify=self.line.verify,
            allow_redirects=False,
            stream=True,
        ) as answer:
            content = whole_content(answer, limit_bytes=_ANSWER_LIMIT_BYTES, limit_s=_ANSWER_LIMIT_S)
            return _WholeResponse(answer, usable_text(verb, answer.status_code, answer.headers, content))

    def close(self) -> None:
        """Keep the session; PyGithub says this before each request."""


class _WholeResponse(RequestsResponse):
    def __init__(self, answer: requests.Response, whole: str) -> None:
        super().__init__(answer)
        self._whole = whole

    def read(self) -> str:
        return self._whole


def open_requester(
    api_url: str, token: str | None, *, timeout_s: float, verify: bool | str, pauses_s: tuple[float, float] | None
) -> Requester:
    """Return a requester for one host.

    Args:
        api_url: ``https://api.github.com``, or an Enterprise server's with its path.
        token: None to ask as nobody.
        timeout_s: for a connection, and between two pieces of an answer.
        verify: True, or a file of certificates to trust.
        pauses_s: least time between two requests, and between two writes; None for PyGithub's own.
    """
    session = requests.Session()
    session.auth = Requester.noopAuth  # or else requests looks into ~/.netrc
    common = _Line(session, timeout_s, verify)

    class Plain(_Guarded, HTTPRequestsConnectionClass):
        protocol, line = "http", common

    class Encrypted(_Guarded, HTTPSRequestsConnectionClass):
        protocol, line = "https", common

    class OwnRequester(Requester):
        """A class of its own, since connections are set on classes."""

    OwnRequester.injectConnectionClasses(Plain, Encrypted)
    requests_pause, writes_pause = pauses_s or (0.25, 1.0)
    return OwnRequester(
        auth=Token(token) if token else None,
        base_url=api_url,
        timeout=int(timeout_s),
        user_agent="graphship",
        per_page=100,
        verify=verify,
        retry=None,
        pool_size=None,
        seconds_between_requests=requests_pause,
        seconds_between_writes=writes_pause,
        lazy=True,
    )


def usable_text(verb: str, status: int, headers: Mapping[str, str], content: bytes) -> str:
    """Return the JSON of an answer as text, empty when it has none to give.

    Of an error only the message and its details are kept; an error without JSON, such as a gateway's page, has none.
    """
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        raise RedirectedError(_origin_and_path(headers.get("location", "")))
    if status >= 400:  # noqa: PLR2004 - errors
        return json.dumps(_error(content))
    if status in {204, 205}:
        return ""
    if status == 202 and verb == "GET":  # noqa: PLR2004 - accepted: PyGithub would ask again for ever
        raise UnusableAnswerError("it is not ready")
    if not content.strip():
        raise UnusableAnswerError("it is empty")
    try:
        whole = content.decode("utf-8")
        value = json.loads(whole)
    except (ValueError, RecursionError):
        kind = "a web page" if content.lstrip()[:1] == b"<" else f"{len(content)} bytes that are not JSON"
        raise UnusableAnswerError(f"it is {kind}") from None
    if not isinstance(value, dict | list):
        raise UnusableAnswerError("it is neither a record nor a list")
    return whole


def _error(content: bytes) -> dict[str, object]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return {"message": ""}
    message, details = value.get("message"), value.get("errors")
    return {
        "message": message if isinstance(message, str) else "",
        "errors": details if isinstance(details, list) else [],
    }


def _origin_and_path(location: str) -> str:
    """Return an address without its query, in which there may be a secret."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
