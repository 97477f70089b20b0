"""Write what mirrors a truth that is kept elsewhere, once: the lights on commits, and deployment records.

Like ``hosts/upsert.py`` on the small protocols of ``hosts/base.py`` only, and like there nothing is written that stands
there already, and nothing is written again before it was looked whether the first time arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ci_core.hosts.persist import persist

if TYPE_CHECKING:
    from ci_core.hosts.base import Deployments, Statuses
    from ci_core.hosts.spec import CommitStatus, DeploymentRecord, DeploymentState
    from ci_core.types import CommitId, EnvironmentName, ReleaseId


class _StatusHost(Protocol):
    @property
    def statuses(self) -> Statuses: ...


class _DeploymentHost(Protocol):
    @property
    def deployments(self) -> Deployments: ...


def upsert_status(host: _StatusHost, status: CommitStatus) -> bool:
    """Set one light on a commit; return whether it was written: a light that says so already is left alone.

    That another run says it, by another address, is nothing new.

    Raises:
        HostError: the host refused, or kept failing.
    """

    def once() -> bool:
        standing = [(light.context, light.state, light.description) for light in host.statuses.list(status.commit)]
        is_new = (status.context, status.state, status.description) not in standing
        if is_new:
            host.statuses.set(status)
        return is_new

    return persist(once)


def open_deployment(
    host: _DeploymentHost,
    *,
    environment: EnvironmentName,
    commit: CommitId,
    release: ReleaseId,
    description: str = "",
    is_live: bool = False,
) -> DeploymentRecord | None:
    """Return the record of this deployment, which is open; None when the host says already that the release is live.

    A record that a run before this one opened and did not close, since it was stopped or the host refused, goes on.

    Args:
        host: where the record is.
        environment: where to.
        commit: the commit that is deployed.
        release: what is deployed.
        description: one line.
        is_live: whether the target serves this release already, so that nothing is going to happen.

    Raises:
        HostError: the host refused, or kept failing.
    """

    def once() -> DeploymentRecord | None:
        newest = next(iter(host.deployments.list(environment)), None)
        standing = newest if newest is not None and newest.release == release else None
        if standing is not None and standing.state == "in-progress":
            return standing
        if standing is not None and standing.state == "success" and is_live:
            return None
        return host.deployments.create(environment=environment, commit=commit, release=release, description=description)

    return persist(once)


def close_deployment(
    host: _DeploymentHost,
    record: DeploymentRecord,
    *,
    state: DeploymentState,
    description: str = "",
    url: str | None = None,
    log_url: str | None = None,
) -> None:
    """Say what became of a deployment; after a failure it is looked whether that arrived.

    Raises:
        HostError: the host refused, or kept failing.
    """
    is_first = True

    def once() -> None:
        nonlocal is_first
        looks, is_first = not is_first, False
        if looks and any(it.id == record.id and it.state == state for it in host.deployments.list(record.environment)):
            return
        host.deployments.update(record, state=state, description=description, url=url, log_url=log_url)

    persist(once)
