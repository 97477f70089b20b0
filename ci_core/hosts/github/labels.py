"""Labels of issues and pull requests.

From GitHub's documentation: "REST API endpoints for labels". GitHub makes a label that is not there when it is put on
something, which its documentation does not promise; where it does not, it is made here first.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ci_core.errors import AlreadyExistsOnHostError, HostRefusedError, NotFoundOnHostError
from ci_core.hosts.github.answers import needed_text, rows
from ci_core.hosts.github.refusals import Doing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.hosts.github.client import Client
    from ci_core.hosts.github.permissions import Permission

_COLOR: Final = "ededed"
"""What GitHub gives a label that it makes itself."""


def add_labels(client: Client, number: int, labels: Sequence[str], needs: Permission) -> tuple[str, ...]:
    """Put labels on an issue or pull request and return all that are on it now.

    Raises:
        HostError: GitHub does not let us.
    """
    doing = Doing(action=f"put labels on {number}", needs=needs, kind="issue or change request", name=str(number))
    path, body = f"{client.path}/issues/{number}/labels", {"labels": list(labels)}

    def names(answer: object) -> tuple[str, ...]:
        return tuple(needed_text(row, "name") for row in rows(answer))

    try:
        return client.repeat(doing, "POST", path, body, names)
    except (HostRefusedError, NotFoundOnHostError):
        for label in labels:
            _make(client, label, needs)
        return client.repeat(doing, "POST", path, body, names)


def _make(client: Client, label: str, needs: Permission) -> None:
    doing = Doing(action=f"make the label `{label}`", needs=needs, kind="label", name=label)
    with suppress(AlreadyExistsOnHostError):
        client.repeat(doing, "POST", f"{client.path}/labels", {"name": label, "color": _COLOR}, lambda _made: None)
