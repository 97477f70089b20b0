"""Who we are on GitHub, and what our token may do: found without writing anything.

From GitHub's documentation: "REST API endpoints for users" and "for repositories", "Scopes for OAuth apps" (the header
``X-OAuth-Scopes``), "Token expiration and revocation", "Controlling permissions for GITHUB_TOKEN".

Remarks on a pull request take ``pull-requests: write``: for them the documentation names ``issues: write`` as well, and
that was seen not to be enough (github/rest-api-description#6994).

Classic tokens tell their scopes. Tokens with permissions do not, so GitHub is asked for things that it must refuse: the
bodies are empty, and each of these calls has something that it must be given (see :meth:`Client.may`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.errors import HostPermissionError, HostRefusedError, NotFoundOnHostError
from ci_core.hosts.github.answers import Json, needed_text, part
from ci_core.hosts.github.permissions import NEEDED, READ, Permission
from ci_core.hosts.github.refusals import Doing
from ci_core.hosts.spec import Access, Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.hosts.github.client import Client
    from ci_core.hosts.spec import Action, TokenKind

_NOBODY: Final = "0" * 40
_PROBES: Final[Mapping[str, str]] = {
    "contents": "git/refs",
    "pull-requests": "pulls",
    "issues": "issues",
    "statuses": f"statuses/{_NOBODY}",
    "deployments": "deployments",
    "checks": "check-runs",
}
"""Calls that take a permission to write and cannot come about without a body."""
_ROLES: Final[Mapping[Action, str]] = {
    "read": "pull",
    "comment": "pull",
    "issue": "triage",
    "status": "push",
    "deployment": "push",
    "push": "push",
    "change-request": "push",
}
"""The least role of the token's account; an issue gets its label from `triage` on."""
_CHECKS_NEED_A_PERSON: Final = (
    "change requests that it opens or updates start their checks only after a person has approved them: give the "
    "retrain job the token of an App for checks that start by themselves"
)
_SETTING: Final = (
    "it opens change requests only where `Allow GitHub Actions to create and approve pull requests` is ticked under "
    "Settings, Actions, General"
)
_FORKS: Final = "on a change request from a fork it can only read, whatever `permissions:` says"


class GitHubAccess:
    """Asks about ourselves; who we are is asked once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._identity: Identity | None = None

    def identity(self) -> Identity:
        """Return who we are.

        ``viewer`` answers for every token, that of a job included (``github-actions[bot]``, as the authors of comments
        are spelled); ``GET /user`` only for people's. Where the one is not to be had the other is asked.
        """
        if self._identity is None:
            login = self._viewer() if self._is_for_apps else self._user()
            self._identity = Identity(login=login)
            self._client.refusals.login = login
        return self._identity

    def access(self) -> Access:
        """Return what our token may do."""
        client, token = self._client, self._client.token
        doing = Doing(action="show the repository", needs=READ)
        repository, headers = client.look(doing, client.path, _whole)
        login = None if token.value is None else self.identity().login
        kind = token.kind(login)
        scopes = headers.get("x-oauth-scopes")
        if token.value is None:
            allowed: dict[Action, bool | None] = dict.fromkeys(NEEDED, False)
            allowed["read"] = True
        elif scopes is not None:
            allowed = _by_role(repository, _may_with_scopes(scopes, repository))
        else:
            allowed = self._by_probes(repository, kind)
        return Access(
            token=kind,
            allowed=allowed,
            needs={action: _spelled(client, needed) for action, needed in NEEDED.items()},
            expires_at=_time(headers.get("github-authentication-token-expiration")),
            notes=tuple(_notes(repository, kind)),
        )

    @property
    def _is_for_apps(self) -> bool:
        return self._client.token.shape in {"installation", "unknown"}

    def _viewer(self) -> str:
        doing = Doing(action="say who we are", needs=READ)
        try:
            return self._client.graphql(
                doing, "{viewer{login}}", lambda data: needed_text(part(data, "viewer"), "login")
            )
        except (HostPermissionError, HostRefusedError, NotFoundOnHostError):
            return self._user()

    def _user(self) -> str:
        doing = Doing(action="say who we are", needs=READ, kind="account", name="of this token")
        if self._client.token.value is None:
            raise self._client.refusals.token_error(doing)
        return self._client.get(doing, "/user", lambda data: needed_text(data, "login"))

    def _by_probes(self, repository: Json, kind: TokenKind) -> dict[Action, bool | None]:
        found = {name: self._may(Permission(name), path) for name, path in _PROBES.items()}
        if found["statuses"] is False and found["checks"]:
            found["statuses"] = True  # a check run stands for it
        allowed: dict[Action, bool | None] = {"read": self._may_read()}
        for action, needed in NEEDED.items():
            if action != "read":
                answers = [found[permission.name] for permission in needed]
                allowed[action] = False if False in answers else None if None in answers else True
        return allowed if kind in {"job", "app"} else _by_role(repository, allowed)

    def _may(self, permission: Permission, path: str) -> bool | None:
        doing = Doing(action=f"try `{permission}`", needs=permission)
        return self._client.may(doing, f"{self._client.path}/{path}")

    def _may_read(self) -> bool:
        doing = Doing(action="list commits", needs=READ)
        try:
            self._client.first_page(doing, f"{self._client.path}/branches", lambda _branch: None)
        except (HostPermissionError, NotFoundOnHostError):
            return False
        return True


def _whole(data: Json) -> Json:
    return data


def _may_with_scopes(scopes: str, repository: Json) -> dict[Action, bool | None]:
    given = {scope.strip() for scope in scopes.split(",")}
    is_enough = "repo" in given or ("public_repo" in given and repository.get("private") is False)
    allowed: dict[Action, bool | None] = dict.fromkeys(NEEDED, is_enough)
    allowed["read"] = True  # we have just done so
    if "repo:status" in given:
        allowed["status"] = True
    if "repo_deployment" in given:
        allowed["deployment"] = True
    return allowed


def _by_role(repository: Json, allowed: dict[Action, bool | None]) -> dict[Action, bool | None]:
    """Return what is left when the account's role in the repository does not suffice either."""
    roles = repository.get("permissions")
    if not isinstance(roles, dict):
        return allowed
    return {action: False if roles.get(_ROLES[action]) is False else may for action, may in allowed.items()}


def _spelled(client: Client, needed: tuple[Permission, ...]) -> str:
    return " and ".join(dict.fromkeys(map(client.token.spelled, needed)))


def _notes(repository: Json, kind: TokenKind) -> list[str]:
    notes = [_CHECKS_NEED_A_PERSON, _SETTING, _FORKS] if kind == "job" else []
    if repository.get("archived") is True:
        notes.append("the repository is archived: nothing can be written to it")
    if repository.get("has_issues") is False:
        notes.append("issues are switched off in the repository: there is no place for what monitoring finds")
    return notes


def _time(given: str | None) -> str | None:
    """Return ``2026-12-01 10:00:00 UTC`` as ISO 8601; GitHub also writes ``+0100``."""
    if given is None:
        return None
    day, _, rest = given.strip().partition(" ")
    time, _, zone = rest.partition(" ")
    return f"{day}T{time}{'Z' if zone in {'UTC', ''} else zone}" if time else day
