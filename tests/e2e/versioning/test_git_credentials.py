"""Git over HTTP with a token: who gets it, what else is asked, and where it must not be left."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ci_core.errors import GitRemoteError
from ci_core.testing.processes import wait_until
from ci_core.testing.projects import make_project, run_git
from ci_core.types import GitCredentials
from ci_core.versioning.git import GitRepository
from tests.servers.git_server import ASK, GitServer, admit, basic, git_server, served_copy
from tests.servers.http_server import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.testing.projects import SampleProject
    from tests.servers.git_http import BareRepository

pytestmark = pytest.mark.e2e

TOKEN = "planted-secret-of-the-writer-4711"
READ_TOKEN = "planted-secret-of-the-reader-0815"
WRITER, READER = basic(TOKEN), basic(READ_TOKEN)
OLD = basic("what-the-checkout-action-left")


class Place(NamedTuple):
    project: SampleProject
    bare: BareRepository
    server: GitServer

    def repository(self, authorization: str = WRITER) -> GitRepository:
        credentials = GitCredentials(url=self.server.root, header=f"Authorization: {authorization}")
        return GitRepository(self.project.root, credentials=credentials)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A project whose remote is served over HTTP to those with a token."""
    project = make_project(tmp_path)
    bare = served_copy(tmp_path / "served.git", project.git_remote)
    with git_server(bare, admit(READER, writer=WRITER)) as server:
        project.git("remote", "set-url", "origin", server.url)
        yield Place(project, bare, server)


def _commit(project: SampleProject) -> str:
    project.write("more.txt", "more\n")
    return project.commit()


def _files_with(folder: Path, *words: str) -> list[str]:
    """Return the files below `folder` that hold one of `words`, in their bytes or their name."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if any(word.encode() in content or word in path.name for word in words):
            found.append(str(path))
    return found


def _command_lines() -> str:
    """Return the arguments of every process of the machine, as ``ps`` shows them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue  # it has ended meanwhile
    return "\n".join(lines)


def test_reading_and_pushing_send_the_header_once_with_every_request(place: Place) -> None:
    head = _commit(place.project)
    repository = place.repository()

    repository.push("HEAD", "refs/heads/main")
    repository.fetch()

    assert repository.remote_head("refs/heads/main") == head
    assert place.bare.resolve("main") == head
    assert len(place.server.requests) > 3
    assert {tuple(sent) for sent in place.server.authorizations()} == {(WRITER,)}


def test_credentials_may_be_asked_for_when_they_are_first_needed(place: Place) -> None:
    asked = []

    def give() -> GitCredentials:
        asked.append(1)
        return GitCredentials(url=place.server.root, header=f"Authorization: {WRITER}")

    repository = GitRepository(place.project.root, credentials=give)
    repository.head()
    before = list(asked)
    repository.fetch()
    repository.fetch()

    assert (before, asked) == ([], [1])


def test_a_header_that_the_checkout_action_left_is_replaced_and_not_sent_beside_ours(place: Place) -> None:
    for key in (f"http.{place.server.root}.extraheader", "http.extraheader", f"http.{place.server.url}.extraheader"):
        place.project.git("config", "--add", key, f"AUTHORIZATION: {OLD}")

    place.repository().fetch()

    assert {tuple(sent) for sent in place.server.authorizations()} == {(WRITER,)}


