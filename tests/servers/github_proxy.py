"""A stand-in for GitHub: its REST interface, one GraphQL query and Git over HTTP, for one repository ``acme/flights``.

::

    with github_server(tmp_path) as server:
        github.Github(base_url=server.api_url, auth=github.Auth.Token(server.token("ada")))

Who keeps what (there is one truth for each):

* **emulate** (npm, a process of its own): users, issues, comments, labels, and their numbers and times. A pull request
  is an issue there, as it is on GitHub.
* **Git**: branches, commits, files, merges, in a real bare repository that Git itself reads and writes at
  ``server.git_url``. The heads of open pull requests are read from it whenever somebody asks.
* **this proxy**: what joins the two (``github_pulls.py``), statuses, deployments and check runs
  (``github_records.py``), tokens and permissions (``github_access.py``), limits, faults (``fault_proxy.py``), and
  GitHub's names on all that emulate says.

Order of refusals: 401 for an unknown token, 404 for an unknown address or a repository that the token may not see, 403
for a missing permission, 400 for what is no JSON, then 404, 410 and 422 by the route. Whether GitHub looks for the
permission or the number first is not documented.

Limits: users are those of ``github_emulator.LOGINS``; one repository and its forks; no reviews, teams, milestones,
projects, releases, hooks or Actions; GraphQL knows ``viewer { login }``; a rename is shown as a removal and an
addition; labels are matched by exact case. A route that is not here is a failure of the test and not only a 404.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.servers import github_code, github_pulls, github_records, github_talk
from tests.servers.fault_proxy import FaultPlan, Front, Recorded, faulty_server
from tests.servers.github_answers import Call, Route, Routes
from tests.servers.github_emulator import LOGINS, OWNER
from tests.servers.github_hub import NAME, Hub
from tests.servers.github_refused import Refused
from tests.servers.http_server import Request, Response, json_response
from tests.servers.openapi import github_description

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ci_core.types import CommitId
    from tests.servers.github_access import Role, Token, TokenKind

_GIT: Final = re.compile(
    r"/(?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/(?P<service>info/refs|git-upload-pack|git-receive-pack)"
)
_MISDESCRIBED: Final = re.compile(r"labels\[\d+\]\.description: None|head\.repo: None")
"""What GitHub's description does not allow, and GitHub sends: labels without a description, heads without a fork."""
_UNDESCRIBED: Final = {("POST", "/graphql"), ("GET", "/repos/{owner}/{repo}/statuses/{ref}")}
"""Addresses that GitHub has and its description of the REST interface has not."""
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
    return json_response({"resources": {"core": {}}, "rate": {}})


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


_ALL: Final[tuple[Route, ...]] = tuple(
    route
    for module in (routes, github_talk.routes, github_pulls.routes, github_code.routes, github_records.routes)
    for route in module.all
)


@dataclass(slots=True)
class _Budget:
    """Requests of one token in this hour."""

    limit: int
    used: int
    reset: int

    def headers(self) -> dict[str, str]:
        values = {
            "Limit": self.limit,
            "Remaining": max(self.limit - self.used, 0),
            "Used": self.used,
            "Reset": self.reset,
        }
        return {**{f"X-RateLimit-{name}": str(value) for name, value in values.items()}, "X-RateLimit-Resource": "core"}


class _Interface:
    """Answers requests: to the interface, and Git's."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.budgets: dict[str, _Budget] = {}
        self.problems: list[str] = []
        """What a test should fail for although the client was answered."""

    def __call__(self, request: Request) -> Response:
        """Answer."""
        try:
            git = _GIT.fullmatch(request.path)
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
        budget = self._budget(token)
        headers = {**budget.headers(), **_token_headers(token), "X-GitHub-Media-Type": "github.v3; format=json"}
        if request.path != "/rate_limit":
            budget.used += 1
        headers |= budget.headers()
        if budget.used > budget.limit:
            whose = "installation ID 1" if token and token.is_integration else "user ID 1"
            return _with(Refused(403, f"API rate limit exceeded for {whose}.").response(), headers)
        parts = tuple(part for part in request.parts if part)
        parts = parts[2:] if parts[:2] == ("api", "v3") else parts[1:] if parts == ("api", "graphql") else parts
        found = [(route, names) for route in _ALL if (names := route.match(request.method, parts)) is not None]
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

    def _judge(self, route: Route, request: Request, answer: Response) -> None:
        """Hold what went through against GitHub's own description."""
        if (route.method, route.pattern) in _UNDESCRIBED:
            return
        description = github_description()
        problems = description.request_problems(route.pattern, request)
        if answer.body and answer.headers.get("Content-Type") == "application/json":
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
        if request.path == "/rate_limit":
            core = self._budget(token)
            shown = {"limit": core.limit, "used": core.used, "remaining": core.limit - core.used, "reset": core.reset}
            return json_response({"resources": {"core": shown, "search": shown}, "rate": shown})
        return route.answer(Call(hub=self.hub, request=request, token=token, names=names, body=body))

    def _budget(self, token: Token | None) -> _Budget:
        limit = 60 if token is None else {"job": 1000}.get(token.kind, 5000)
        return self.budgets.setdefault(
            token.value if token else "", _Budget(limit=limit, used=0, reset=int(time.time()) + 3600)
        )

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


