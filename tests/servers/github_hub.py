"""What the GitHub stand-in knows: the Git repositories, emulate's conversations, and what joins the two."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tests.servers.git_http import BareRepository
from tests.servers.github_access import Role, Tokens
from tests.servers.github_emulator import LOGINS, OWNER, emulator
from tests.servers.github_refused import Json, Refused
from tests.servers.http_server import Response

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.types import CommitId

NAME: Final = "flights"
_TEXTS: Final = frozenset({"body", "title", "description", "message", "name", "color"})
"""Keys whose values people write: nothing is replaced in them."""


Tips = dict[str, "dict[str, CommitId]"]


@dataclass(slots=True, kw_only=True)
class Pull:
    """What makes an issue a pull request. Its title, text, state, labels and comments are the issue's."""

    number: int
    owner: str
    """Whose repository the source branch is in."""
    branch: str
    base: str
    head: CommitId
    base_commit: CommitId
    is_draft: bool
    reviewers: list[str] = field(default_factory=list)
    merge_commit: CommitId | None = None
    merged_at: str | None = None
    merged_by: str | None = None
    commits: list[CommitId] = field(default_factory=list)
    """Of a merged one; those of others are counted when asked for."""


class Hub:
    """One repository ``acme/flights``, its forks, and everybody's records in it."""

    def __init__(self, folder: Path, *, is_private: bool) -> None:
        self.url = self.web_url = ""
        """Address of the interface, and for people; the same but on Enterprise."""
        self.lock = threading.RLock()
        self.tokens = Tokens()
        self.roles: dict[str, Role] = {OWNER: "admin"}
        self.is_private = is_private
        self.has_issues = True
        self.is_archived = False
        self.actions_may_open_pulls = True
        self.emulator = emulator()
        self._emulated = self.emulator.new_repository()
        self._folder = folder
        self.repository = BareRepository(folder / OWNER / f"{NAME}.git")
        self.forks: dict[str, BareRepository] = {}
        self.protected: list[str] = []
        self.pulls: dict[int, Pull] = {}
        self.statuses: list[Json] = []
        self.deployments: list[Json] = []
        self.deployment_statuses: dict[int, list[Json]] = {}
        self.check_runs: list[Json] = []
        self._users: dict[str, Json] = {}
        self._issues: dict[int, Json] = {}
        self._bare: Json = {}
        self._ids = 1000

    @property
    def full_name(self) -> str:
        """``acme/flights``."""
        return f"{OWNER}/{NAME}"

    @property
    def api(self) -> str:
        """Address of the repository in the interface."""
        return f"{self.url}/repos/{self.full_name}"

    @property
    def web(self) -> str:
        """Address of the repository for people."""
        return f"{self.web_url}/{self.full_name}"

    def next_id(self) -> int:
        """Return a number that nothing else has."""
        self._ids += 1
        return self._ids

    def role(self, login: str) -> Role:
        """Return what a person may do: all are members until a test says otherwise."""
        return self.roles.get(login, "write")

    def store(self, owner: str) -> BareRepository:
        """Return the repository of an owner.

        Raises:
            Refused: 404, there is none.
        """
        found = self.repository if owner == OWNER else self.forks.get(owner)
        if found is None:
            raise Refused(404, "Not Found")
        return found

    def fork(self, owner: str) -> BareRepository:
        """Make a fork."""
        self.forks[owner] = BareRepository(self._folder / owner / f"{NAME}.git", source=self.repository.folder)
        return self.forks[owner]

    def ask(self, method: str, path: str, *, login: str, body: object = None) -> Response:
        """Ask emulate about its repository: `path` is below the repository's address; the answer speaks of ours."""
        login = login or OWNER
        target = f"/repos/{OWNER}/{self._emulated}/{path}".rstrip("/")
        answer = self.emulator.ask(method, target, login=login, body=body)
        if method != "GET":
            self._forget(path)
        headers = {"Content-Type": "application/json"}
        if "link" in {name.lower() for name in answer.headers}:
            link = next(value for name, value in answer.headers.items() if name.lower() == "link")
            headers["Link"] = self._ours(link)
        content = json.dumps(self._translated(json.loads(answer.body))).encode() if answer.body else b""
        return Response(status=answer.status, headers=headers, body=content)

    def _forget(self, path: str) -> None:
        """Ask emulate anew for what a write may have changed."""
        kind, _, rest = path.partition("/")
        number = rest.partition("/")[0]
        if kind == "issues" and number.isdecimal():
            self._issues.pop(int(number), None)
        elif path != "issues":  # a new one changes no other
            self._issues.clear()

    def known(self, path: str) -> Any:
        """Return what emulate knows, as ours.

        Raises:
            Refused: 404, nothing.
        """
        answer = self.ask("GET", path, login=OWNER)
        if answer.status != 200:
            raise Refused(answer.status, "Not Found")
        return json.loads(answer.body)

    def user(self, login: str) -> Json:
        """Return a user.

        Raises:
            Refused: 404, there is none.
        """
        if login not in LOGINS:
            raise Refused(404, "Not Found")
        if login not in self._users:
            self._users[login] = self._translated(self.emulator.get(f"/users/{login.replace('[', '%5B')}"))
        return self._users[login]

    def repository_json(self, owner: str, token_role: Role | None) -> Json:
        """Return a repository; `token_role` None leaves all rights of the asker out, as for integrations."""
        self._bare = self._bare or self.known("")
        visibility = "private" if self.is_private else "public"
        ours: Json = {**self._bare, "private": self.is_private, "visibility": visibility}
        ours |= {"has_issues": self.has_issues, "archived": self.is_archived, "default_branch": "main"}
        ours |= {"subscribers_count": 0, "network_count": len(self.forks), "pushed_at": ours["created_at"]}
        can = {"admin": ("admin",), "push": ("admin", "write"), "pull": ("admin", "write", "read")}
        ours["permissions"] = {
            right: token_role in can.get({"maintain": "admin", "triage": "push"}.get(right, right), ())
            for right in ("admin", "maintain", "push", "triage", "pull")
        }
        if owner == OWNER:
            return ours
        fork: Json = json.loads(json.dumps(ours).replace(self.full_name, f"{owner}/{NAME}"))
        return fork | {"id": ours["id"] + 10_000_000, "fork": True, "owner": self.user(owner), "parent": ours}

    def follow_pushes(self) -> Tips:
        """Bring open pull requests to where their branches are; one whose branch is gone is closed.

        Returns:
            Owner → branch → its newest commit.
        """
        tips = {owner: store.branches() for owner, store in self._stores().items()}
        for pull in self.pulls.values():
            if pull.merge_commit is not None or self.issue(pull.number)["state"] != "open":
                continue
            tip = tips.get(pull.owner, {}).get(pull.branch)
            if tip is None:
                self.ask("PATCH", f"issues/{pull.number}", login=OWNER, body={"state": "closed"})
            elif tip != pull.head:
                pull.head = tip
                self.keep(pull)
            pull.base_commit = tips[OWNER].get(pull.base, pull.base_commit)
        return tips

    def keep(self, pull: Pull) -> None:
        """Have the head of a pull request in the repository itself, under ``refs/pull/``."""
        ref = f"refs/pull/{pull.number}/head"
        if pull.owner == OWNER:
            self.repository.move(ref, pull.head)
        else:
            source = str(self.forks[pull.owner].folder)
            self.repository.git("fetch", "--quiet", source, f"+refs/heads/{pull.branch}:{ref}")

    def issue(self, number: int) -> Json:
        """Return an issue, or a pull request as one."""
        if number not in self._issues:
            self._issues[number] = self.known(f"issues/{number}")
        return self._issues[number]

    def _stores(self) -> dict[str, BareRepository]:
        return {OWNER: self.repository, **self.forks}

    def _ours(self, text: str) -> str:
        theirs, own = urlsplit(self.emulator.url).netloc, urlsplit(self.web_url).netloc
        text = text.replace(theirs, own).replace(f"{OWNER}/{self._emulated}", self.full_name)
        return re.sub(rf"{re.escape(self.web_url)}/(?=repos/|users/)", f"{self.url}/", text)

    def _translated(self, value: Any, key: str = "") -> Any:
        """Return emulate's answer in our words: addresses, the repository's name, times without milliseconds."""
        if isinstance(value, dict):
            ours = {name: self._translated(one, name) for name, one in value.items()}
            if ours.get("full_name") == self.full_name:
                ours["name"] = NAME
            if str(ours.get("login", "")).endswith("[bot]"):
                ours["type"] = "Bot"
            return ours
        if isinstance(value, list):
            return [self._translated(one, key) for one in value]
        if not isinstance(value, str) or key in _TEXTS:
            return value
        return f"{value[:19]}Z" if key.endswith("_at") else self._ours(value)
