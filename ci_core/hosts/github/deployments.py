"""Deployment records.

From GitHub's documentation: "REST API endpoints for deployments", "REST API endpoints for deployment statuses".

Our records carry ``{"graphship": {"release": …}}`` as their payload; deployments of others, such as those that
workflows make for ``environment:``, have none and are left out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from ci_core.hosts.github.answers import Json, UnusableAnswerError, needed_text, number, optional_text, text
from ci_core.hosts.github.limits import short, web_address
from ci_core.hosts.github.permissions import DEPLOYMENTS, READ_DEPLOYMENTS
from ci_core.hosts.github.refusals import Doing
from ci_core.hosts.spec import DeploymentRecord
from ci_core.types import CommitId, EnvironmentName, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.hosts.github.client import Client
    from ci_core.hosts.spec import DeploymentState

_TO_GITHUB: Final[dict[DeploymentState, str]] = {
    "in-progress": "in_progress",
    "success": "success",
    "failure": "failure",
    "inactive": "inactive",
}
_FROM_GITHUB: Final[dict[str, DeploymentState]] = {
    "pending": "in-progress",
    "queued": "in-progress",
    "in_progress": "in-progress",
    "success": "success",
    "failure": "failure",
    "error": "failure",
    "inactive": "inactive",
}


class GitHubDeployments:
    """See :class:`ci_core.hosts.base.Deployments`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, environment: EnvironmentName) -> Iterator[DeploymentRecord]:
        """Yield records, newest first; each costs one more call when it is its turn."""
        for record in self._opened(environment):
            yield self._with_state(record)

    def create(
        self, *, environment: EnvironmentName, commit: CommitId, release: ReleaseId, description: str = ""
    ) -> DeploymentRecord:
        """Open a record with state ``in-progress``.

        GitHub would by default first merge the default branch into the commit's, and ask for all checks of the commit
        to be green, our own among them: both are off.
        """
        doing = Doing(action=f"record a deployment to `{environment}`", needs=DEPLOYMENTS, kind="commit", name=commit)
        wanted = {
            "ref": commit,
            "environment": environment,
            "description": short(description),
            "auto_merge": False,
            "required_contexts": [],
            "payload": {"graphship": {"release": release}},
        }
        made = self._client.write(doing, "POST", f"{self._client.path}/deployments", wanted, _read_own)
        return self.update(made, state="in-progress", description=description)

    def update(
        self,
        record: DeploymentRecord,
        *,
        state: DeploymentState,
        description: str = "",
        url: str | None = None,
        log_url: str | None = None,
    ) -> DeploymentRecord:
        """Say what became of a deployment; of a success, also that what was there before is no longer.

        GitHub itself ends earlier deployments of environments other than production only.
        """
        doing = Doing(
            action=f"record that the deployment to `{record.environment}` is {state}",
            needs=DEPLOYMENTS,
            kind="deployment",
            name=record.id,
        )
        body: dict[str, object] = {"state": _TO_GITHUB[state], "description": short(description)}
        addresses = {"environment_url": web_address(url), "log_url": web_address(log_url)}
        body |= {name: address for name, address in addresses.items() if address is not None}
        self._client.repeat(doing, "POST", self._statuses_path(record), body, lambda _made: None)
        changed = replace(record, state=state, description=short(description), url=url, log_url=log_url)
        if state == "success":
            self._end_predecessor(changed)
        return changed

    def _end_predecessor(self, current: DeploymentRecord) -> None:
        """Make the newest earlier success inactive; those before it were ended when it came."""
        for record in self._opened(current.environment):
            if int(record.id) >= int(current.id):
                continue
            earlier = self._with_state(record)
            if earlier.state == "success":
                self.update(
                    earlier,
                    state="inactive",
                    description=earlier.description,
                    url=earlier.url,
                    log_url=earlier.log_url,
                )
            if earlier.state in {"success", "inactive"}:
                return

    def _opened(self, environment: EnvironmentName) -> Iterator[DeploymentRecord]:
        """Yield our records without what became of them, newest first."""
        doing = Doing(action=f"list the deployments to `{environment}`", needs=READ_DEPLOYMENTS)
        path = f"{self._client.path}/deployments"
        listed = self._client.pages(doing, path, _read, parameters={"environment": environment})
        return (one for one in listed if one is not None)

    def _with_state(self, record: DeploymentRecord) -> DeploymentRecord:
        """Return a record with its newest status; GitHub lists them from new to old, the newest on the first page."""
        doing = Doing(action=f"show deployment {record.id}", needs=READ_DEPLOYMENTS, kind="deployment", name=record.id)
        statuses = self._client.first_page(doing, self._statuses_path(record), _read_status)
        if not statuses:
            return record
        _, state, description, url, log_url = max(statuses, key=itemgetter(0))
        return replace(record, state=state, description=description, url=url, log_url=log_url)

    def _statuses_path(self, record: DeploymentRecord) -> str:
        return f"{self._client.path}/deployments/{record.id}/statuses"


def _read(data: Json) -> DeploymentRecord | None:
    """Return a record, without what became of it; None for one that is not ours."""
    payload = data.get("payload")
    if isinstance(payload, str):  # as some servers hand it back
        try:
            payload = json.loads(payload)
        except ValueError:
            return None
    ours = payload.get("graphship") if isinstance(payload, dict) else None
    release = ours.get("release") if isinstance(ours, dict) else None
    if not isinstance(release, str):
        return None
    return DeploymentRecord(
        id=str(number(data, "id")),
        environment=EnvironmentName(needed_text(data, "environment")),
        commit=CommitId(needed_text(data, "sha")),
        release=ReleaseId(release),
        state="in-progress",
        description=text(data, "description"),
    )


def _read_own(data: Json) -> DeploymentRecord:
    made = _read(data)
    if made is None:
        raise UnusableAnswerError("`payload` is not what was sent")
    return made


def _read_status(data: Json) -> tuple[int, DeploymentState, str, str | None, str | None]:
    return (
        number(data, "id"),
        _FROM_GITHUB.get(needed_text(data, "state"), "failure"),
        text(data, "description"),
        optional_text(data, "environment_url"),
        optional_text(data, "log_url"),
    )
