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
from typing import TYPE_CHECKING, Any

from tests.servers import github_pulls
from tests.servers.fault_proxy import FaultPlan, Front, Recorded, faulty_server
from tests.servers.github_emulator import LOGINS, OWNER
from tests.servers.github_hub import NAME, Hub
from tests.servers.github_interface import GIT_ADDRESS, Interface
from tests.servers.http_server import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ci_core.types import CommitId
    from tests.servers.github_access import Role, TokenKind


class GitHubServer:
    """A running stand-in, and what people do on it."""

    def __init__(self, hub: Hub, front: Front, interface: Interface) -> None:
        self.hub, self._front, self._interface = hub, front, interface
        self.api_url, self.web_url = hub.url, hub.web_url
        self.repository = f"{OWNER}/{NAME}"
        self.git_url = f"{hub.web_url}/{self.repository}.git"
        self.git_folder = hub.repository.folder
        """The bare repository itself, for a look that asks nobody."""

    @property
    def requests(self) -> list[Recorded]:
        """Everything that was asked, Git's requests too."""
        return self._front.requests

    @property
    def faults(self) -> FaultPlan:
        """Which requests meet which faults; Git's requests only where the server was told so."""
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
        self.hub.tokens.spend(token, remaining=remaining)

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
        target = f"{self.api_url.removeprefix(self.web_url)}{path}"
        answer = self._interface(Request(method="GET", target=target, headers=headers))
        assert answer.status == 200, answer
        return json.loads(answer.body)


@contextlib.contextmanager
def github_server(
    folder: Path, *, is_private: bool = False, prefix: str = "", disturbs_git: bool = False
) -> Iterator[GitHubServer]:
    """Run a stand-in whose branch ``main`` has one commit, until the end of the block.

    Args:
        folder: where the Git repositories go.
        is_private: whether reading takes a permission, too.
        prefix: path before all addresses of the interface: ``/api/v3`` on Enterprise.
        disturbs_git: whether Git's own requests are counted by the fault plan and meet faults.

    Raises:
        AssertionError: at the end; the server was asked what it does not know, or what GitHub would not understand.
    """
    hub = Hub(folder / "github", is_private=is_private)
    interface = Interface(hub, prefix)

    def is_exempt(request: Request) -> bool:
        return not disturbs_git and GIT_ADDRESS.fullmatch(request.path) is not None

    with faulty_server(interface, flavour="github", exempt=is_exempt) as front:
        hub.url, hub.web_url = f"{front.url}{prefix}", front.url
        hub.repository.push("main", {"README.md": "# flights\n"})
        yield GitHubServer(hub, front, interface)
    assert not interface.problems, "\n".join(interface.problems)
