"""A push over HTTP that is not taken is told by its reason, and a remote that fails by what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import ExitCode, GitRemoteError, PushRejectedError
from ci_core.testing.projects import make_project, run_git
from ci_core.types import CommitId, GitCredentials
from ci_core.versioning.git import GitRepository
from tests.servers.git_server import ASK, GitServer, admit, basic, git_server, served_copy
from tests.servers.http_server import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.git_http import BareRepository

pytestmark = pytest.mark.e2e

WRITER, READER = basic("planted-writer-4711"), basic("planted-reader-0815")


class Place:
    """A project with one commit to push, and its remote behind HTTP."""

    def __init__(self, folder: Path, bare: BareRepository, server: GitServer) -> None:
        self.project = make_project(folder)
        self.project.git("remote", "set-url", "origin", server.url)
        self.project.write("more.txt", "more\n")
        self.head = CommitId(self.project.commit())
        self.bare, self.server = bare, server

    def repository(self, authorization: str = WRITER) -> GitRepository:
        credentials = GitCredentials(url=self.server.root, header=f"Authorization: {authorization}")
        return GitRepository(self.project.root, credentials=credentials)

    def rejection(self, authorization: str = WRITER) -> PushRejectedError:
        with pytest.raises(PushRejectedError) as caught:
            self.repository(authorization).push("HEAD", "refs/heads/main")
        assert caught.value.exit_code is ExitCode.UNREACHABLE
        return caught.value

    def failure(self, authorization: str = WRITER) -> GitRemoteError:
        with pytest.raises(GitRemoteError) as caught:
            self.repository(authorization).push("HEAD", "refs/heads/main")
        assert caught.value.exit_code is ExitCode.UNREACHABLE
        return caught.value

    def decline(self, script: str, *, hook: str = "pre-receive") -> None:
        path = self.bare.folder / "hooks" / hook
        path.write_text(f"#!/bin/sh\n{script}\nexit 1\n")
        path.chmod(0o755)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    source = make_project(tmp_path / "source")
    bare = served_copy(tmp_path / "served.git", source.git_remote)
    with git_server(bare, admit(READER, writer=WRITER)) as server:
        yield Place(tmp_path / "mine", bare, server)


def test_a_protected_branch_is_named_as_one(place: Place) -> None:
    place.bare.protect(["main"])

    error = place.rejection()

    assert error.fact == "`origin` did not take `refs/heads/main`: the branch is protected"
    assert error.hint == "allow this job to push, or let it push to another branch"
    assert any("GH006: Protected branch update failed" in line for line in error.known)


@pytest.mark.parametrize(
    "words",
    [
        "error: GH013: Repository rule violations found for refs/heads/main.",
        "GitLab: You are not allowed to push code to protected branches on this project.",
        "GitLab: You are not allowed to force push code to a protected branch on this project.",
    ],
)
def test_the_words_of_hosts_for_a_protected_branch_are_known(place: Place, words: str) -> None:
    place.decline(f"echo '{words}' >&2")

    assert place.rejection().reason == "protected"


def test_words_that_deny_a_right_are_known_as_such(place: Place) -> None:
    place.decline("echo 'GitLab: You are not allowed to push code to this project.' >&2")

    assert place.rejection().reason == "denied"


def test_a_hook_is_quoted(place: Place) -> None:
    place.decline("echo 'commits need a ticket, see error 403 of the handbook' >&2")

    error = place.rejection()

    assert error.reason == "hook"
    assert any("commits need a ticket" in line for line in error.known)


def test_a_hook_for_one_branch_is_known_as_one(place: Place) -> None:
    place.decline("echo 'not on Fridays' >&2", hook="update")

    assert place.rejection().reason == "hook"


def test_a_branch_that_somebody_moved_is_a_temporary_rejection(place: Place) -> None:
    place.bare.push("main", {"theirs.txt": "theirs\n"})

    error = place.rejection()

    assert (error.reason, error.is_temporary) == ("moved", True)
    assert error.hint == "fetch and try again"


def test_a_branch_that_moves_while_we_push_is_one_too(place: Place) -> None:
    theirs = place.bare.push("theirs", {"theirs.txt": "theirs\n"})
    place.bare.folder.joinpath("hooks", "pre-receive").write_text(
        f"#!/bin/sh\nunset GIT_QUARANTINE_PATH\ncat > /dev/null\ngit update-ref refs/heads/main {theirs}\n"
    )

    assert place.rejection().reason == "moved"
    assert place.bare.branches()["main"] == theirs


def test_a_lease_on_what_the_branch_no_longer_is_overwrites_nothing(place: Place) -> None:
    seen = place.bare.branches()["main"]
    theirs = place.bare.push("main", {"theirs.txt": "theirs\n"})

    with pytest.raises(PushRejectedError) as caught:
        place.repository().push("HEAD", "refs/heads/main", lease=seen)

    assert caught.value.reason == "moved"
    assert place.bare.branches()["main"] == theirs


def test_a_token_that_may_only_read_is_told_to_be_denied(place: Place) -> None:
    place.repository(READER).fetch()

    error = place.failure(READER)

    assert error.fact == "the remote `origin` does not let us push `refs/heads/main`"
    assert error.where == (place.server.url,)
    assert not error.is_temporary


def _answer(status: int, body: bytes = b"") -> Callable[[Request], Response]:
    return lambda _request: Response(status=status, body=body)


def test_a_token_that_is_not_known_is_told_to_be_denied(place: Place) -> None:
    place.server.doorkeeper = lambda _request: ASK

    assert place.failure().is_denied


def test_a_repository_that_is_hidden_from_us_is_told_to_be_denied(place: Place) -> None:
    place.server.doorkeeper = _answer(404, b"Not Found")

    assert place.failure().is_denied


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_fails_is_told_to_be_worth_another_try(place: Place, status: int) -> None:
    place.server.doorkeeper = _answer(status)

    error = place.failure()

    assert error.fact == "the remote `origin` was not reached to push `refs/heads/main`"
    assert error.is_temporary


def test_a_page_instead_of_a_repository_is_a_remote_that_was_not_reached(place: Place) -> None:
    page = Response(status=200, headers={"Content-Type": "text/html"}, body=b"<html>Sign in</html>")
    place.server.doorkeeper = lambda _request: page

    assert "was not reached" in place.failure().fact


def test_a_connection_that_is_cut_after_the_push_was_taken_can_be_looked_up(place: Place) -> None:
    def cut(request: Request) -> Response | None:
        if request.method == "POST" and "git-receive-pack" in request.target:
            place.bare.serve(request, "git-receive-pack", "robin")
            raise ConnectionError
        return None

    place.server.doorkeeper = cut

    error = place.failure()

    assert error.is_temporary
    place.server.doorkeeper = admit(READER, writer=WRITER)
    assert place.repository().remote_head("refs/heads/main") == place.head
    place.repository().push("HEAD", "refs/heads/main", lease=place.head)  # nothing is left to do


def test_names_are_never_read_as_options(place: Place) -> None:
    run_git(place.bare.folder, "update-ref", "refs/heads/--force", place.bare.branches()["main"])
    repository = place.repository()

    repository.fetch("refs/heads/--force:refs/remotes/origin/--force")
    repository.push("HEAD", "refs/heads/--mirror")

    assert place.bare.branches()["--mirror"] == place.head
    assert repository.remote_head("refs/heads/--mirror") == place.head
