"""One project on GitLab, gitlab.com or an own server."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from ci_core.errors import NotFoundOnHostError
from ci_core.hosts._answers import needed_text, part
from ci_core.hosts.gitlab.access import ask_access
from ci_core.hosts.gitlab.change_requests import GitLabChangeRequests
from ci_core.hosts.gitlab.client import Client
from ci_core.hosts.gitlab.comments import GitLabComments
from ci_core.hosts.gitlab.deployments import GitLabDeployments
from ci_core.hosts.gitlab.issues import GitLabIssues
from ci_core.hosts.gitlab.limits import BODY_LIMIT
from ci_core.hosts.gitlab.refusals import Doing
from ci_core.hosts.gitlab.statuses import GitLabStatuses
from ci_core.hosts.gitlab.tokens import COMMENT, READ
from ci_core.hosts.links import WebLinks
from ci_core.hosts.spec import Identity
from ci_core.types import GitCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.hosts.base import ChangeRequests, Comments, Deployments, Issues, Statuses
    from ci_core.hosts.choose import HostChoice
    from ci_core.hosts.patience import Patience
    from ci_core.hosts.spec import Access, Capability
    from ci_core.types import CommitId

_TIMEOUT_S: Final = 20.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ODD_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


class GitLabHost:
    """A project on GitLab; passes ``ci_core.testing.host_contract``.

    Args:
        choice: which project on which server, with which token.
        patience: how long to wait and how often to ask.
        env: variables of the job.
        timeout_s: for a connection, and between two pieces of an answer.
    """

    name = "gitlab"
    capabilities: frozenset[Capability] = frozenset(
        {"deployments", "draft", "images", "labels", "reviewers", "statuses"}
    )
    body_limit = BODY_LIMIT

    def __init__(
        self, choice: HostChoice, *, patience: Patience, env: Mapping[str, str], timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._client = client = Client(choice, patience, env, timeout_s=timeout_s)
        links = WebLinks.of(choice)
        assert links is not None  # noqa: S101 - GitLab has pages
        self._links = links
        self._web_url = choice.web_url
        self._identity: Identity | None = None
        self.change_requests: ChangeRequests = GitLabChangeRequests(client)
        self.comments: Comments = GitLabComments(client)
        self.issues: Issues = GitLabIssues(client)
        self.statuses: Statuses = GitLabStatuses(client)
        self.deployments: Deployments = GitLabDeployments(client)

    def identity(self) -> Identity:
        """Return who we are; a job token is whoever started the job, and writes nothing that has an author."""
        if self._identity is None:
            doing = Doing(action="say who we are", need=READ, kind="user", for_jobs=True)
            if self._client.token.kind == "job":
                login = self._client.get(doing, "/job", lambda data: needed_text(part(data, "user"), "username"))
            else:
                login = self._client.get(doing, "/user", lambda data: needed_text(data, "username"))
            self._identity = Identity(login=login)
        return self._identity

    def access(self) -> Access:
        """Return what our token may do; nothing is written."""
        return ask_access(self._client)

    def read_file(self, path: str, *, commit: CommitId) -> bytes | None:
        """Return a file as it is in a commit, without a clone; None when that commit has no such file."""
        doing = Doing(action=f"show `{path}` in commit {commit[:12]}", need=READ, kind="file", name=path, for_jobs=True)
        place = f"{self._client.project}/repository/files/{quote(path, safe='')}/raw"
        try:
            return self._client.content(doing, place, ref=commit)
        except NotFoundOnHostError as error:
            if error.kind != "file":
                raise
            return None

    def commit_url(self, commit: CommitId) -> str:
        """Return a permanent address of a commit."""
        return self._links.commit_url(commit)

    def file_url(self, commit: CommitId, path: str, line: int | None = None) -> str:
        """Return a permanent address of a file, or of a line of it, in a commit."""
        return self._links.file_url(commit, path, line)

    def upload_image(self, name: str, content: bytes) -> str:
        """Store a picture beside the project; return the address that its Markdown knows.

        Members of the project see it, and everybody where the project is public.

        Raises:
            HostRefusedError: it is too large.
        """
        plain = _ODD_IN_NAMES.sub("-", name.rpartition("/")[2]) or "picture"
        doing = Doing(action=f"store the picture `{plain}`", need=COMMENT)
        path = f"{self._client.project}/uploads"
        return self._client.upload(doing, path, plain, content, lambda data: needed_text(data, "url"))

    def git_credentials(self) -> GitCredentials | None:
        """Return what Git needs below the project's group; None without a token, or where connections can be read."""
        token = self._client.token
        parts = urlsplit(self._web_url)
        is_safe = parts.scheme == "https" or parts.hostname in _LOOPBACK
        if token.value is None or not token.is_sendable or not is_safe:
            return None
        user = "gitlab-ci-token" if token.kind == "job" else "oauth2"
        secret = base64.b64encode(f"{user}:{token.value}".encode()).decode()
        group, _, _ = self._client.repository.rpartition("/")
        below = f"{self._web_url}/{group}/" if group else f"{self._web_url}/"
        return GitCredentials(url=below, header=f"Authorization: Basic {secret}")
