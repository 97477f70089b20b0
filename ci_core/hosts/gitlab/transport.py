"""python-gitlab's connection, with what it leaves open closed.

python-gitlab 8 follows redirects and links to next pages wherever they lead, with the ``PRIVATE-TOKEN`` in the question
(requests takes only ``Authorization`` back when the host changes); it sleeps and asks again by itself on 429, reads
answers of any size, looks into ``~/.netrc`` without a token, and its errors have no headers. The session below sends
nothing to another address, follows a redirect only for a question and only on the same server, takes a bounded answer
in a bounded time, and tells a limit with its time. Repeating is off: see ``hosts/patience.py``.

Imports python-gitlab; imported by ``client.py`` when a host is opened.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import gitlab
import requests

from ci_core.hosts._http import whole_content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.hosts.gitlab.tokens import Token

_ANSWER_LIMIT_BYTES: Final = 128 << 20
"""A page of 100 notes of the greatest length."""
_ANSWER_LIMIT_S: Final = 60.0
_MOST_REDIRECTS: Final = 3
_TOO_MANY: Final = 429


class ForeignAddressError(Exception):
    """We were about to ask another server; nothing was sent."""


class LimitReachedError(Exception):
    """The host lets us ask no more for a while."""

    def __init__(self, wait_s: float | None) -> None:
        self.wait_s = wait_s
        super().__init__(f"wait {wait_s} s")


class GuardedSession(requests.Session):
    """A session that speaks to one interface and to nothing else.

    Args:
        api_url: ``https://gitlab.example.com/api/v4``.
        clock: seconds since 1970.
    """

    def __init__(self, api_url: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._api = urlsplit(api_url)
        self._clock = clock
        self.auth = _nobody  # or else requests looks into ~/.netrc

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Ask, and return the whole answer.

        Raises:
            ForeignAddressError: the request is for another address.
            LimitReachedError: too many requests.
            UnusableAnswerError: the answer is too large.
            requests.RequestException: no answer, or not all of it.
        """
        kwargs |= {"allow_redirects": False, "stream": True}
        for _ in range(_MOST_REDIRECTS + 1):
            self._check(request.url or "")
            answer = super().send(request, **kwargs)
            with answer:
                answer._content = whole_content(  # noqa: SLF001 - where requests keeps it
                    answer, limit_bytes=_ANSWER_LIMIT_BYTES, limit_s=_ANSWER_LIMIT_S
                )
            if answer.status_code == _TOO_MANY:
                raise LimitReachedError(wait_s(answer.headers, self._clock()))
            target = urljoin(request.url or "", answer.headers.get("location", ""))
            if not (answer.is_redirect and request.method in {"GET", "HEAD"} and self._is_ours(target)):
                return answer
            request = request.copy()
            request.url = target
        raise requests.TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects")

    def _check(self, url: str) -> None:
        if not self._is_ours(url):
            parts = urlsplit(url)
            raise ForeignAddressError(f"{parts.scheme}://{parts.hostname}")

    def _is_ours(self, url: str) -> bool:
        try:
            parts, api = urlsplit(url), self._api
            is_same = (parts.scheme, parts.hostname, parts.port) == (api.scheme, api.hostname, api.port)
        except ValueError:
            return False
        is_plain = parts.username is None and "/../" not in parts.path
        return is_same and is_plain and parts.path.startswith(f"{api.path}/")


def open_gitlab(server: str, token: Token, *, timeout_s: float, verify: bool | str) -> gitlab.Gitlab:
    """Return a client of one server.

    Args:
        server: its address, with a sub-path if it has one.
        token: a job token goes into ``JOB-TOKEN``; others go as a bearer's, which GitLab takes of access tokens and of
            OAuth alike.
        timeout_s: for a connection, and between two pieces of an answer.
        verify: True, or a file of certificates to trust.
    """
    is_job = token.kind == "job"
    return gitlab.Gitlab(
        server,
        oauth_token=None if is_job else token.value,
        job_token=token.value if is_job else None,
        ssl_verify=verify,
        timeout=timeout_s,
        user_agent="graphship",
        retry_transient_errors=False,
        keep_base_url=True,
        session=GuardedSession(f"{server}/api/v4"),
    )


def wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long a limit lasts; None when the answer does not say.

    >>> wait_s({"Retry-After": "30"}, 0.0)
    30.0
    >>> wait_s({"RateLimit-Reset": "1609844400"}, 1609844390.0)
    10.0
    """
    after = headers.get("Retry-After", "")
    if after.isdecimal():
        return float(after)
    reset = headers.get("RateLimit-Reset", "")
    if reset.isdecimal() and float(reset) > now:
        return float(reset) - now
    return None


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
