"""Ask the Git remote, the host and the DVC remote whether this project's work can be done there, before it is begun.

Reads only. Each place is asked by itself: one that does not answer keeps nothing from being said of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import GraphshipError, HostPermissionError, MissingObjectsError, NoDataRemoteError
from ci_core.hosts.choose import choose_host
from ci_core.operations.doctor import Finding, as_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.config.settings import Settings
    from ci_core.hosts.spec import Access, Action
    from ci_core.operations.project import Project

_PURPOSES: dict[Action, str] = {
    "read": "read the repository",
    "comment": "write the report on a change request",
    "status": "set a light on a commit",
    "deployment": "record deployments",
    "issue": "write the monitoring issue",
    "push": "push the retrain branch",
    "change-request": "open retrain change requests",
}


def examine_remotes(project: Project) -> tuple[Finding, ...]:
    """Return what is missing on the places that the project works with; empty when nothing is."""
    return (*_git_remote(project), *_host(project), *_data_remote(project))


def needed_actions(settings: Settings) -> tuple[Action, ...]:
    """Return what the project's settings make us do on a host, the most common first."""
    actions: list[Action] = ["read", "comment", "status"]
    if settings.environments:
        actions.append("deployment")
    if settings.monitor is not None:
        actions.append("issue")
    if settings.retrain is not None:
        actions += ["push", "change-request"]
    return tuple(actions)


def access_findings(settings: Settings, access: Access, host: str) -> Iterator[Finding]:
    """Yield a finding for each thing that the settings need and the token may not do, and what else is to be known.

    What a host does not tell before it is tried is no finding.

    Args:
        settings: the project.
        access: what the token may do.
        host: its name or address, for the message.
    """
    for action in needed_actions(settings):
        if access.allowed.get(action) is False:
            permission = access.needs.get(action, action)
            yield as_finding(
                HostPermissionError(
                    host=host, action=_PURPOSES[action], permission=permission, hint=f"give the token `{permission}`"
                )
            )
    for note in access.notes:
        yield Finding(slug="token-note", fact=note, level="note")


def _git_remote(project: Project) -> Iterator[Finding]:
    if "origin" not in project.git.remotes():
        yield Finding(
            slug="no-git-remote",
            fact="the repository has no remote called `origin`, so nothing can be reported, pushed or compared with it",
            hint="`git remote add origin ADDRESS`",
        )
        return
    try:
        project.git.remote_head("HEAD")
    except GraphshipError as error:
        yield as_finding(error)


def _host(project: Project) -> Iterator[Finding]:
    try:
        host = project.host
        if host is not None:
            yield from access_findings(project.settings, host.access(), host.name)
            return
    except GraphshipError as error:
        yield as_finding(error)
        return
    choice = choose_host(project.env, project.git.remote_url())
    if choice is not None and choice.token is None and choice.kind != "local" and project.env.get("CI"):
        # on a person's machine nothing is reported to a host
        yield Finding(
            slug="no-host",
            fact="no token for the repository's host: reports stay in the log and in files",
            hint="give this job a token: `GITHUB_TOKEN: ${{ github.token }}`, or a project access token as "
            "`GRAPHSHIP_TOKEN`",
        )


def _data_remote(project: Project) -> Iterator[Finding]:
    try:
        missing = project.dvc.missing_objects(project.git.head())
    except NoDataRemoteError:
        return  # found without asking anybody
    except GraphshipError as error:
        yield as_finding(error)
        return
    if missing:
        lost = MissingObjectsError(place="the DVC remote", files=missing, hint="`dvc push` where they were made")
        yield as_finding(lost, detail=", ".join(lost.known))
