"""How long a text may be on GitHub (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ci_core.hosts.github.refusals import Doing, Refusals

BODY_LIMIT: Final = 65_536
"""Characters of a comment, an issue, a pull request; GitHub says 422 to more."""
_DESCRIPTION_LIMIT: Final = 140
"""Characters of the description of a status, a deployment, a deployment status."""


def check_body(refusals: Refusals, doing: Doing, body: str) -> None:
    """Refuse a body that GitHub would refuse, without asking it."""
    if len(body) > BODY_LIMIT:
        raise refusals.refused(doing, f"the text has {len(body):,} characters and the limit is {BODY_LIMIT:,}")


def short(description: str) -> str:
    """Return a description that GitHub takes."""
    if len(description) <= _DESCRIPTION_LIMIT:
        return description
    return description[: _DESCRIPTION_LIMIT - 1] + "…"


def web_address(url: str | None) -> str | None:
    """Return an address that GitHub links to; None for one that it would refuse, such as a file's."""
    return url if url is not None and url.startswith(("https://", "http://")) else None
