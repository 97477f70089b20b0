"""Permanent addresses of pages on a host, made without asking it (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from ci_core.hosts.choose import HostChoice
    from ci_core.types import CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLinks:
    """Pages of one repository. A commit is always named by its id, so that an address shows the same for ever."""

    repository_url: str
    """``https://github.com/acme/flights``, without ``/`` at the end."""
    infix: str = ""
    """What stands between repository and page: ``/-`` on GitLab."""

    @classmethod
    def of(cls, choice: HostChoice) -> WebLinks | None:
        """Return the pages of a repository; None for the local host, which has none."""
        if choice.kind == "local":
            return None
        url = f"{choice.web_url}/{quote(choice.repository)}"
        return cls(repository_url=url, infix="/-" if choice.kind == "gitlab" else "")

    def commit_url(self, commit: CommitId) -> str:
        """Return the page of a commit."""
        return f"{self.repository_url}{self.infix}/commit/{commit}"

    def file_url(self, commit: CommitId, path: str, line: int | None = None) -> str:
        """Return the page of a file in a commit, at a line.

        >>> links = WebLinks(repository_url="https://gitlab.com/acme/flights", infix="/-")
        >>> links.file_url("0f1e", "conf/a b.yaml", 3)
        'https://gitlab.com/acme/flights/-/blob/0f1e/conf/a%20b.yaml#L3'
        """
        url = f"{self.repository_url}{self.infix}/blob/{commit}/{quote(path)}"
        return url if line is None else f"{url}#L{line}"
