"""The addresses of the GitHub stand-in: who is asking, may they, what is answered, and would GitHub say so."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.servers import github_checks, github_code, github_pulls, github_records, github_talk
from tests.servers.github_answers import Call, Route, Routes
from tests.servers.github_emulator import OWNER
from tests.servers.github_hub import NAME, Hub
from tests.servers.github_refused import Refused
from tests.servers.http_server import Request, Response, json_response
from tests.servers.openapi import github_description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers.github_access import Role, Token

GIT_ADDRESS: Final = re.compile(
    r"/(?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/(?P<service>info/refs|git-upload-pack|git-receive-pack)"
)
_MISDESCRIBED: Final = re.compile(r"labels\[\d+\]\.description: None|head\.repo: None")
"""What GitHub's description does not allow, and GitHub sends: labels without a description, heads without a fork."""
UNDESCRIBED: Final = {("POST", "/graphql"), ("GET", "/repos/{owner}/{repo}/statuses/{ref}")}
"""Addresses that GitHub has and its description of the REST interface has not."""
_ANSWERS_JUDGED: Final = 3
"""Of each address, answers of one server that are held against the description: that takes longer than to give them."""
routes = Routes()


@routes("GET", "", "metadata=read")
def get_repository(call: Call) -> Response:
    call.hub.store(call.names["owner"])
    role = None if call.token is None or call.token.is_integration else call.role
    return json_response(call.hub.repository_json(call.names["owner"], role))


@routes("GET", "/user")
def get_user(call: Call) -> Response:
    if call.token is None:
        raise Refused(401, "Requires authentication")
    if call.token.is_integration:
        raise Refused(403, "Resource not accessible by integration")
    return json_response(call.hub.user(call.login))


@routes("GET", "/users/{login}")
def get_other_user(call: Call) -> Response:
    return json_response(call.hub.user(call.names["login"]))


@routes("GET", "/installation/repositories")
def list_installation(call: Call) -> Response:
    if call.token is None or not call.token.is_integration:
        raise Refused(403, "You must authenticate with an installation access token in order to list repositories.")
    return json_response({"total_count": 1, "repositories": [call.hub.repository_json(OWNER, None)]})


@routes("GET", "/rate_limit")
def rate_limit(call: Call) -> Response:
    core = call.hub.tokens.budget(call.token)
    shown = {"limit": core.limit, "used": core.used, "remaining": core.remaining, "reset": core.reset}
    return json_response({"resources": {"core": shown, "search": shown}, "rate": shown})


@routes("GET", "collaborators/{login}/permission", "metadata=read")
def get_role(call: Call) -> Response:
    login = call.names["login"]
    role = call.hub.role(login)
    return json_response({"permission": role, "role_name": role, "user": call.hub.user(login)})


@routes("POST", "/graphql")
def graphql(call: Call) -> Response:
    if call.token is None:
        raise Refused(401, "This endpoint requires you to be authenticated.")
    query = re.sub(r"\s+", " ", str(call.body.get("query", "")))
    if not re.fullmatch(r"(query ?\w* ?)?\{ ?viewer ?\{ ?(login|databaseId|id|__typename| )+\} ?\}", query.strip()):
        raise AssertionError(f"the stand-in's GraphQL knows viewer {{ login }} alone, and was asked: {query}")
    user = call.hub.user(call.login)
    return json_response(
        {"data": {"viewer": {"login": user["login"], "databaseId": user["id"], "id": user["node_id"]}}}
    )


ALL_ROUTES: Final[tuple[Route, ...]] = tuple(
    route
    for module in (
        routes,
        *(module.routes for module in (github_talk, github_pulls, github_code, github_records, github_checks)),
    )
    for route in module.all
)


