"""Run emulate's GitHub: one process for all tests of a worker, ended with it."""

from __future__ import annotations

import atexit
import functools
import itertools
import json
import subprocess
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

from tests.servers.http_server import Response
from tests.servers.npm import NODE, installed_packages

OWNER: Final = "acme"
LOGINS: Final = (
    OWNER,
    "ada",
    "bob",
    "carol",
    "dave",
    "eve",
    "github-actions[bot]",
    "graphship-app[bot]",
    "graphship-bot",
    "mallory",
    "octocat",
    "renamed",
)
"""The users there are. emulate takes them at its start only: a test that needs another adds it here."""
_TOKENS_EACH: Final = 100
"""emulate lets each token ask 5,000 times an hour, and our own counts are the proxy's business."""


class Emulator:
    """A running emulate."""

    def __init__(self) -> None:
        folder = installed_packages()
        seed = {
            "tokens": {f"{login}~{n}": {"login": login} for login in LOGINS for n in range(_TOKENS_EACH)},
            "github": {"users": [{"login": login} for login in LOGINS], "repos": []},
        }
        self._process = subprocess.Popen(
            [NODE, "github.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(seed) + "\n")
        self._process.stdin.flush()
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("emulate did not start; its messages are above")
        atexit.register(self.stop)
        self._turn = itertools.count()
        self._repositories = itertools.count(1)

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def new_repository(self) -> str:
        """Make an empty repository and return its name."""
        name = f"repository-{next(self._repositories)}"
        made = self.ask("POST", "/user/repos", login=OWNER, body={"name": name})
        assert made.status == 201, made
        return name

    def ask(self, method: str, target: str, *, login: str, body: object = None) -> Response:
        """Send a request as a user; return the answer."""
        turn = next(self._turn) % _TOKENS_EACH
        headers = {"Authorization": f"Bearer {login}~{turn}", "Host": urlsplit(self.url).netloc}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        connection = HTTPConnection("127.0.0.1", urlsplit(self.url).port or 0)
        try:
            connection.request(method, target, body=content, headers=headers)
            answer = connection.getresponse()
            return Response(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())
        finally:
            connection.close()

    def get(self, target: str) -> Any:
        """Return what emulate knows, parsed."""
        answer = self.ask("GET", target, login=OWNER)
        assert answer.status == 200, (target, answer)
        return json.loads(answer.body)


@functools.cache
def emulator() -> Emulator:
    """Return the emulator of this process."""
    return Emulator()