def test_settings_that_the_job_gives_git_by_its_environment_still_count(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.userAgent")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "the job's own agent")

    place.repository().fetch()

    assert {request.headers["User-Agent"] for request in place.server.requests} == {"the job's own agent"}
    assert {tuple(sent) for sent in place.server.authorizations()} == {(WRITER,)}


def test_without_credentials_those_in_the_address_are_used(place: Place) -> None:
    address = place.server.url.replace("://", f"://x-access-token:{TOKEN}@")
    place.project.git("remote", "set-url", "origin", address)

    GitRepository(place.project.root).fetch()

    assert place.server.authorizations()[-1] == [WRITER]


def test_credentials_of_ours_are_taken_before_those_in_the_address(place: Place) -> None:
    address = place.server.url.replace("://", "://gitlab-ci-token:of-the-job@")
    place.project.git("remote", "set-url", "origin", address)
    head = _commit(place.project)

    place.repository().push("HEAD", "refs/heads/main")

    assert place.bare.resolve("main") == head
    assert {tuple(sent) for sent in place.server.authorizations()} == {(WRITER,)}


def test_a_token_that_is_refused_asks_no_helper_and_no_person(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\necho \"$@\" >> '{asked}'\necho username=x\necho password=y\n")
    helper.chmod(0o755)
    place.project.git("config", "credential.helper", str(helper))
    place.project.git("config", "core.askPass", str(helper))
    monkeypatch.setenv("SSH_ASKPASS", str(helper))
    monkeypatch.setenv("GIT_ASKPASS", str(helper))

    with pytest.raises(GitRemoteError) as caught:
        place.repository(basic("revoked")).fetch()

    assert caught.value.is_denied
    assert not caught.value.is_temporary
    assert caught.value.hint == (
        "check the token or key of this job and that it may read and write the repository's contents"
    )
    assert not asked.exists()
    GitRepository(place.project.root).run("credential", "fill", stdin=f"url={place.server.url}\n\n".encode())
    assert asked.exists(), "the helper would have been asked without credentials of ours"


def test_a_redirection_is_not_followed_with_the_header(place: Place, tmp_path: Path) -> None:
    with git_server(place.bare) as elsewhere:
        place.server.doorkeeper = lambda request: Response(
            status=301, headers={"Location": elsewhere.root.rstrip("/") + request.target}
        )

        with pytest.raises(GitRemoteError) as caught:
            place.repository().fetch()

        assert elsewhere.requests == []
    assert any("leads to another one" in line for line in caught.value.known)
    assert not caught.value.is_temporary


def test_a_remote_of_somebody_else_gets_no_header(place: Place) -> None:
    with git_server(place.bare) as elsewhere:
        place.project.git("remote", "add", "fork", elsewhere.url)

        place.repository().fetch(remote="fork")

        assert elsewhere.authorizations() == [[]] * len(elsewhere.requests)
        assert elsewhere.requests


def test_an_address_that_is_rewritten_is_judged_as_it_will_be_used(place: Place) -> None:
    with git_server(place.bare) as elsewhere:
        place.project.git("config", f"url.{elsewhere.root}.insteadOf", place.server.root)

        place.repository().fetch()

        assert elsewhere.authorizations() == [[]] * len(elsewhere.requests)
        assert elsewhere.requests
    assert place.server.requests == []


def test_of_two_addresses_to_push_to_each_gets_what_is_meant_for_it(place: Place) -> None:
    with git_server(place.bare) as mirror:
        for url in (place.server.url, mirror.url):
            place.project.git("remote", "set-url", "--push", "--add", "origin", url)
        _commit(place.project)

        place.repository().push("HEAD", "refs/heads/main")

        assert mirror.authorizations() == [[]] * len(mirror.requests)
        assert mirror.requests
    assert {tuple(sent) for sent in place.server.authorizations()} == {(WRITER,)}


def test_an_address_to_push_to_that_would_run_a_program_is_refused(place: Place, tmp_path: Path) -> None:
    place.project.git("remote", "set-url", "--push", "origin", f"ext::touch {tmp_path / 'pwned'}")

    with pytest.raises(GitRemoteError) as caught:
        place.repository().push("HEAD", "refs/heads/main")

    assert caught.value.known == ("`ext::` would run a program",)
    assert not (tmp_path / "pwned").exists()


def test_the_token_is_nowhere_on_disk_and_in_no_command_line_while_a_push_waits(place: Place, tmp_path: Path) -> None:
    reached, go_on = tmp_path / "reached", tmp_path / "go-on"
    hook = place.bare.folder / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\ncat > /dev/null\ntouch '{reached}'\nwhile [ ! -e '{go_on}' ]; do sleep 0.05; done\n")
    head = _commit(place.project)
    pushing = threading.Thread(target=lambda: place.repository().push("HEAD", "refs/heads/main"))

    pushing.start()
    try:
        wait_until(reached.exists)
        shown = _command_lines()
    finally:
        go_on.touch()
        pushing.join()

    assert place.bare.resolve("main") == head
    assert " push --porcelain " in shown
    assert not [word for word in (TOKEN, WRITER, WRITER.removeprefix("Basic ")) if word in shown]
    place.repository().fetch()
    assert _files_with(place.project.folder, TOKEN, WRITER.removeprefix("Basic ")) == []


def test_what_git_says_of_its_work_does_not_hold_the_token(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TRACE_CURL", "1")
    monkeypatch.setenv("GIT_TRACE_REDACT", "0")
    encoded = READER.removeprefix("Basic ")
    place.server.doorkeeper = lambda _request: Response(
        status=403, headers={"X-Echo": f"{READER} {READ_TOKEN}"}, body=f"{READ_TOKEN} {encoded}".encode()
    )

    with pytest.raises(GitRemoteError) as caught:
        place.repository(READER).fetch()

    said = f"{vars(caught.value)} {caught.value}"
    assert "X-Echo: " in said
    assert READ_TOKEN not in said
    assert encoded not in said


def test_a_clone_without_files_gets_them_with_the_header_while_it_is_read(place: Place, tmp_path: Path) -> None:
    place.bare.git("config", "uploadpack.allowFilter", "true")
    place.server.doorkeeper = lambda _request: None
    run_git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", place.server.url, "partial")
    place.server.doorkeeper = admit(READER)
    credentials = GitCredentials(url=place.server.root, header=f"Authorization: {READER}")

    content = GitRepository(tmp_path / "partial", credentials=credentials).read_file("HEAD", "params.yaml")

    assert content == (place.project.root / "params.yaml").read_bytes()
    assert READ_TOKEN not in (tmp_path / "partial" / ".git" / "config").read_text()


def test_a_server_that_falls_silent_is_left_alone_after_a_while(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def silent(_request: object) -> Response:
        released.wait(60)
        return ASK

    monkeypatch.setenv("GIT_HTTP_LOW_SPEED_TIME", "1")
    place.server.doorkeeper = silent

    try:
        with pytest.raises(GitRemoteError) as caught:
            place.repository().fetch()
    finally:
        released.set()

    assert caught.value.is_temporary
