"""Tokens of GitHub, and the permissions that what we do takes, in the words of each kind of token (pure).

From GitHub's documentation: "About authentication to GitHub" (prefixes of tokens), "Permissions required for GitHub
Apps", "Controlling permissions for GITHUB_TOKEN", "Scopes for OAuth apps".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci_core.hosts.choose import HostChoice
    from ci_core.hosts.spec import Action, TokenKind

TokenShape = Literal["none", "installation", "fine-grained", "classic", "user-of-app", "unknown"]
"""``installation``: made for an App, of which GitHub Actions is one; ``classic``: with scopes, OAuth apps' as well."""

JOB_LOGIN: Final = "github-actions[bot]"
"""Who writes with the token that GitHub Actions makes for each job."""
_PREFIXES: Final[Mapping[str, TokenShape]] = {
    "ghs_": "installation",
    "github_pat_": "fine-grained",
    "ghp_": "classic",
    "gho_": "classic",
    "ghu_": "user-of-app",
}
_JOB_VARIABLES: Final = frozenset({"GITHUB_TOKEN", "GH_TOKEN"})


@dataclass(frozen=True, slots=True)
class Permission:
    """What an action takes of a token; all of ours are permissions on a repository."""

    name: str
    """As in a workflow's ``permissions:``."""
    level: Literal["read", "write"] = "write"

    def __str__(self) -> str:
        return f"{self.name}: {self.level}"

    @property
    def title(self) -> str:
        """Return it as the pages on which tokens and Apps are made spell it."""
        shown = {"statuses": "Commit statuses"}.get(self.name, self.name.replace("-", " ").capitalize())
        return f"{shown}: {'Read-only' if self.level == 'read' else 'Read and write'}"


READ: Final = Permission("contents", "read")
PUSH: Final = Permission("contents")
PULL_REQUESTS: Final = Permission("pull-requests")
READ_PULL_REQUESTS: Final = Permission("pull-requests", "read")
ISSUES: Final = Permission("issues")
READ_ISSUES: Final = Permission("issues", "read")
STATUSES: Final = Permission("statuses")
READ_STATUSES: Final = Permission("statuses", "read")
CHECKS: Final = Permission("checks")
READ_CHECKS: Final = Permission("checks", "read")
DEPLOYMENTS: Final = Permission("deployments")
READ_DEPLOYMENTS: Final = Permission("deployments", "read")

NEEDED: Final[Mapping[Action, tuple[Permission, ...]]] = {
    "read": (READ,),
    "comment": (PULL_REQUESTS,),
    "issue": (ISSUES,),
    "status": (STATUSES,),
    "deployment": (DEPLOYMENTS,),
    "push": (PUSH,),
    "change-request": (PULL_REQUESTS, PUSH),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of our token without asking anybody."""

    value: str | None = field(default=None, repr=False)
    shape: TokenShape = "none"
    variable: str | None = None
    """Where it came from."""

    @classmethod
    def of(cls, choice: HostChoice) -> Token:
        """Return the token of a choice; blanks and line ends around it, as secrets often have, are no part of it."""
        value = (choice.token or "").strip()
        if not value:
            return cls()
        shapes: list[TokenShape] = [shape for prefix, shape in _PREFIXES.items() if value.startswith(prefix)]
        return cls(value=value, shape=shapes[0] if shapes else "unknown", variable=choice.token_variable)

    @property
    def is_sendable(self) -> bool:
        """Whether it can stand in a header at all."""
        return self.value is None or (self.value.isascii() and self.value.isprintable() and " " not in self.value)

    def kind(self, login: str | None = None) -> TokenKind:
        """Return the kind, in host-neutral words.

        Args:
            login: who it makes us, when that is known: Actions' own token and that of another App look alike.
        """
        if login == JOB_LOGIN:
            return "job"
        match self.shape:
            case "none":
                return "none"
            case "installation":
                return "job" if login is None and self.variable in _JOB_VARIABLES else "app"
            case "unknown":
                return "app" if (login or "").endswith("[bot]") else "unknown"
            case "classic" | "fine-grained" | "user-of-app":
                return "personal"

    def spelled(self, permission: Permission) -> str:
        """Return a permission in the words of this kind of token."""
        match self.shape:
            case "classic":
                return "repo"
            case "fine-grained" | "user-of-app":
                return permission.title
            case "none" | "installation" | "unknown":
                return str(permission)

    def how_to_get(self, permission: Permission, login: str | None = None) -> str:
        """Return what to do for a permission that is missing."""
        line = line_for_jobs(permission)
        match self.shape:
            case "classic":
                return "give the token the scope `repo` (`public_repo` is enough for a public repository)"
            case "fine-grained":
                return f"give the token `{permission.title}` for this repository"
            case "user-of-app":
                return f"give the App `{permission.title}`, and accept that where it is installed"
            case "none":
                return f"give this step a token; {line}"
            case "installation" | "unknown":
                if self.kind(login) == "job":
                    return line
                return f"{line}; an App or a fine-grained token is given `{permission.title}` where it was made"


def line_for_jobs(permission: Permission) -> str:
    """Return what to write into a workflow."""
    return f"add `{permission}` under `permissions:` of the job"


def accepted(header: str) -> Iterator[Permission]:
    """Yield the permissions that ``X-Accepted-GitHub-Permissions`` names: ``issues=write; pull_requests=write``."""
    for one in header.replace(";", ",").split(","):
        name, _, level = one.strip().partition("=")
        if name and level in {"read", "write"}:
            yield Permission(name.replace("_", "-"), "read" if level == "read" else "write")
