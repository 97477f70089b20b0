"""What our token may do, as far as GitLab tells without anything being written.

From GitLab's documentation: "Personal access tokens API" (self-inform), "Projects API" (permissions), "CI/CD
job token".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.errors import HostPermissionError, HostTokenError, NotFoundOnHostError
from ci_core.hosts._answers import optional_text, texts
from ci_core.hosts.gitlab.project import ProjectFacts, read_project
from ci_core.hosts.gitlab.refusals import Doing
from ci_core.hosts.gitlab.tokens import NEEDS, READ, how_to_get
from ci_core.hosts.spec import Access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.hosts._answers import Json
    from ci_core.hosts.gitlab.client import Client
    from ci_core.hosts.gitlab.tokens import Need
    from ci_core.hosts.spec import Action

_ASK_TOKEN: Final = Doing(action="say what our token may do", need=READ, kind="token", for_jobs=True)
_ASK_PROJECT: Final = Doing(action="say what our role in the project is", need=READ)
_OF_JOBS: Final[Mapping[Action, bool | None]] = {
    "read": True,
    "comment": False,
    "issue": False,
    "status": False,
    "deployment": None,
    "change-request": False,
    "push": None,
}
_ENOUGH: Final[Mapping[str, frozenset[str]]] = {
    "read_api": frozenset({"api", "read_api"}),
    "api": frozenset({"api"}),
    "write_repository": frozenset({"api", "write_repository"}),
}
"""Scope that is needed → scopes of which one is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scopes:
    names: frozenset[str] | None
    """None when GitLab does not tell, as of OAuth."""
    expires_at: str | None = None


def ask_access(client: Client) -> Access:
    """Return what our token may do.

    Raises:
        HostError: GitLab does not know the token, or the project, or does not answer.
    """
    needs = {action: str(need) for action, need in NEEDS.items()}
    match client.token.kind:
        case "none":
            return Access(
                token="none",  # noqa: S106 - the kind of a token
                allowed={"read": None, **{action: False for action in NEEDS if action != "read"}},
                needs=needs,
            )
        case "job":
            client.get(_ASK_TOKEN, "/job", lambda data: data)
            return Access(token="job", allowed=_OF_JOBS, needs=needs, notes=_notes_on_jobs())  # noqa: S106 - a kind
    scopes = _ask_scopes(client)
    project = _ask_project(client)
    return Access(
        token="unknown" if scopes.names is None else client.token.kind,
        allowed={action: _may(action, need, scopes, project) for action, need in NEEDS.items()},
        needs=needs,
        expires_at=scopes.expires_at,
        notes=_notes_on_project(project),
    )


def _ask_scopes(client: Client) -> _Scopes:
    def read(data: Json) -> _Scopes:
        return _Scopes(names=frozenset(texts(data, "scopes")), expires_at=optional_text(data, "expires_at"))

    try:
        return client.get(_ASK_TOKEN, "/personal_access_tokens/self", read)
    except (HostTokenError, HostPermissionError, NotFoundOnHostError):
        return _Scopes(names=None)  # not an access token; whether it is a token at all, the next question shows


def _ask_project(client: Client) -> ProjectFacts:
    try:
        return client.get(_ASK_PROJECT, client.project, read_project)
    except HostPermissionError:
        return ProjectFacts()  # no scope that reads projects, which its list of scopes shows as well


def _may(action: Action, need: Need, scopes: _Scopes, project: ProjectFacts) -> bool | None:
    if action != "read" and project.is_archived:
        return False
    is_off = {"issue": not project.has_issues, "change-request": not project.has_merge_requests}
    if is_off.get(action, False):
        return False
    has_scope = None if scopes.names is None else bool(scopes.names & _ENOUGH[need.scope])
    has_role = None if project.level is None else project.level >= need.level
    if False in {has_scope, has_role}:
        return False
    return None if None in {has_scope, has_role} else True


def _notes_on_jobs() -> tuple[str, ...]:
    cannot = "it cannot comment, open issues or merge requests, or set statuses"
    return (
        f"a job token (`CI_JOB_TOKEN`) reads, and writes deployments; {cannot}",
        how_to_get(NEEDS["comment"]),
        "whether it may push is a setting of the project: Settings, CI/CD, Job token permissions",
    )


def _notes_on_project(project: ProjectFacts) -> tuple[str, ...]:
    notes = {
        "the project is archived: nothing can be written": project.is_archived,
        "issues are turned off in the project: what is found in production is told in the log alone": (
            not project.has_issues
        ),
        "merge requests are turned off in the project": not project.has_merge_requests,
    }
    return tuple(note for note, holds in notes.items() if holds)
