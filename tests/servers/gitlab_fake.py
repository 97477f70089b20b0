"""A GitLab for tests: one project with a real repository, the REST interface that our adapter needs, and Git over HTTP.

::

    with gitlab_server(folder) as gitlab:
        token = gitlab.token("graphship-bot")
        gitlab.push("feature", {"a.txt": "1\n"})
        gitlab.faults.at(0, Fault("502-after"))

It keeps state and answers in the shapes of GitLab's documentation (``gitlab_shapes.py`` names the pages). It knows
personal, project, OAuth and job tokens with scopes, expiry and roles; merge requests with drafts, squash, rebase and
forks; issues with a row of numbers of their own; notes with system notes and quick actions; commit statuses on
pipelines with their state machine; environments and deployments; uploads; pages by number and by cursor; moved
projects; an address below a path (`prefix`).

What it is not: one server has one project; ids are one row for all tables; there are no groups, approvals, protected
environments, resolvable threads, merge trains or mail; merge requests see a push at once, where GitLab takes a moment;
texts of refusals that are printed in no documentation (a missing source branch, an event that a state does not allow)
are near to GitLab's and not always its own. Roles follow the documentation's table for private projects and know no
custom roles. Limits (429) come from the fault plan.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from tests.servers import gitlab_notes, gitlab_repository, gitlab_requests  # noqa: F401 - importing them enters their routes
from tests.servers.fault_proxy import FaultPlan, Front, Recorded, faulty_server
from tests.servers.git_http import BareRepository
from tests.servers.gitlab_calls import RefusedError, answer, git_user
from tests.servers.gitlab_state import DEVELOPER, MergeRequest, Pipeline, State, Token, TokenKind
from tests.servers.http_server import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ci_core.types import CommitId

MergeMethod = Literal["merge", "squash", "rebase"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLabServer:
    """One running server, and what people and administrators do there."""

    state: State
    front: Front
    prefix: str

    @property
    def api_url(self) -> str:
        """The server's address, with its sub-path."""
        return f"{self.front.url}{self.prefix}"

    @property
    def web_url(self) -> str:
        """Where people look at it."""
        return self.api_url

    @property
    def repository(self) -> str:
        """The project's full path."""
        return self.state.path

    @property
    def requests(self) -> list[Recorded]:
        """Everything that was asked, in order."""
        return self.front.requests

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong, and when; Git's own requests are not counted."""
        return self.front.plan

    @property
    def git_url(self) -> str:
        """Where Git clones from."""
        return f"{self.web_url}/{self.state.path}.git"

    def token(
        self,
        login: str,
        *,
        kind: TokenKind = "personal",
        scopes: Sequence[str] = ("api",),
        level: int = DEVELOPER,
        expires_at: str | None = "2027-10-01",
        is_expired: bool = False,
        may_push: bool = False,
    ) -> str:
        """Return a token of a user, who gets this role in the project: 0 for none."""
        state = self.state
        with state.lock:
            state.user_id(login)
            state.levels[login] = level
            prefix = {"personal": "glpat-", "project": "glpat-", "job": "glcbt-64_", "oauth": ""}[kind]
            token = Token(
                text=prefix + secrets.token_urlsafe(15),
                login=login,
                kind=kind,
                scopes=() if kind == "job" else tuple(scopes),
                id=state.next_id(),
                expires_at=expires_at,
                is_expired=is_expired,
                may_push=may_push,
            )
            state.tokens[token.text] = token
        return token.text

    def push(self, branch: str, files: Mapping[str, str]) -> CommitId:
        """Commit files to a branch, a new one from ``main`` on, as somebody's push."""
        with self.state.lock:
            return self.state.git.push(branch, files)

    def merge(self, number: int, *, method: MergeMethod = "merge", login: str = "ada") -> CommitId:
        """Merge as a person does; return the commit that the target branch then has."""
        state = self.state
        with state.lock:
            state.sync()
            request = state.merge_requests[number]
            made = state.git.merge(
                request.target_branch, request.head, method=method, message=f"Merge '{request.title}'"
            )
            if method == "rebase":  # GitLab rebases the source branch, and then moves the target
                request.commits = state.git.between(f"{made}~{len(request.commits)}", made)
                request.head = made
                if request.source_project_id == state.project_id:
                    state.git.move(f"refs/heads/{request.source_branch}", made)
            request.state, request.merged_at, request.merged_by = "merged", state.now(), login
            request.merge_commit_sha = made if method == "merge" else None
            request.squash_commit_sha = made if method == "squash" else None
            return made

    def fork_request(self, branch: str, files: Mapping[str, str], *, login: str = "mallory") -> int:
        """Fork the project, push to a branch there and open a merge request; return its number."""
        state = self.state
        with state.lock:
            project = state.project_id + 1 + len(state.forks)
            fork = BareRepository(state.folder / f"fork-{project}.git", source=state.git.folder)
            state.forks[project] = fork
            head, at = fork.push(branch, files), state.now()
            request = MergeRequest(
                id=state.next_id(),
                iid=len(state.merge_requests) + 1,
                title=f"From a fork: {branch}",
                description="",
                source_branch=branch,
                target_branch="main",
                author=login,
                head=head,
                created_at=at,
                updated_at=at,
                source_project_id=project,
            )
            state.user_id(login)
            state.merge_requests[request.iid] = request
            state.set_head(request, head)
            return request.iid

    def delete_fork(self, number: int) -> None:
        """Delete the project that a merge request comes from."""
        with self.state.lock:
            request = self.state.merge_requests[number]
            assert request.source_project_id is not None
            self.state.forks.pop(request.source_project_id)
            request.source_project_id = None

    def delete_branch(self, branch: str) -> None:
        """Delete a branch."""
        with self.state.lock:
            self.state.git.move(f"refs/heads/{branch}", None)

    def protect(self, *branches: str) -> None:
        """Refuse everybody's pushes to these branches from now on."""
        self.state.git.protect(branches)

    def pipeline(self, commit: CommitId, ref: str, *, source: str = "push") -> int:
        """Start a pipeline on a commit; return its number."""
        with self.state.lock:
            made = Pipeline(id=self.state.next_id(), sha=commit, ref=ref, source=source, created_at=self.state.now())
            self.state.pipelines.append(made)
            return made.id

    def move_project(self, path: str) -> None:
        """Give the project another path; the former one leads there."""
        with self.state.lock:
            self.state.former_paths.add(self.state.path)
            self.state.path = path


