"""How the GitHub stand-in says no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.servers.http_server import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]
DOCS: Final = "https://docs.github.com/rest"


class Refused(Exception):  # noqa: N818 - an answer of the server and no error of its own
    """The server says no."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, str]) -> None:
        super().__init__(status, message, errors)
        self.status, self.message, self.errors = status, message, errors

    def response(self) -> Response:
        """Return the answer."""
        body: Json = {"message": self.message, "documentation_url": DOCS, "status": str(self.status)}
        if self.errors:
            body["errors"] = list(self.errors)
        return json_response(body, self.status)