class GitHubServer:
    """A running stand-in, and what people do on it."""

    def __init__(self, hub: Hub, front: Front, interface: _Interface) -> None:
        self.hub, self._front, self._interface = hub, front, interface
        self.api_url = self.web_url = front.url
        self.repository = f"{OWNER}/{NAME}"
        self.git_url = f"{front.url}/{self.repository}.git"
        self.git_folder = hub.repository.folder
        """The bare repository itself, for a look that asks nobody."""

    @property
    def requests(self) -> list[Recorded]:
        """Everything that was asked, Git's requests too."""
        return self._front.requests

    @property
    def faults(self) -> FaultPlan:
        """Which requests meet which faults; Git's requests meet none and are not counted."""
        return self._front.plan

    @property
    def problems(self) -> list[str]:
        """What fails the test at its end; clear it where a wrong request was meant."""
        return self._interface.problems

    def token(
        self,
        login: str = "graphship-bot",
        *,
        kind: TokenKind = "personal",
        permissions: Mapping[str, str] | None = None,
        scopes: Sequence[str] = ("repo",),
        expires_at: str | None = None,
    ) -> str:
        """Return a new token; see ``github_access.py`` for its kinds. `scopes` are for those without permissions.

        Apps and jobs act under names that end in ``[bot]``: ``github-actions[bot]``, ``graphship-app[bot]``.
        """
        assert login in LOGINS, f"emulate is started with {', '.join(LOGINS)}: add {login!r} to LOGINS"
        made = self.hub.tokens.make(login, kind=kind, permissions=permissions, scopes=scopes, expires_at=expires_at)
        return made.value

    def revoke(self, token: str) -> None:
        """Make a token worth nothing."""
        self.hub.tokens.revoke(token)

    def spend(self, token: str, *, remaining: int) -> None:
        """Leave a token so many requests in this hour."""
        budget = self._interface._budget(self.hub.tokens._known[token])
        budget.used = budget.limit - remaining

    def push(self, branch: str, files: Mapping[str, str | None], *, owner: str = OWNER) -> CommitId:
        """Commit files to a branch (a new one begins at ``main``; None deletes a file) and return the commit."""
        return self.hub.store(owner).push(branch, files)

    def delete_branch(self, branch: str, *, owner: str = OWNER) -> None:
        """Delete a branch."""
        self.hub.store(owner).move(f"refs/heads/{branch}", None)

    def protect(self, *branches: str) -> None:
        """Refuse pushes to these branches."""
        self.hub.protected = list(branches)
        self.hub.repository.protect(branches)

    def merge(self, number: int, *, method: str = "merge", login: str = "ada") -> CommitId:
        """Merge a pull request as a person does: ``merge``, ``squash`` or ``rebase``."""
        with self.hub.lock:
            self.hub.follow_pushes()
            return github_pulls.merge(self.hub, self.hub.pulls[number], login, method)

    def fork(self, owner: str) -> None:
        """Make a fork; its branches are pushed with ``push(…, owner=…)``, its head is named ``owner:branch``."""
        self.hub.fork(owner)

    def delete_fork(self, owner: str) -> None:
        """Delete a fork: its pull requests stay, without a source."""
        self.hub.follow_pushes()
        del self.hub.forks[owner]

    def set_role(self, login: str, role: Role) -> None:
        """Let a person be a reader, writer or administrator; all are writers by default."""
        self.hub.roles[login] = role

    def as_json(self, path: str) -> Any:
        """Return what the interface tells the owner at a path, unrecorded and undisturbed: for assertions."""
        token = self.hub.tokens.make(OWNER, kind="personal", permissions=None, scopes=("repo",), expires_at=None)
        headers = Request(method="GET", target="").headers
        headers["Authorization"] = f"Bearer {token.value}"
        answer = self._interface(Request(method="GET", target=path, headers=headers))
        assert answer.status == 200, answer
        return json.loads(answer.body)


@contextlib.contextmanager
def github_server(folder: Path, *, is_private: bool = False) -> Iterator[GitHubServer]:
    """Run a stand-in whose branch ``main`` has one commit, until the end of the block.

    Args:
        folder: where the Git repositories go.
        is_private: whether reading takes a permission, too.

    Raises:
        AssertionError: at the end; the server was asked what it does not know, or what GitHub would not understand.
    """
    hub = Hub(folder / "github", is_private=is_private)
    interface = _Interface(hub)
    with faulty_server(interface, flavour="github", exempt=lambda asked: bool(_GIT.fullmatch(asked.path))) as front:
        hub.url = front.url
        hub.repository.push("main", {"README.md": "# flights\n"})
        yield GitHubServer(hub, front, interface)
    assert not interface.problems, "\n".join(interface.problems)
