"""What every call to the GitLab stand-in goes through: who asks, may they, which page of a list, which error.

* Tokens: https://docs.gitlab.com/api/rest/authentication/
* Job tokens: https://docs.gitlab.com/ci/jobs/ci_job_token/#job-token-access
* Status codes: https://docs.gitlab.com/api/rest/troubleshooting/#status-codes
* Pages: https://docs.gitlab.com/api/rest/#pagination
* Limits: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers
"""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tests.servers.gitlab_shapes import Shapes
from tests.servers.gitlab_state import NEEDED_LEVEL, REPORTER, JsonObject, State, Token
from tests.servers.http_server import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

_MOST_ON_A_PAGE: Final = 100
_TOTAL_IS_TOLD_UP_TO: Final = 10_000


class RefusedError(Exception):
    """The answer to a call that is not done."""

    def __init__(self, status: int, body: JsonObject, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.response = json_response(body, status, headers)


def not_found(what: str = "") -> RefusedError:
    """Return what GitLab says of a thing that is not there, or not for this user."""
    return RefusedError(404, {"message": f"404 {what} Not Found" if what else "404 Not found"})


def forbidden() -> RefusedError:
    """Return what GitLab says to a member whose role is too low."""
    return RefusedError(403, {"message": "403 Forbidden"})


def unauthorized() -> RefusedError:
    """Return what GitLab says to those it does not know."""
    return RefusedError(401, {"message": "401 Unauthorized"})


def invalid(attribute: str, problem: str) -> RefusedError:
    """Return what GitLab says of a value that its model does not take."""
    return RefusedError(400, {"message": {attribute: [problem]}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One kind of call."""

    method: str
    pattern: re.Pattern[str]
    act: Callable[[Call], object]
    needs: str | None
    """Key of ``NEEDED_LEVEL``; None: any member, and the function looks further itself."""
    for_jobs: bool
    """Whether job tokens are let in."""
    scopes: tuple[str, ...]


ROUTES: Final[list[Route]] = []


def route(
    method: str, path: str, *, needs: str | None = None, for_jobs: bool = False, scopes: Sequence[str] = ()
) -> Callable[[Callable[[Call], object]], Callable[[Call], object]]:
    """Enter a function for calls of `method` to `path`, in which ``:name`` stands for one part of a path."""
    default = ("api", "read_api") if method in {"GET", "HEAD"} else ("api",)
    pattern = re.compile(re.sub(r":(\w+)", r"(?P<\1>[^/]+)", path))

    def enter(act: Callable[[Call], object]) -> Callable[[Call], object]:
        ROUTES.append(
            Route(
                method=method,
                pattern=pattern,
                act=act,
                needs=needs,
                for_jobs=for_jobs,
                scopes=tuple(scopes) or default,
            )
        )
        return act

    return enter


@dataclass(slots=True, kw_only=True)
class Call:
    """One call by somebody who may make it."""

    state: State
    shapes: Shapes
    request: Request
    args: Mapping[str, str]
    """What stood in the path, decoded."""
    token: Token | None
    given: Mapping[str, Any] = field(default_factory=dict)
    """Query and body together."""

    @property
    def login(self) -> str:
        """Who asks."""
        if self.token is None:
            raise unauthorized()
        return self.token.login

    def may(self, action: str) -> bool:
        """Say whether the user's role is enough."""
        if self.state.level(self.token.login if self.token else None) >= NEEDED_LEVEL[action]:
            return True
        return self.state.is_public and action.startswith("read_")

    def need(self, action: str) -> None:
        """Refuse those whose role is not enough."""
        if not self.may(action):
            raise forbidden()

    def number(self, name: str) -> int:
        """Return a number of the path."""
        text = self.args[name]
        if not text.isdecimal():
            raise RefusedError(400, {"error": f"{name} is invalid"})
        return int(text)

    def required(self, name: str) -> Any:
        """Return a parameter that must be there."""
        if self.given.get(name) in {None, ""}:
            raise RefusedError(400, {"error": f"{name} is missing"})
        return self.given[name]

    def names(self, name: str) -> list[str]:
        """Return a parameter of several names: a list, or separated by commas."""
        value = self.given.get(name, self.given.get(f"{name}[]", []))
        parts = value.split(",") if isinstance(value, str) else [str(part) for part in value]
        return [part.strip() for part in parts if part.strip()]

    def page(self, things: Sequence[T], shape: Callable[[T], JsonObject]) -> Response:
        """Return one page of a list, by page number or by the place where the last one ended."""
        size = min(int(self.given.get("per_page", 20)), _MOST_ON_A_PAGE)
        if self.given.get("pagination") == "keyset":
            cursor = str(self.given.get("cursor", ""))
            start = int(base64.urlsafe_b64decode(cursor)) if cursor else 0
            after = base64.urlsafe_b64encode(str(start + size).encode()).decode()
            links = [("next", {"cursor": after})] if start + size < len(things) else []
            return self._listed([shape(thing) for thing in things[start : start + size]], links, {})
        page, last = int(self.given.get("page", 1)), max(-(-len(things) // size), 1)
        numbers = {"prev": page - 1, "next": page + 1, "first": 1, "last": last}
        shown = {name: number for name, number in numbers.items() if 1 <= number <= last}
        headers = {
            "X-Page": str(page),
            "X-Per-Page": str(size),
            "X-Next-Page": str(shown.get("next", "")),
            "X-Prev-Page": str(shown.get("prev", "")),
        }
        if len(things) <= _TOTAL_IS_TOLD_UP_TO:
            headers |= {"X-Total": str(len(things)), "X-Total-Pages": str(last)}
        links = [(name, {"page": str(number), "per_page": str(size)}) for name, number in shown.items()]
        return self._listed([shape(thing) for thing in things[(page - 1) * size : page * size]], links, headers)

    def _listed(
        self, items: list[JsonObject], links: Sequence[tuple[str, Mapping[str, str]]], headers: Mapping[str, str]
    ) -> Response:
        parts = urlsplit(self.request.target)
        asked = {**dict(parse_qsl(parts.query)), "id": str(self.state.project_id)}
        base = f"{self.shapes.address}{parts.path.removeprefix(urlsplit(self.shapes.address).path)}"
        told = ", ".join(f'<{base}?{urlencode({**asked, **more})}>; rel="{name}"' for name, more in links)
        return json_response(items, 200, {**headers, **({"Link": told} if told else {})})


def answer(state: State, address: str, request: Request) -> Response:
    """Answer one call of the REST interface below ``/api/v4``."""
    shapes = Shapes(state, address)
    path = request.path.removeprefix(f"{urlsplit(address).path}/api/v4/")
    try:
        with state.lock:
            response = _done(state, shapes, request, path)
    except RefusedError as refused:
        response = refused.response
    limits = {"Limit": "2000", "Name": "throttle_authenticated_api", "Observed": "3", "Remaining": "1997"}
    told = {f"RateLimit-{name}": value for name, value in limits.items()} | {
        "RateLimit-Reset": str(int(time.time()) + 60),
        "X-Request-Id": "01JBTEST",
    }
    return Response(status=response.status, headers={**told, **response.headers}, body=response.body)


def _done(state: State, shapes: Shapes, request: Request, path: str) -> Response:
    for one in ROUTES:
        found = one.pattern.fullmatch(path)
        if one.method != request.method or found is None:
            continue
        args = {name: unquote(text) for name, text in found.groupdict().items()}
        token = _known(state, request)
        call = Call(
            state=state, shapes=shapes, request=request, args=args, token=token, given=_given(request, one.method)
        )
        _let_in(call, one)
        result = one.act(call)
        if isinstance(result, Response):
            return result
        return json_response(result, 201 if request.method == "POST" else 200)
    return json_response({"error": "404 Not Found"}, 404)


def _known(state: State, request: Request) -> Token | None:
    """Return the token of a call; None without one.

    Raises:
        RefusedError: there is one that is not valid.
    """
    headers = request.headers
    bearer = headers.get("Authorization", "").removeprefix("Bearer ")
    given = headers.get("PRIVATE-TOKEN") or headers.get("JOB-TOKEN") or bearer
    if not given:
        return None
    token = state.tokens.get(given)
    if token is None or (token.kind == "job") != bool(headers.get("JOB-TOKEN")):
        raise unauthorized()
    if token.is_expired:
        text = "Token is expired. You can either do re-authorization or token refresh."
        raise RefusedError(401, {"error": "invalid_token", "error_description": text})
    return token


def _let_in(call: Call, one: Route) -> None:
    if call.token is not None and call.token.kind == "job" and not one.for_jobs:
        call.token = None  # to GitLab, nobody asks
    if call.token is not None and call.token.kind != "job" and not set(one.scopes) & set(call.token.scopes):
        text = "The request requires higher privileges than provided by the access token."
        scope = " ".join(one.scopes)
        raise RefusedError(403, {"error": "insufficient_scope", "error_description": text, "scope": scope})
    if call.token is None and call.request.method not in {"GET", "HEAD"}:
        raise unauthorized()
    if "id" in call.args:
        _look_at_project(call)
    elif call.token is None:
        raise unauthorized()
    if one.needs is not None:
        call.need(one.needs)


def _look_at_project(call: Call) -> None:
    state, named = call.state, call.args["id"]
    if named in state.former_paths:
        here = call.request.target.replace(quote(named, safe=""), str(state.project_id))
        raise RefusedError(301, {"message": "moved"}, {"Location": f"{_origin(call.shapes.address)}{here}"})
    is_known = named in {str(state.project_id), state.path}
    if not is_known or not (call.state.is_public or state.level(call.token.login if call.token else None)):
        raise not_found("Project")


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _given(request: Request, method: str) -> dict[str, Any]:
    query: dict[str, Any] = {}
    for name, value in parse_qsl(urlsplit(request.target).query, keep_blank_values=True):
        if name.endswith("[]"):
            query.setdefault(name, []).append(value)
        else:
            query[name] = value
    if method in {"GET", "HEAD"}:
        return query
    kind = request.headers.get("Content-Type", "").partition(";")[0]
    if kind == "application/json" and request.body:
        try:
            body = json.loads(request.body)
        except ValueError as error:
            raise RefusedError(400, {"error": "400 Bad Request: invalid JSON"}) from error
        return {**query, **(body or {})}
    if kind == "application/x-www-form-urlencoded":
        return {**query, **dict(parse_qsl(request.body.decode(), keep_blank_values=True))}
    return query


def git_user(state: State, request: Request, *, pushes: bool) -> str:
    """Return who a Git client is.

    Raises:
        RefusedError: nobody, or somebody who may not.
    """
    login: str | None = None
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind == "Basic":
        password = base64.b64decode(text).decode().partition(":")[2]
        token = state.tokens.get(password)
        needed = {"api", "write_repository"} if pushes else {"api", "read_repository", "write_repository"}
        if token is not None and not token.is_expired:
            is_enough = token.may_push or not pushes if token.kind == "job" else bool(needed & set(token.scopes))
            login = token.login if is_enough else None
            if not is_enough:
                raise RefusedError(403, {"message": "You are not allowed to push code to this project."})
    if login is None and not (state.is_public and not pushes):
        raise RefusedError(401, {"message": "HTTP Basic: Access denied"}, {"WWW-Authenticate": 'Basic realm="GitLab"'})
    if state.level(login) < (NEEDED_LEVEL["push"] if pushes else REPORTER) and not (state.is_public and not pushes):
        raise RefusedError(403, {"message": "You are not allowed to access this project."})
    return login or ""
