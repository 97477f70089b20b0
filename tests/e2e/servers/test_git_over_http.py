"""Git reads and writes the stand-in's repository over HTTP, as far as its token may."""

from __future__ import annotations

import base64
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from github.Repository import Repository

    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e


def _git(server: GitHubServer, folder: Path, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    if token:
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        env |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{server.web_url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {secret}",
        }
    return subprocess.run(["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(server: GitHubServer, tmp_path: Path) -> Path:
    """A clone with one commit of its own."""
    folder = tmp_path / "clone"
    assert _git(server, tmp_path, "clone", "--quiet", server.git_url, str(folder)).returncode == 0
    (folder / "a.txt").write_text("1\n")
    _git(server, folder, "add", "--all")
    assert _git(server, folder, "commit", "--quiet", "-m", "change").returncode == 0
    return folder


def test_a_pushed_branch_is_there_for_everybody(server: GitHubServer, clone: Path) -> None:
    done = _git(server, clone, "push", "origin", "HEAD:refs/heads/retrain/1", token=server.token("ada"))

    assert done.returncode == 0, done.stderr
    head = _git(server, clone, "rev-parse", "HEAD").stdout.strip()
    assert server.hub.repository.branches()["retrain/1"] == head


def test_a_push_without_or_with_a_bad_or_a_reading_token_is_refused(server: GitHubServer, clone: Path) -> None:
    reading = server.token("github-actions[bot]", kind="job", permissions={"contents": "read"})

    said = {
        token: _git(server, clone, "push", "origin", "HEAD:refs/heads/x", token=token).stderr
        for token in ("", "bad", reading)
    }

    assert "could not read Username" in said[""]
    assert "could not read Username" in said["bad"]
    assert "Permission to acme/flights.git denied to github-actions[bot]." in said[reading]
    assert list(server.hub.repository.branches()) == ["main"]


def test_a_protected_branch_takes_no_pushes_and_still_takes_merges(
    server: GitHubServer, repository: Repository, clone: Path
) -> None:
    server.protect("main")
    token = server.token("ada")

    done = _git(server, clone, "push", "origin", "HEAD:main", token=token)
    _git(server, clone, "push", "origin", "HEAD:refs/heads/feature", token=token)
    merged = server.merge(repository.create_pull(base="main", head="feature", title="t").number)

    assert done.returncode != 0
    assert "GH006: Protected branch update failed for refs/heads/main." in done.stderr
    assert server.hub.repository.branches()["main"] == merged


def test_a_lease_on_an_old_head_is_refused(server: GitHubServer, clone: Path) -> None:
    token = server.token("ada")
    _git(server, clone, "push", "--quiet", "origin", "HEAD:refs/heads/retrain", token=token)
    seen = _git(server, clone, "rev-parse", "HEAD").stdout.strip()
    newer = server.push("retrain", {"by-hand.txt": "kept\n"})
    lease = f"--force-with-lease=refs/heads/retrain:{seen}"

    done = _git(server, clone, "push", lease, "origin", "HEAD~1:refs/heads/retrain", token=token)

    assert "stale info" in done.stderr
    assert server.hub.repository.branches()["retrain"] == newer


def test_a_shallow_clone_can_be_deepened_and_a_commit_fetched_by_name(server: GitHubServer, tmp_path: Path) -> None:
    commits = [server.push("main", {"n": str(index)}) for index in range(5)]
    folder = tmp_path / "shallow"
    _git(server, tmp_path, "clone", "--quiet", "--depth=1", server.git_url, str(folder))

    _git(server, folder, "fetch", "--quiet", "--deepen=2", "origin")
    done = _git(server, folder, "fetch", "--quiet", "--depth=1", "origin", commits[0])

    assert _git(server, folder, "rev-list", "HEAD").stdout.split() == commits[:1:-1]
    assert done.returncode == 0, done.stderr


def test_a_private_repository_is_read_with_a_token_only(server: GitHubServer, tmp_path: Path) -> None:
    server.hub.is_private = True
    token = server.token("github-actions[bot]", kind="job", permissions={"contents": "read"})

    without = _git(server, tmp_path, "ls-remote", server.git_url)
    with_token = _git(server, tmp_path, "ls-remote", server.git_url, token=token)

    assert without.returncode != 0
    assert "refs/heads/main" in with_token.stdout


def test_the_head_of_a_forks_request_can_be_fetched_from_the_repository_itself(
    server: GitHubServer, repository: Repository, tmp_path: Path
) -> None:
    server.fork("mallory")
    head = server.push("topic", {"a": "1"}, owner="mallory")
    pull = repository.create_pull(base="main", head="mallory:topic", title="t")

    done = _git(server, tmp_path, "ls-remote", server.git_url, f"refs/pull/{pull.number}/head")

    assert done.stdout.split() == [head, f"refs/pull/{pull.number}/head"]
