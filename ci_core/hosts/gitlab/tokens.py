"""Tokens of GitLab, and the scopes and roles that what we do takes (pure).

From GitLab's documentation: "REST API authentication", "CI/CD job token" (its table of what the token can access),
"Project access tokens", "Roles and permissions".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.hosts.choose import HostChoice
    from ci_core.hosts.spec import Action, TokenKind

GUEST, PLANNER, REPORTER, DEVELOPER, MAINTAINER, OWNER = 10, 15, 20, 30, 40, 50
_ROLES: Final = {
    GUEST: "Guest",
    PLANNER: "Planner",
    REPORTER: "Reporter",
    DEVELOPER: "Developer",
    MAINTAINER: "Maintainer",
    OWNER: "Owner",
}
_JOB_VARIABLE: Final = "CI_JOB_TOKEN"
_JOB_PREFIX: Final = "glcbt-"
_SENDABLE: Final = re.compile(r"[!-~]+")
"""What may stand in a header: a blank or a line end in a token is a mistake in the variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an action takes."""

    scope: str
    level: int
    """The lowest role in a private project."""

    def __str__(self) -> str:
        return f"scope `{self.scope}` and role {self.role}"

    @property
    def role(self) -> str:
        """Return the role's name."""
        return _ROLES[self.level]


READ: Final = Need(scope="read_api", level=REPORTER)
COMMENT: Final = Need(scope="api", level=REPORTER)
ISSUE: Final = Need(scope="api", level=REPORTER)
"""Any member may open an issue; its label, by which we find it again, takes more."""
LABEL_LEVEL: Final = PLANNER
STATUS: Final = Need(scope="api", level=DEVELOPER)
DEPLOYMENT: Final = Need(scope="api", level=DEVELOPER)
CHANGE_REQUEST: Final = Need(scope="api", level=DEVELOPER)
PUSH: Final = Need(scope="write_repository", level=DEVELOPER)

NEEDS: Final[Mapping[Action, Need]] = {
    "read": READ,
    "comment": COMMENT,
    "issue": ISSUE,
    "status": STATUS,
    "deployment": DEPLOYMENT,
    "change-request": CHANGE_REQUEST,
    "push": PUSH,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What we show to GitLab."""

    value: str | None = field(repr=False)
    variable: str | None
    kind: TokenKind

    @classmethod
    def of(cls, choice: HostChoice, env: Mapping[str, str]) -> Token:
        """Return the token of a choice; one that was made for this job is one whatever variable it is in."""
        value = choice.token
        is_of_job = value is not None and (
            choice.token_variable == _JOB_VARIABLE or value == env.get(_JOB_VARIABLE) or value.startswith(_JOB_PREFIX)
        )
        kind: TokenKind = "none" if value is None else "job" if is_of_job else "personal"
        return cls(value=value, variable=choice.token_variable, kind=kind)

    @property
    def is_sendable(self) -> bool:
        """Whether it can stand in a header."""
        return self.value is None or _SENDABLE.fullmatch(self.value) is not None

    @property
    def shown_variable(self) -> str:
        """Return the variable to name in messages."""
        return self.variable or "GRAPHSHIP_TOKEN"


def how_to_get(need: Need) -> str:
    """Return what to create so that an action is possible."""
    scopes = " and ".join(f"`{scope}`" for scope in dict.fromkeys((_api_scope(need), need.scope)))
    return (
        f"create a project access token (Settings, Access tokens) with role {need.role} and scope {scopes}, and keep it"
        " as the CI/CD variable `GRAPHSHIP_TOKEN`, masked, and protected if only protected branches need it"
    )


def _api_scope(need: Need) -> str:
    return "read_api" if need.scope == "read_api" else "api"