@contextlib.contextmanager
def gitlab_server(folder: Path, *, prefix: str = "") -> Iterator[GitLabServer]:
    """Run a GitLab until the end of the block.

    Args:
        folder: where it keeps its repositories.
        prefix: sub-path of the server, such as ``/gitlab``.
    """
    state = State(folder)
    state.git.push("main", {"readme.md": "hello\n"})
    addresses: list[str] = []  # the port is known later

    def handle(request: Request) -> Response:
        if not request.path.startswith(f"{prefix}/"):
            return json_response({"error": "404 Not Found"}, 404)
        if request.path.startswith(f"{prefix}/api/v4/"):
            return answer(state, addresses[0], request)
        return _git(state, request, unquote(request.path.removeprefix(f"{prefix}/")))

    with faulty_server(handle, flavour="gitlab", exempt=_is_git) as front:
        addresses.append(f"{front.url}{prefix}")
        yield GitLabServer(state=state, front=front, prefix=prefix)


def _is_git(request: Request) -> bool:
    return ".git/" in urlsplit(request.target).path


def _git(state: State, request: Request, path: str) -> Response:
    repository, _, service = path.partition(".git/")
    if repository != state.path or not service:
        return Response(status=404, headers={"Content-Type": "text/html"}, body=b"<html>404</html>")
    try:
        login = git_user(state, request, pushes="git-receive-pack" in request.target)
    except RefusedError as refused:
        return refused.response
    return state.git.serve(request, service, login)
