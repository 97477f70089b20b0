"""Tokens of the GitHub stand-in, and what each may do: permissions per route, scopes, roles, as GitHub documents them.

* ``personal`` without permissions is a classic token with scopes, with permissions a fine-grained one.
* ``job`` is what Actions makes (``GITHUB_TOKEN``), ``app`` an installation token. Permissions that are not named in a
  given mapping are ``none``; without a mapping both may do everything that the stand-in knows.

What GitHub does not document is assumed: a classic token without the scope is told 404, as for what it may not see; a
person who may only read is refused what needs more in the same way as a token without the permission.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from tests.servers.github_refused import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.servers.http_server import Request

TokenKind = Literal["personal", "job", "app"]
Role = Literal["read", "write", "admin"]
Needs = tuple[str, ...]
"""Alternatives such as ``("issues=write", "pull_requests=write")``: one of them is enough; none are needed if empty."""

_RANK: Final = {"none": 0, "read": 1, "write": 2, "admin": 3}
_NARROW_SCOPES: Final = {"statuses": "repo:status", "deployments": "repo_deployment"}
_READERS_MAY_WRITE: Final = frozenset({"issues", "pull_requests"})
"""Who may read a repository may take part in its conversations."""
EVERYTHING: Final = {
    "actions": "read",
    "checks": "write",
    "contents": "write",
    "deployments": "write",
    "issues": "write",
    "pull_requests": "write",
    "statuses": "write",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that the stand-in gave out."""

    value: str
    login: str
    kind: TokenKind
    permissions: Mapping[str, str] | None
    """With underscores; None for a classic token."""
    scopes: tuple[str, ...]
    expires_at: str | None
    """As GitHub spells it: ``2027-01-31 23:59:59 UTC``."""

    @property
    def is_integration(self) -> bool:
        """Whether it stands for an app and not for a person."""
        return self.kind != "personal"

    def may(self, need: str, role: Role, *, is_private: bool) -> bool:
        """Return whether it grants one permission, such as ``statuses=write``."""
        name, _, level = need.partition("=")
        if not self.is_integration and not _role_allows(role, name, level):
            return False
        if level == "read" and not is_private:
            return True
        if self.permissions is None:
            accepted = {"repo", _NARROW_SCOPES.get(name, "repo"), *(() if is_private else ("public_repo",))}
            return not accepted.isdisjoint(self.scopes)
        return name == "metadata" or _RANK[self.permissions.get(name, "none")] >= _RANK[level]


def _role_allows(role: Role, name: str, level: str) -> bool:
    return level == "read" or role != "read" or name in _READERS_MAY_WRITE


@dataclass(slots=True, kw_only=True)
class Budget:
    """Requests of one token in one hour."""

    limit: int
    used: int = 0
    reset: int = field(default_factory=lambda: int(time.time()) + 3600)

    @property
    def remaining(self) -> int:
        """How many are left."""
        return max(self.limit - self.used, 0)

    def headers(self) -> dict[str, str]:
        """Return what each answer says of it."""
        values = {"Limit": self.limit, "Remaining": self.remaining, "Used": self.used, "Reset": self.reset}
        return {**{f"X-RateLimit-{name}": str(value) for name, value in values.items()}, "X-RateLimit-Resource": "core"}


class Tokens:
    """All tokens of one server."""

    def __init__(self) -> None:
        self._known: dict[str, Token] = {}
        self._budgets: dict[str, Budget] = {}

    def make(
        self,
        login: str,
        *,
        kind: TokenKind,
        permissions: Mapping[str, str] | None,
        scopes: Sequence[str],
        expires_at: str | None,
    ) -> Token:
        """Return a new token."""
        if permissions is None and kind != "personal":
            permissions = EVERYTHING
        given = None if permissions is None else {name.replace("-", "_"): level for name, level in permissions.items()}
        token = Token(
            value=_value(kind, is_classic=given is None),
            login=login,
            kind=kind,
            permissions=given,
            scopes=tuple(scopes) if given is None else (),
            expires_at=expires_at,
        )
        self._known[token.value] = token
        return token

    def revoke(self, value: str) -> None:
        """Forget a token."""
        del self._known[value]

    def budget(self, token: Token | None) -> Budget:
        """Return what a token, or nobody, may still ask in this hour."""
        if token is None:
            return self._budgets.setdefault("", Budget(limit=60))
        return self._budgets.setdefault(token.value, Budget(limit=1000 if token.kind == "job" else 5000))

    def spend(self, value: str, *, remaining: int) -> None:
        """Leave a token so many requests."""
        budget = self.budget(self._known[value])
        budget.used = budget.limit - remaining

    def of(self, request: Request) -> Token | None:
        """Return the token of a request; None for nobody.

        Raises:
            Refused: 401, it is not one of ours.
        """
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        token = self._known.get(given.strip())
        if token is None:
            raise Refused(401, "Bad credentials")
        return token


def _value(kind: TokenKind, *, is_classic: bool) -> str:
    """Return a random token in the shape that GitHub gives to its kind."""
    if kind == "personal" and not is_classic:
        return f"github_pat_{secrets.token_hex(11)}_{secrets.token_hex(30)[:59]}"
    return f"{'ghp' if kind == 'personal' else 'ghs'}_{secrets.token_hex(18)}"


def check(token: Token | None, needs: Needs, role: Role, *, is_private: bool, is_write: bool) -> None:
    """Raise unless the token grants one of the alternatives.

    Raises:
        Refused: 401 for nobody, 403 with the permissions that would do, or 404 where GitHub says no more.
    """
    if not needs:
        return
    if token is None:
        if is_write:
            raise Refused(401, "Requires authentication")
        if is_private:
            raise Refused(404, "Not Found")
        return
    if any(token.may(need, role, is_private=is_private) for need in needs):
        return
    if token.permissions is None:
        raise Refused(404, "Not Found")
    who = "integration" if token.is_integration else "personal access token"
    raise Refused(403, f"Resource not accessible by {who}")
