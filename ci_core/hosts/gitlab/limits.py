"""How long a text may be on GitLab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ci_core.hosts.gitlab.client import Client
    from ci_core.hosts.gitlab.refusals import Doing

BODY_LIMIT: Final = 1_000_000
"""Characters of a note, from GitLab's documentation, "Notes API"; descriptions may be a little longer."""


def check_body(client: Client, doing: Doing, body: str) -> None:
    """Refuse a text that GitLab would refuse, before it is sent.

    Raises:
        HostRefusedError: it is too long.
    """
    if len(body) > BODY_LIMIT:
        raise client.refusals.refused(doing, f"the text has {len(body):,} characters, and {BODY_LIMIT:,} is the most")
