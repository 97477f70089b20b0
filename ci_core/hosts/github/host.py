"""One repository on github.com or on a GitHub Enterprise server."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from ci_core.hosts.github.access import GitHubAccess
from ci_core.hosts.github.change_requests import GitHubChangeRequests
from ci_core.hosts.github.client import Client
from ci_core.hosts.github.comments import GitHubComments
from ci_core.hosts.github.deployments import GitHubDeployments
from ci_core.hosts.github.files import read_file
from ci_core.hosts.github.issues import GitHubIssues
from ci_core.hosts.github.limits import BODY_LIMIT
from ci_core.hosts.github.permissions import PUSH
from ci_core.hosts.github.refusals import Doing
from ci_core.hosts.github.statuses import GitHubStatuses
from ci_core.hosts.links import WebLinks
from ci_core.types import GitCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.hosts.base import ChangeRequests, Comments, Deployments, Issues, Statuses
    from ci_core.hosts.choose import HostChoice
    from ci_core.hosts.patience import Patience
    from ci_core.hosts.spec import Access, Capability, Identity
    from ci_core.types import CommitId

TIMEOUT_S: Final = 20.0


class GitHubHost:
    """A repository on GitHub; passes ``ci_core.testing.host_contract``.

    Args:
        choice: which one, and with which token.
        patience: how long and how often it is asked.
        env: variables of the job; those that name certificates to trust are read.
        pace: whether to leave the pauses that GitHub asks for between requests; tests do without.
        timeout_s: for a connection, and between two pieces of an answer.

    Raises:
        MissingExtraError: PyGithub is not installed.
        InvalidVariableError: the repository's name, or a file of certificates, is none.
    """

    name = "github"
    capabilities: frozenset[Capability] = frozenset({"deployments", "draft", "labels", "reviewers", "statuses"})
    """No ``images``: GitHub has no way for an App's token to store one."""
    body_limit = BODY_LIMIT

    def __init__(
        self,
        choice: HostChoice,
        *,
        patience: Patience,
        env: Mapping[str, str],
        pace: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._client = Client(choice, patience, env, pace=pace, timeout_s=timeout_s)
        self._access = GitHubAccess(self._client)
        self._links = WebLinks(repository_url=self._client.web_url)
        self._web_url = choice.web_url
        self.change_requests: ChangeRequests = GitHubChangeRequests(self._client)
        self.comments: Comments = GitHubComments(self._client)
        self.issues: Issues = GitHubIssues(self._client)
        self.statuses: Statuses = GitHubStatuses(self._client)
        self.deployments: Deployments = GitHubDeployments(self._client)

    def __repr__(self) -> str:
        return f"GitHubHost({self._client.web_url!r})"

    def identity(self) -> Identity:
        """Return who we are; asked once."""
        return self._access.identity()

    def access(self) -> Access:
        """Return what our token may do; see ``access.py`` for how that is found without a write."""
        return self._access.access()

    def read_file(self, path: str, *, commit: CommitId) -> bytes | None:
        """Return a file as it is in a commit; None when that commit has no such file."""
        return read_file(self._client, path, commit)

    def commit_url(self, commit: CommitId) -> str:
        """Return the page of a commit."""
        return self._links.commit_url(commit)

    def file_url(self, commit: CommitId, path: str, line: int | None = None) -> str:
        """Return the page of a file in a commit, at a line."""
        return self._links.file_url(commit, path, line)

    def upload_image(self, name: str, content: bytes) -> str:  # noqa: ARG002 - the protocol's
        """Refuse: there is no way to store a picture with the token of an App or a job."""
        doing = Doing(action=f"store the picture `{name}`", needs=PUSH)
        raise self._client.refusals.refused(doing, "GitHub takes pictures from people only")

    def git_credentials(self) -> GitCredentials | None:
        """Return the header that GitHub takes over HTTPS from every kind of token; None without one.

        It is for the addresses of all repositories of this owner: Git compares whole parts of a path, so that the
        repository's own address would leave out the one that ends with ``.git``.
        """
        token = self._client.token
        if token.value is None or not token.is_sendable:
            return None
        secret = base64.b64encode(f"x-access-token:{token.value}".encode()).decode()
        return GitCredentials(url=f"{self._web_url}/{self._client.owner}/", header=f"Authorization: Basic {secret}")
