"""The one place through which GitLab is asked: one call in, one answer of ours or one error of ours out.

python-gitlab's client speaks to GitLab; its classes of objects are not used: they take whatever they are given, and a
web page for an empty list costs a second comment here. What we need of an answer is read strictly, by a function that
is given with the call.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from ci_core.errors import HostError, InvalidVariableError, MissingExtraError
from ci_core.hosts._answers import UnusableAnswerError, record, rows
from ci_core.hosts._http import certificates, why_no_answer
from ci_core.hosts.gitlab.refusals import Answer, Doing, Refusals
from ci_core.hosts.gitlab.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests
    from gitlab import Gitlab

    from ci_core.hosts._answers import Json
    from ci_core.hosts.choose import HostChoice
    from ci_core.hosts.patience import Patience

T = TypeVar("T")

PAGE: Final = 100
"""The most that GitLab gives at once."""
_MOST_PAGES: Final = 1_000
_PROJECT: Final = re.compile(r"\d+|(?:\w[\w.+-]*/)+\w[\w.+-]*", re.ASCII)
_CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "CI_SERVER_TLS_CA_FILE")


class Client:
    """Asks GitLab about one project.

    Args:
        choice: which project, with which token.
        patience: how long to wait.
        env: variables of the job; those that name certificates, and the job's own token, are read here.
        timeout_s: for a connection, and between two pieces of an answer.
    """

    def __init__(self, choice: HostChoice, patience: Patience, env: Mapping[str, str], *, timeout_s: float) -> None:
        if not _PROJECT.fullmatch(choice.repository):
            raise InvalidVariableError(
                variable="GRAPHSHIP_REPOSITORY", value=choice.repository, expected="a project: `group/name`"
            )
        self.token = Token.of(choice, env)
        self.project = f"/projects/{quote(choice.repository, safe='')}"
        self.web_url = f"{choice.web_url}/{choice.repository}"
        self.env = env
        self.repository = choice.repository
        self.refusals = Refusals(place=self.web_url.partition("://")[2], project=choice.repository, token=self.token)
        self._patience = patience
        self._gitlab = _gitlab(choice.api_url, self.token, env, timeout_s)

    def get(self, doing: Doing, path: str, read: Callable[[Json], T], **query: object) -> T:
        """Return what `read` makes of a record; asked again when there is no answer.

        Args:
            doing: for messages.
            path: below ``/api/v4``.
            read: picks what is needed out of the answer; what it misses makes the answer unusable.
            query: of the address.

        Raises:
            HostError: see ``refusals.py``.
        """
        return self._patience.read(lambda: self._once(doing, "get", path, partial(_of_record, read), query=query))

    def content(self, doing: Doing, path: str, **query: object) -> bytes:
        """Return a body as it is."""
        return self._patience.read(lambda: self._once(doing, "get", path, lambda answer: answer.content, query=query))

    def pages(self, doing: Doing, path: str, read: Callable[[Json], T], **query: object) -> Iterator[T]:
        """Yield what `read` makes of each record of a list, to its last page; each page is asked for when it is due."""
        following: str | None = path
        asked: Mapping[str, object] = {**query, "per_page": PAGE}
        for _ in range(_MOST_PAGES):
            page = partial(self._once, doing, "get", following or path, partial(_of_page, read), query=asked)
            found, following = self._patience.read(page)
            yield from found
            if following is None:
                return
            asked = {}  # they are in the address of the next page
        raise self.refusals.unusable(doing, f"it has more than {_MOST_PAGES} pages")

    def write(self, doing: Doing, verb: str, path: str, data: Json, read: Callable[[Json], T]) -> T:
        """Return what `read` makes of the answer to a write; never asked twice unless GitLab says it did nothing."""
        self._check_token(doing)
        return self._patience.write(lambda: self._once(doing, verb, path, partial(_of_record, read), data=data))

    def repeat(self, doing: Doing, verb: str, path: str, data: Json, read: Callable[[Json], T]) -> T:
        """As :meth:`write`, for what may be done twice and is then as if done once; asked again as a read is."""
        self._check_token(doing)
        return self._patience.read(lambda: self._once(doing, verb, path, partial(_of_record, read), data=data))

    def delete(self, doing: Doing, path: str) -> None:
        """Remove something."""
        self._check_token(doing)
        self._patience.write(lambda: self._once(doing, "delete", path, lambda _answer: None))

    def upload(self, doing: Doing, path: str, name: str, content: bytes, read: Callable[[Json], T]) -> T:
        """Send a file; a second copy of one does no harm, so it is asked again as a read is."""
        self._check_token(doing)
        return self._patience.read(
            lambda: self._once(doing, "post", path, partial(_of_record, read), files={"file": (name, content)})
        )

    def _check_token(self, doing: Doing) -> None:
        if self.token.value is None:
            raise self.refusals.token_error(doing)

    def _once(
        self,
        doing: Doing,
        verb: str,
        path: str,
        read: Callable[[requests.Response], T],
        *,
        query: Mapping[str, object] | None = None,
        data: Json | None = None,
        files: Mapping[str, object] | None = None,
    ) -> T:
        """Ask once; return what `read` makes of the answer.

        Raises:
            HostError: the error of ours that the answer, or the lack of one, stands for.
        """
        if self.token.kind == "job" and not doing.for_jobs:
            raise self.refusals.not_for_jobs(doing)
        if not self.token.is_sendable:
            raise self.refusals.token_error(doing)
        try:
            return read(
                self._gitlab.http_request(
                    verb,
                    path,
                    query_data=dict(query or {}),
                    post_data=None if data is None else dict(data),
                    files=None if files is None else dict(files),
                    obey_rate_limit=False,
                    retry_transient_errors=False,
                )
            )
        except Exception as error:
            translated = translated_error(error, doing, self.refusals)
            if translated is None:
                raise
            raise translated from error


def translated_error(error: Exception, doing: Doing, refusals: Refusals) -> HostError | None:
    """Return the error of ours that an exception of python-gitlab or requests stands for; None for our own mistake."""
    from gitlab.exceptions import GitlabError, RedirectError
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    from ci_core.hosts.gitlab.transport import ForeignAddressError, LimitReachedError

    match error:
        case UnusableAnswerError():
            return refusals.unusable(doing, str(error))
        case LimitReachedError():
            return refusals.limit(doing, error.wait_s)
        case ForeignAddressError() | RedirectError():
            return refusals.translate(Answer(status=301, body={}), doing)
        case GitlabError():
            status = error.response_code or 0
            return refusals.translate(Answer(status=status, body=_parsed(error.response_body)), doing)
        case RequestException() | HTTPError():
            return refusals.unreachable(doing, why_no_answer(error))
        case _:
            return None


def _parsed(content: bytes | None) -> object:
    try:
        return json.loads(content or b"")
    except (ValueError, RecursionError):
        return None


def _value(answer: requests.Response) -> object:
    content = answer.content
    if not content.strip():
        raise UnusableAnswerError("it is empty")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        kind = "a web page" if content.lstrip()[:1] == b"<" else f"{len(content)} bytes that are not JSON"
        raise UnusableAnswerError(f"it is {kind}") from None


def _of_record(read: Callable[[Json], T], answer: requests.Response) -> T:
    return read(record(_value(answer)))


def _of_page(read: Callable[[Json], T], answer: requests.Response) -> tuple[list[T], str | None]:
    """Return what is read, and the path of the next page, below our own address whatever the host calls itself."""
    found = [read(row) for row in rows(_value(answer))]
    following: Any = answer.links.get("next", {}).get("url")
    if following is None:
        return found, None
    _, is_ours, path = str(following).partition("/api/v4/")
    if not is_ours:
        raise UnusableAnswerError("its next page is no address of GitLab's interface")
    return found, f"/{path}"


def _gitlab(server: str, token: Token, env: Mapping[str, str], timeout_s: float) -> Gitlab:
    try:
        from ci_core.hosts.gitlab.transport import open_gitlab
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra="gitlab", module="gitlab") from error
    return open_gitlab(server, token, timeout_s=timeout_s, verify=certificates(env, _CERTIFICATES) or True)
