"""The one place through which GitHub is asked: one call in, one answer of ours or one error of ours out.

PyGithub's requester speaks to GitHub; its classes of objects are not used. They ask once more, unseen, for whatever is
missing in an answer, and the number of our calls is a promise; and they take an empty or foreign answer for an empty
list. What we need of an answer is read strictly, by a function that is given with the call, and a list is a list.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from ci_core.errors import HostError, HostTokenError, InvalidVariableError, MissingExtraError
from ci_core.hosts._http import certificates, why_no_answer
from ci_core.hosts.github.answers import Json, UnusableAnswerError, part, record, rows
from ci_core.hosts.github.permissions import Token
from ci_core.hosts.github.refusals import Answer, Doing, Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from github.Requester import Requester

    from ci_core.hosts.choose import HostChoice
    from ci_core.hosts.patience import Patience

T = TypeVar("T")

_API_VERSION: Final = "2022-11-28"
_PAGE: Final = 100
"""The most that GitHub gives at once."""
_MOST_PAGES: Final = 1_000
_REPOSITORY: Final = re.compile(r"[\w-][\w.-]*/(?!\.\.?$)[\w.-]+", re.ASCII)
_CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


_NONE: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Request:
    doing: Doing
    verb: str
    path: str
    parameters: Mapping[str, object] = field(default_factory=lambda: _NONE)
    body: Json | None = None


class Client:
    """Asks GitHub about one repository.

    Args:
        choice: which repository, with which token.
        patience: how long to wait.
        env: variables of the job; those that name certificates are read here.
        pace: whether to leave the pauses between requests that GitHub asks of its clients.
        timeout_s: for a connection, and between two pieces of an answer.
    """

    def __init__(
        self, choice: HostChoice, patience: Patience, env: Mapping[str, str], *, pace: bool, timeout_s: float
    ) -> None:
        if not _REPOSITORY.fullmatch(choice.repository):
            raise InvalidVariableError(
                variable="GRAPHSHIP_REPOSITORY", value=choice.repository, expected="a repository: `owner/name`"
            )
        self.token = Token.of(choice)
        self.owner = choice.repository.partition("/")[0]
        self.repository = choice.repository
        self.path = f"/repos/{choice.repository}"
        self.web_url = f"{choice.web_url}/{choice.repository}"
        self.refusals = Refusals(place=self.web_url.partition("://")[2], repository=choice.repository, token=self.token)
        self._patience = patience
        self._base = urlsplit(choice.api_url)
        self._requester = _requester(choice.api_url, self.token, env, pace=pace, timeout_s=timeout_s)
        self._one_at_a_time = threading.Lock()  # a requester is not made for threads

    def say(self, line: str) -> None:
        """Tell the run what was left out."""
        self._patience.say(line)

    def get(self, doing: Doing, path: str, read: Callable[[Json], T]) -> T:
        """Return what `read` makes of a record; asked again when there is no answer.

        Args:
            doing: for messages.
            path: below the interface's address, beginning with ``/``.
            read: picks what is needed out of the answer; what it misses makes the answer unusable.

        Raises:
            HostError: see ``refusals.py``.
        """
        return self.look(doing, path, read)[0]

    def look(self, doing: Doing, path: str, read: Callable[[Json], T]) -> tuple[T, Mapping[str, str]]:
        """As :meth:`get`, with the headers of the answer, whose names are in lower case."""
        return self._patience.read(lambda: self._once(_Request(doing, "GET", path), partial(_of_record, read)))

    def get_any(
        self, doing: Doing, path: str, read: Callable[[object], T], parameters: Mapping[str, object] = _NONE
    ) -> T:
        """As :meth:`get`, for an answer that may be something else than a record."""
        return self._patience.read(lambda: self._once(_Request(doing, "GET", path, parameters), read))[0]

    def pages(
        self,
        doing: Doing,
        path: str,
        read: Callable[[Json], T],
        *,
        parameters: Mapping[str, object] = _NONE,
        within: str | None = None,
    ) -> Iterator[T]:
        """Yield what `read` makes of each record of a list, to its last page; each page is asked for when it is due.

        Args:
            doing: for messages.
            path: of the list.
            read: as in :meth:`get`.
            parameters: of the address.
            within: the name of the list, where GitHub puts it into a record.

        Raises:
            HostError: see ``refusals.py``.
        """
        request = _Request(doing, "GET", path, {**parameters, "per_page": _PAGE})
        for _ in range(_MOST_PAGES):
            found, following = self._patience.read(partial(self._page, request, read, within))
            yield from found
            if following is None:
                return
            request = _Request(doing, "GET", following)
        raise self.refusals.unusable(doing, f"it has more than {_MOST_PAGES} pages")

    def first_page(self, doing: Doing, path: str, read: Callable[[Json], T]) -> list[T]:
        """Return what `read` makes of each record on the first page of a list."""
        request = _Request(doing, "GET", path, {"per_page": _PAGE})
        return self._patience.read(partial(self._page, request, read, None))[0]

    def write(self, doing: Doing, verb: str, path: str, body: Json, read: Callable[[Json], T]) -> T:
        """Return what `read` makes of the answer to a write; never asked twice unless GitHub says it did nothing.

        Raises:
            HostTokenError: there is no token; nothing is asked then.
            HostError: see ``refusals.py``.
        """
        self._check_token(doing)
        return self._patience.write(
            lambda: self._once(_Request(doing, verb, path, body=body), partial(_of_record, read))
        )[0]

    def repeat(self, doing: Doing, verb: str, path: str, body: Json, read: Callable[[object], T]) -> T:
        """As :meth:`write`, for what may be done twice and is then as if done once; asked again as a read is."""
        self._check_token(doing)
        return self._patience.read(lambda: self._once(_Request(doing, verb, path, body=body), read))[0]

    def delete(self, doing: Doing, path: str) -> None:
        """Remove something."""
        self._check_token(doing)
        self._patience.write(lambda: self._once(_Request(doing, "DELETE", path), _nothing))

    def may(self, doing: Doing, path: str) -> bool | None:
        """Tell whether our token may do something, by asking for it with an empty body: nothing can come of that.

        GitHub says 403 when a permission is missing and, only to those who have it, 422 when the body is wrong. That
        order is observed, not promised: what is answered otherwise is no answer.

        Args:
            doing: for messages.
            path: of a ``POST`` whose body has something that it must have.
        """
        try:
            self._patience.read(lambda: self._once(_Request(doing, "POST", path, body={}), _nothing))
        except HostError as error:
            if error.is_temporary or isinstance(error, HostTokenError):
                raise
            return {403: False, 422: True}.get(getattr(error.__cause__, "status", 0))
        return None

    def graphql(self, doing: Doing, query: str, read: Callable[[Json], T]) -> T:
        """Return what `read` makes of the data that a query gives."""
        request = _Request(doing, "POST", self._requester.graphql_url, body={"query": query})
        answer = self._patience.read(lambda: self._once(request, partial(_of_data, read)))[0]
        if answer is None:
            raise self.refusals.refused(doing, "it did not answer the query")
        return answer

    def _check_token(self, doing: Doing) -> None:
        if self.token.value is None:
            raise self.refusals.token_error(doing)

    def _page(self, request: _Request, read: Callable[[Json], T], within: str | None) -> tuple[list[T], str | None]:
        def items(answer: object) -> list[T]:
            listed = answer if within is None else record(answer).get(within)
            return [read(row) for row in rows(listed)]

        found, headers = self._once(request, items)
        return found, self._next_page(request.doing, headers.get("link", ""))

    def _next_page(self, doing: Doing, links: str) -> str | None:
        """Return the path of the next page. One on another server gets neither our question nor our token."""
        from requests.utils import parse_header_links

        following = next((link["url"] for link in parse_header_links(links) if link.get("rel") == "next"), None)
        if following is None:
            return None
        url, base = urlsplit(following), self._base
        try:
            is_ours = (url.scheme, url.hostname, url.port) == (base.scheme, base.hostname, base.port)
        except ValueError:
            is_ours = False
        if not (is_ours and url.path.startswith(f"{base.path}/")):
            raise self.refusals.refused(doing, f"the next page is said to be on `{url.scheme}://{url.netloc}`")
        return f"{url.path.removeprefix(base.path)}?{url.query}"

    def _once(self, request: _Request, read: Callable[[Any], T]) -> tuple[T, Mapping[str, str]]:
        """Ask once; return what `read` makes of the answer, and its headers.

        Raises:
            HostError: the error of ours that the answer, or the lack of one, stands for.
        """
        if not self.token.is_sendable:
            raise self.refusals.token_error(request.doing)
        try:
            with self._one_at_a_time:
                headers, answer = self._requester.requestJsonAndCheck(
                    request.verb,
                    request.path,
                    parameters=dict(request.parameters),
                    headers={"X-GitHub-Api-Version": _API_VERSION},
                    input=request.body,
                )
            result = read(answer)
        except Exception as error:
            translated = translated_error(error, request.doing, self.refusals)
            if translated is None:
                raise
            raise translated from error
        self.refusals.is_known_to_exist = True
        return result, headers


def translated_error(error: Exception, doing: Doing, refusals: Refusals) -> HostError | None:
    """Return the error of ours that an exception of PyGithub or requests stands for; None for a mistake of our own."""
    from github import GithubException
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    from ci_core.hosts.github.transport import RedirectedError

    match error:
        case UnusableAnswerError():
            return refusals.unusable(doing, str(error))
        case RedirectedError():
            hint = "name the repository, and its host, by the present name: `GRAPHSHIP_REPOSITORY`, `GRAPHSHIP_API_URL`"
            return refusals.refused(doing, f"it is now at `{error}`", hint=hint)
        case GithubException():
            data = error.data if isinstance(error.data, dict) else {}
            details = data.get("errors")
            answer = Answer(
                status=error.status,
                message=str(data.get("message") or ""),
                details=tuple(d for d in details if isinstance(d, dict)) if isinstance(details, list) else (),
                headers=error.headers or {},
            )
            return refusals.translate(answer, doing)
        case RequestException() | HTTPError():
            return refusals.unreachable(doing, why_no_answer(error))
        case _:
            return None


def _nothing(_answer: object) -> None: ...


def _of_record(read: Callable[[Json], T], answer: object) -> T:
    return read(record(answer))


def _of_data(read: Callable[[Json], T], answer: object) -> T | None:
    """Return what `read` makes of the data; None when there are errors in its place."""
    given = record(answer)
    return None if given.get("data") is None and "errors" in given else read(part(given, "data"))


def _requester(api_url: str, token: Token, env: Mapping[str, str], *, pace: bool, timeout_s: float) -> Requester:
    try:
        from ci_core.hosts.github.transport import open_requester
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra="github", module="github") from error
    return open_requester(
        api_url,
        token.value,
        timeout_s=timeout_s,
        verify=certificates(env, _CERTIFICATES) or True,
        pauses_s=None if pace else (0.0, 0.0),
    )
