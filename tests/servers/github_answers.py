"""Answers of the GitHub stand-in: refusals, pages of lists, times."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.servers.github_access import check
from tests.servers.github_refused import Json, Refused
from tests.servers.http_server import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.servers.github_access import Needs, Role, Token
    from tests.servers.github_hub import Hub

BODY_LIMIT: Final = 65_536
"""Characters of the body of a comment, issue or pull request."""


def invalid(resource: str, field: str, code: str = "invalid", message: str = "") -> Refused:
    """Return the refusal of a value."""
    error = {"resource": resource, "field": field, "code": code}
    return Refused(422, "Validation Failed", {**error, "message": message} if message else error)


def required(body: Json, *names: str) -> None:
    """Refuse a body that lacks something.

    Raises:
        Refused: 422.
    """
    missing = [name for name in names if body.get(name) is None]
    if missing:
        said = ", ".join(f'"{name}"' for name in missing)
        raise Refused(422, f"Invalid request.\n\n{said} {'was' if len(missing) == 1 else 'were'}n't supplied.")


def fitting(resource: str, body: Json) -> None:
    """Refuse a text that is too long.

    Raises:
        Refused: 422.
    """
    if len(body.get("body") or "") > BODY_LIMIT:
        limit = f"(maximum is {BODY_LIMIT} characters)"
        if resource == "IssueComment":
            raise invalid(resource, "data", "unprocessable", f"Body is too long {limit}")
        raise invalid(resource, "body", "custom", f"body is too long {limit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that found its route."""

    hub: Hub
    request: Request
    token: Token | None
    names: Mapping[str, str]
    """What stood in the path."""
    body: Any
    """Parsed; an object in nearly all requests."""

    @property
    def login(self) -> str:
        """Who asks."""
        return self.token.login if self.token else ""

    @property
    def number(self) -> int:
        """The number, or id, in the path."""
        return int(self.names["number"])

    @property
    def role(self) -> Role:
        """What the person who asks may do; an app's rights are its token's."""
        return "write" if self.token and self.token.is_integration else self.hub.role(self.login)

    @property
    def is_write(self) -> bool:
        """Whether a change is asked for."""
        return self.request.method != "GET"

    def need(self, *needs: str) -> None:
        """Refuse unless the token grants one of these.

        Raises:
            Refused: 401, 403 or 404.
        """
        if self.is_write and needs and self.hub.is_archived:
            raise Refused(403, "Repository was archived so is read-only.")
        check(self.token, needs, self.role, is_private=self.hub.is_private, is_write=self.is_write)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address of the interface."""

    method: str
    pattern: str
    """``/repos/{owner}/{repo}/pulls/{number}``; ``{path...}`` takes all the rest."""
    needs: Needs = ()
    answer: Callable[[Call], Response] = field(repr=False)

    def match(self, method: str, parts: Sequence[str]) -> dict[str, str] | None:
        """Return what stands in the path's places, or None."""
        wanted = self.pattern.strip("/").split("/")
        if wanted[-1].endswith("...}") and len(parts) >= len(wanted):
            parts = (*parts[: len(wanted) - 1], "/".join(parts[len(wanted) - 1 :]))
        if method != self.method or len(parts) != len(wanted):
            return None
        names = {}
        for place, part in zip(wanted, parts, strict=True):
            if not place.startswith("{"):
                if place != part:
                    return None
                continue
            name = place.strip("{}").removesuffix("...")
            if name == "number" and not part.isdecimal():
                return None
            names[name] = part
        return names


class Routes:
    """Collects the routes of one subject."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def __call__(
        self, method: str, pattern: str, *needs: str
    ) -> Callable[[Callable[[Call], Response]], Callable[[Call], Response]]:
        """Register a function for an address below the repository's, or from ``/`` on."""

        def register(answer: Callable[[Call], Response]) -> Callable[[Call], Response]:
            full = pattern if pattern.startswith("/") else f"/repos/{{owner}}/{{repo}}/{pattern}".rstrip("/")
            self.all.append(Route(method=method, pattern=full, needs=needs, answer=answer))
            return answer

        return register


def page(call: Call, items: Sequence[object], wrap: Callable[[list[object]], object] = lambda found: found) -> Response:
    """Return one page of a list, with links to its neighbours."""
    query = call.request.query
    size = min(max(int(query.get("per_page", "30")), 1), 100)
    number = max(int(query.get("page", "1")), 1)
    last = max(-(-len(items) // size), 1)
    pages: dict[str, int] = {}
    if number > 1:
        pages |= {"prev": number - 1, "first": 1}
    if number < last:
        pages |= {"next": number + 1, "last": last}
    links = []
    for relation, target in pages.items():
        changed = {**query, "page": str(target)}
        text = "&".join(f"{name}={value.replace(':', '%3A')}" for name, value in changed.items())
        links.append(f'<{call.hub.web_url}{call.request.path}?{text}>; rel="{relation}"')
    found = list(items[(number - 1) * size : number * size])
    return json_response(wrap(found), headers={"Link": ", ".join(links)} if links else {})


def now() -> str:
    """Return the time as GitHub writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
