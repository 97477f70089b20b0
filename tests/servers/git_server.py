"""One bare repository behind smart HTTP, with a doorkeeper that the test chooses.

For tests of how Git is spoken to; the stand-ins for whole hosts have doors of their own.
"""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.servers.git_http import BareRepository
from tests.servers.http_server import Request, Response, http_server, write_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path


ASK = Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'}, body=b"who are you")


@dataclass(slots=True, kw_only=True)
class GitServer:
    """A running server."""

    root: str
    """``http://127.0.0.1:PORT/``."""
    doorkeeper: Callable[[Request], Response | None]
    """May be replaced while the server runs."""
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the repository is."""
        return f"{self.root}acme/flights.git"

    def authorizations(self) -> list[list[str]]:
        """Return the ``Authorization`` headers of each request."""
        return [request.headers.get_all("Authorization") or [] for request in self.requests]


def basic(password: str, user: str = "x-access-token") -> str:
    """Return the header value of a name and a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def admit(reader: str, *, writer: str | None = None) -> Callable[[Request], Response | None]:
    """Let in who comes with one of two header values; only the second may push."""

    def doorkeeper(request: Request) -> Response | None:
        given = request.headers.get_all("Authorization") or []
        if len(given) > 1:
            return Response(status=400, body=b"Duplicate header: Authorization")  # as GitHub says it
        if not given or given[0] not in {reader, writer}:
            return ASK
        is_push = "git-receive-pack" in request.target
        return Response(status=403, body=b"read only") if is_push and given[0] != writer else None

    return doorkeeper


def served_copy(folder: Path, source: Path) -> BareRepository:
    """Return a repository as a host keeps it, with its hook and its rights, that has the branches of another one."""
    repository = BareRepository(folder)
    repository.git("fetch", "--quiet", str(source), "+refs/heads/*:refs/heads/*")
    return repository


@contextlib.contextmanager
def git_server(
    repository: BareRepository, doorkeeper: Callable[[Request], Response | None] = lambda _request: None
) -> Iterator[GitServer]:
    """Serve `repository` as ``acme/flights.git`` until the end of the block."""

    def answer(request: Request, connection: BaseHTTPRequestHandler) -> None:
        server.requests.append(request)
        refused = server.doorkeeper(request)
        prefix, is_ours, service = request.path.partition("/acme/flights.git/")
        if refused is None and (prefix or not is_ours):
            refused = Response(status=404, body=b"not here")
        write_response(connection, refused or repository.serve(request, service, "robin"))

    with http_server(answer) as port:
        server = GitServer(root=f"http://127.0.0.1:{port}/", doorkeeper=doorkeeper)
        yield server