class Interface:
    """Answers requests: to the interface, and Git's."""

    def __init__(self, hub: Hub, prefix: str) -> None:
        self.hub = hub
        self._prefix = tuple(prefix.strip("/").split("/")) if prefix else ()
        self._judged: Counter[Route] = Counter()
        self.problems: list[str] = []
        """What a test should fail for although the client was answered."""

    def __call__(self, request: Request) -> Response:
        """Answer."""
        try:
            git = GIT_ADDRESS.fullmatch(request.path)
            if git is not None:
                return self._git(request, git["owner"], git["name"], git["service"])
            with self.hub.lock:
                return self._rest(request)
        except Refused as refused:
            return refused.response()
        except Exception as error:  # noqa: BLE001 - told to the test; the client sees what a broken server answers
            self.problems.append(f"{request.method} {request.target}: {type(error).__name__}: {error}")
            return json_response({"message": "Server Error"}, 500)

    def _rest(self, request: Request) -> Response:
        try:
            token = self.hub.tokens.of(request)
        except Refused as refused:
            return refused.response()
        budget = self.hub.tokens.budget(token)
        headers = {**budget.headers(), **_token_headers(token), "X-GitHub-Media-Type": "github.v3; format=json"}
        if not request.path.endswith("/rate_limit"):
            budget.used += 1
        headers |= budget.headers()
        if budget.used > budget.limit:
            whose = "installation ID 1" if token and token.is_integration else "user ID 1"
            return _with(Refused(403, f"API rate limit exceeded for {whose}.").response(), headers)
        parts = self._below_prefix(tuple(part for part in request.parts if part))
        found = [(route, names) for route in ALL_ROUTES if (names := route.match(request.method, parts)) is not None]
        if not found:
            self.problems.append(f"the stand-in has no {request.method} {request.path}")
            return _with(Refused(404, "Not Found").response(), headers)
        route, names = found[0]
        if token is None or token.permissions is not None:
            headers["X-Accepted-GitHub-Permissions"] = "; ".join(route.needs)
        try:
            answer = self._answer(request, token, route, names)
        except Refused as refused:
            return _with(refused.response(), headers)
        self._judge(route, request, answer)
        return _with(answer, headers)

    def _below_prefix(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the path within the interface; on Enterprise GraphQL lies beside it."""
        if self._prefix and parts == (*self._prefix[:-1], "graphql"):
            return ("graphql",)
        size = len(self._prefix)
        return parts[size:] if parts[:size] == self._prefix else ("outside the interface",)

    def _judge(self, route: Route, request: Request, answer: Response) -> None:
        """Hold what went through against GitHub's own description."""
        if (route.method, route.pattern) in UNDESCRIBED:
            return
        description = github_description()
        problems = description.request_problems(route.pattern, request)
        self._judged[route] += 1
        is_json = answer.body and answer.headers.get("Content-Type") == "application/json"
        if is_json and self._judged[route] <= _ANSWERS_JUDGED:
            content = json.loads(answer.body)
            found = description.answer_problems(route.pattern, request.method, answer.status, content)
            problems += [one for one in found if not _MISDESCRIBED.search(one)]
        self.problems += [f"{request.method} {request.path}: {problem}" for problem in problems]

    def _answer(self, request: Request, token: Token | None, route: Route, names: Mapping[str, str]) -> Response:
        if "repo" in names:
            self.hub.store(names["owner"])
            if names["repo"] != NAME:
                raise Refused(404, "Not Found")
        call = Call(hub=self.hub, request=request, token=token, names=names, body={})
        call.need(*route.needs)
        try:
            body = request.json()
        except ValueError:
            raise Refused(400, "Problems parsing JSON") from None
        return route.answer(Call(hub=self.hub, request=request, token=token, names=names, body=body))

    def _git(self, request: Request, owner: str, name: str, service: str) -> Response:
        """Let Git read and write, as far as the token may."""
        challenge = {"WWW-Authenticate": 'Basic realm="GitHub"'}
        try:
            token = self.hub.tokens.of(request)
        except Refused:
            return Response(status=401, headers=challenge, body=b"Bad credentials")
        is_write = "git-receive-pack" in (service, request.query.get("service"))
        if token is None and (is_write or self.hub.is_private):
            return Response(status=401, headers=challenge, body=b"No anonymous access")
        store = self.hub.repository if owner == OWNER else self.hub.forks.get(owner)
        if store is None or name != NAME:
            return Response(status=404, body=b"Repository not found.")
        if token is not None:
            need = "contents=write" if is_write else "contents=read"
            role: Role = "write" if token.is_integration or owner == token.login else self.hub.role(token.login)
            if not token.may(need, role, is_private=self.hub.is_private):
                said = f"Permission to {owner}/{name}.git denied to {token.login}."
                return Response(status=403, headers={"Content-Type": "text/plain"}, body=said.encode())
        if is_write and self.hub.is_archived:
            return Response(status=403, body=b"This repository was archived so it is read-only.")
        return store.serve(request, service, token.login if token else None)


def _with(response: Response, headers: Mapping[str, str]) -> Response:
    return Response(status=response.status, headers={**headers, **response.headers}, body=response.body)


def _token_headers(token: Token | None) -> dict[str, str]:
    if token is None:
        return {}
    headers = {}
    if token.kind == "personal" and token.permissions is None:
        headers = {"X-OAuth-Scopes": ", ".join(token.scopes), "X-Accepted-OAuth-Scopes": "repo"}
    if token.expires_at is not None:
        headers["GitHub-Authentication-Token-Expiration"] = token.expires_at
    return headers
