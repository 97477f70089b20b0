"""What the GitHub adapter does without asking anybody: addresses, credentials, refusals."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
import urllib3  # noqa: F401 - it tries a socket when it is first imported, which is later, and no test may do that

from ci_core.errors import HostRefusedError, HostTokenError, InvalidVariableError
from ci_core.hosts.choose import HostChoice
from ci_core.hosts.github import GitHubHost
from ci_core.hosts.patience import Patience
from ci_core.hosts.spec import Comment, CommitStatus, Topic
from ci_core.types import CommitId, EnvironmentName, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ci_core.hosts.base import RepositoryHost

_SHA = CommitId("0123456789abcdef0123456789abcdef01234567")
_TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"


def _host(
    token: str | None = _TOKEN, *, repository: str = "acme/flights", env: Mapping[str, str] | None = None
) -> GitHubHost:
    choice = HostChoice(
        kind="github",
        api_url="https://api.github.com",
        web_url="https://github.com",
        repository=repository,
        token=token,
        token_variable="GITHUB_TOKEN",
    )
    return GitHubHost(choice, patience=Patience(sleep=lambda _seconds: None), env=env or {})


def test_addresses_name_the_commit_and_quote_the_path() -> None:
    host = _host()

    assert host.commit_url(_SHA) == f"https://github.com/acme/flights/commit/{_SHA}"
    assert host.file_url(_SHA, "conf/a b#1?.yaml", 3) == (
        f"https://github.com/acme/flights/blob/{_SHA}/conf/a%20b%231%3F.yaml#L3"
    )
    assert host.file_url(_SHA, "dvc.yaml") == f"https://github.com/acme/flights/blob/{_SHA}/dvc.yaml"


def test_git_is_given_the_token_as_a_header_for_the_owner_s_addresses() -> None:
    credentials = _host().git_credentials()

    assert credentials is not None
    assert credentials.url == "https://github.com/acme/"
    kind, _, secret = credentials.header.removeprefix("Authorization: ").partition(" ")
    assert (kind, base64.b64decode(secret).decode()) == ("Basic", f"x-access-token:{_TOKEN}")


@pytest.mark.parametrize("token", [None, "", " \n", "ghs_two words"])
def test_without_a_usable_token_git_is_given_nothing(token: str | None) -> None:
    assert _host(token).git_credentials() is None


def test_the_token_is_in_no_repr() -> None:
    host = _host()

    shown = " ".join(map(repr, (host, host.git_credentials(), host.comments, vars(host))))

    assert _TOKEN not in shown
    assert base64.b64encode(f"x-access-token:{_TOKEN}".encode()).decode() not in shown


def test_pictures_are_refused_and_no_capability() -> None:
    host = _host()

    assert "images" not in host.capabilities
    with pytest.raises(HostRefusedError):
        host.upload_image("a.png", b"")


def test_merging_by_update_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(HostRefusedError, match="merging is for people"):
        _host().change_requests.update(5, state="merged")


@pytest.mark.parametrize("path", ["", "/etc/passwd", "a//b", "../x", "a/../b", "./a", "a/."])
def test_a_path_that_no_commit_can_have_is_asked_of_nobody(path: str) -> None:
    """C24: in an address it would lead to another part of the interface."""
    assert _host().read_file(path, commit=_SHA) is None


_WRITES: Mapping[str, Callable[[RepositoryHost], object]] = {
    "comment": lambda host: host.comments.create(Topic("change-request", 5), "x"),
    "delete": lambda host: host.comments.delete(Comment(id="1", author="a", body="b", url="u")),
    "issue": lambda host: host.issues.create(title="t", body="b"),
    "issue update": lambda host: host.issues.update(5, title="t"),
    "status": lambda host: host.statuses.set(CommitStatus(commit=_SHA, context="c", state="success", description="")),
    "deployment": lambda host: host.deployments.create(
        environment=EnvironmentName("staging"), commit=_SHA, release=ReleaseId("1" * 64)
    ),
    "request": lambda host: host.change_requests.create(title="t", body="b", source_branch="f", target_branch="main"),
    "request update": lambda host: host.change_requests.update(5, title="t"),
}


@pytest.mark.parametrize("write", _WRITES.values(), ids=_WRITES)
def test_without_a_token_no_write_is_tried(write: Callable[[RepositoryHost], object]) -> None:
    with pytest.raises(HostTokenError) as caught:
        write(_host(None))

    assert caught.value.reason == "there is no token"
    assert "under `permissions:` of the job" in str(caught.value.hint)


@pytest.mark.parametrize("write", _WRITES.values(), ids=_WRITES)
def test_a_token_that_would_break_its_header_is_sent_nowhere_and_shown_nowhere(
    write: Callable[[RepositoryHost], object],
) -> None:
    with pytest.raises(HostTokenError) as caught:
        write(_host("ghs_half\nX-Other: header"))

    assert "`GITHUB_TOKEN` is no token" in caught.value.reason
    assert "ghs_half" not in str(caught.value)


@pytest.mark.parametrize("repository", ["flights", "acme/flights/x", "acme/..", "../flights", "acme/fl?x", "a b/c", ""])
def test_a_repository_whose_name_would_change_the_address_is_refused(repository: str) -> None:
    with pytest.raises(InvalidVariableError):
        _host(repository=repository)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_file_of_certificates_that_is_not_there_is_named_by_its_variable(variable: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidVariableError) as caught:
        _host(env={variable: str(tmp_path / "none.pem")})

    assert caught.value.variable == variable


def test_a_file_of_certificates_that_is_there_is_taken(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")

    assert _host(env={"SSL_CERT_FILE": str(bundle)}).name == "github"
