"""Faults by name, and how GitHub and GitLab spell those that are answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Literal, get_args

from tests.servers.http_server import Response, json_response

FaultKind = Literal[
    "502-before",
    "502-after",
    "503",
    "500",
    "reset-before",
    "reset-after",
    "timeout",
    "429-retry-after",
    "429-silent",
    "403-secondary",
    "403-primary-far",
    "401",
    "403-permission",
    "404",
    "410",
    "422",
    "451",
    "html-200",
    "truncated-json",
    "empty-body",
    "slow",
]
FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
Flavour = Literal["github", "gitlab"]

DONE: Final[frozenset[FaultKind]] = frozenset(
    {"502-after", "reset-after", "timeout", "truncated-json", "empty-body", "slow"}
)
"""Kinds after which the server has done what it was asked."""
_FAR_S: Final = 40 * 60


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request."""

    kind: FaultKind
    wait_s: int | None = None
    """What a limit's ``Retry-After`` says: 1 by default for ``429-retry-after``, and none for ``403-secondary``."""
    permission: str = "pull_requests=write"
    """What ``403-permission`` says would have been needed, on GitHub."""

    @property
    def is_done(self) -> bool:
        """Whether the server does what it was asked, whatever the client sees."""
        return self.kind in DONE


def gateway_error(status: int = 502, title: str = "Bad Gateway") -> Response:
    page = f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status=status, headers={"Content-Type": "text/html"}, body=page.encode())


_PLAIN: Final[dict[str, tuple[int, dict[Flavour, dict[str, object]]]]] = {
    "500": (500, {"github": {"message": "Server Error"}, "gitlab": {"message": "500 Internal Server Error"}}),
    "401": (401, {"github": {"message": "Bad credentials"}, "gitlab": {"message": "401 Unauthorized"}}),
    "404": (404, {"github": {"message": "Not Found"}, "gitlab": {"message": "404 Not found"}}),
    "410": (410, {"github": {"message": "Issues are disabled for this repo"}, "gitlab": {"message": "410 Gone"}}),
    "422": (
        422,
        {
            "github": {"message": "Validation Failed", "errors": [{"resource": "Issue", "code": "invalid"}]},
            "gitlab": {"message": {"base": ["is invalid"]}},
        },
    ),
    "451": (
        451,
        {
            "github": {"message": "Repository access blocked", "block": {"reason": "dmca"}},
            "gitlab": {"message": "451 Unavailable For Legal Reasons"},
        },
    ),
}


def refusal(fault: Fault, flavour: Flavour) -> Response:
    """Return the answer of a server, or of a machine before it, that did nothing."""
    if fault.kind in {"429-retry-after", "429-silent", "403-secondary", "403-primary-far"}:
        return _limit(fault, flavour)
    if fault.kind == "403-permission":
        return _no_permission(fault, flavour)
    if fault.kind in _PLAIN:
        status, bodies = _PLAIN[fault.kind]
        return json_response(bodies[flavour], status)
    if fault.kind == "html-200":
        page = b"<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>"
        return Response(headers={"Content-Type": "text/html; charset=utf-8"}, body=page)
    return gateway_error(503, "Service Unavailable") if fault.kind == "503" else gateway_error()


def _limit(fault: Fault, flavour: Flavour) -> Response:
    if flavour == "gitlab":
        return _gitlab_limit(fault)
    wait = fault.wait_s if fault.wait_s is not None else 1 if fault.kind == "429-retry-after" else None
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if fault.kind == "403-primary-far":
        reset = int(time.time()) + (_FAR_S if fault.wait_s is None else fault.wait_s)
        body = {"message": "API rate limit exceeded for installation ID 1."}
        limits = {"Limit": "1000", "Remaining": "0", "Used": "1000", "Reset": str(reset), "Resource": "core"}
        return json_response(body, 403, {f"X-RateLimit-{name}": value for name, value in limits.items()})
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    docs = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
    status = 403 if fault.kind == "403-secondary" else 429
    return json_response({"message": message, "documentation_url": docs}, status, headers)


def _gitlab_limit(fault: Fault) -> Response:
    """GitLab answers 429 with plain text; what it has no name for looks like the nearest that it has."""
    waits = {"429-retry-after": 1, "403-primary-far": _FAR_S}
    wait = waits.get(fault.kind) if fault.wait_s is None else fault.wait_s
    headers = {"Content-Type": "text/plain"}
    if wait is not None:
        reset = str(int(time.time()) + wait)
        headers |= {"Retry-After": str(wait), "RateLimit-Remaining": "0", "RateLimit-Reset": reset}
    return Response(status=429, headers=headers, body=b"Retry later\n")


def _no_permission(fault: Fault, flavour: Flavour) -> Response:
    if flavour == "gitlab":
        return json_response({"message": "403 Forbidden"}, 403)
    body = {"message": "Resource not accessible by integration", "documentation_url": "https://docs.github.com/rest"}
    return json_response(body, 403, {"X-Accepted-GitHub-Permissions": fault.permission})
