"""``graphship host`` on a real bare repository, and the parts of the local host that only real Git can show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci_core.cli import cli
from ci_core.cli._render import run
from ci_core.errors import HostRefusedError, MergeConflictError
from ci_core.hosts.local import LocalHost, create_local_host, find_local_host
from ci_core.hosts.spec import CommitStatus
from ci_core.testing.golden import assert_golden
from ci_core.types import CommitId, EnvironmentName, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.e2e
_GOLDEN = Path(__file__).parents[2] / "golden" / "hosts"
_AT = datetime(2013, 6, 29, 8, 30, tzinfo=UTC)


def _git(work: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=work, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A clone with a first commit on ``main``, whose origin is a local host in a path with a blank and an umlaut."""
    create_local_host(tmp_path / "Bücher und mehr" / "flights.git")
    folder = tmp_path / "work"
    _git(tmp_path, "init", "--quiet", "--initial-branch=main", "work")
    _git(folder, "remote", "add", "origin", "../Bücher und mehr/flights.git")
    _push(folder, "main", "a.txt", "1\n")
    return folder


def _push(work: Path, branch: str, name: str, text: str) -> CommitId:
    (work / name).write_text(text)
    _git(work, "add", "--all")
    _git(work, "commit", "--quiet", "-m", f"change {name}")
    _git(work, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    return CommitId(_git(work, "rev-parse", "HEAD"))


def _branch(work: Path, name: str, start: str = "main") -> None:
    _git(work, "checkout", "--quiet", "-b", name, start)


def _host(work: Path) -> LocalHost:
    host = find_local_host(_git(work, "remote", "get-url", "origin"), base=work, clock=lambda: _AT)
    assert host is not None
    return host


@pytest.fixture
def say(
    work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run ``graphship host …`` in the work tree and return exit code, stdout and stderr."""
    monkeypatch.chdir(work)
    monkeypatch.setenv("COLUMNS", "100")

    def run_host(*arguments: str) -> tuple[int, str, str]:
        code = run(cli, ["host", *arguments], {"NO_COLOR": "1"})
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run_host


def test_a_change_request_lives_from_open_to_merged(work: Path, say: Say) -> None:
    _branch(work, "more-trees")
    _push(work, "more-trees", "params.yaml", "trees: 200\n")

    opened = say("open", "--branch", "more-trees", "--title", "More trees", "--body", "Let us **try**.")
    remark = say("comment", "1", "looks good")
    merged = say("merge", "1")

    assert opened[0] == remark[0] == merged[0] == 0
    assert opened[1].endswith("flights.host/pages/1.html\n")
    assert remark[1].endswith("pages/1.html#comment-1\n")
    _git(work, "fetch", "--quiet")
    assert merged[1].strip() == _git(work, "rev-parse", "origin/main")
    assert _git(work, "log", "-1", "--format=%an|%s|%P", "origin/main") == (
        f"Test Person|Merge change request #1 from more-trees|"
        f"{_git(work, 'rev-parse', 'main')} {_git(work, 'rev-parse', 'more-trees')}"
    )
    assert _git(work, "rev-parse", "--verify", "origin/more-trees")
    assert json.loads(say("show", "1", "--json")[1])["item"]["state"] == "merged"


def test_show_renders_everything_as_reviewed(work: Path, say: Say) -> None:
    host = _host(work)
    main = CommitId(_git(work, "rev-parse", "main"))
    _branch(work, "more-trees")
    head = _push(work, "more-trees", "params.yaml", "trees: 200\n")
    request = host.open_change_request(
        "more-trees", "More \x1b[31mtrees", "Let us **try**:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    host.comment(request.number, "auc 0.71 → 0.74 @team \x1b]0;title\x07")
    host.issues.create(title="Drift in staging", body="`temp` moved", labels=["graphship:monitor"])
    for commit, context, state in ((head, "graphship/report", "success"), (main, "graphship/drift", "failure")):
        host.statuses.set(CommitStatus(commit=commit, context=context, state=state, description="told"))  # type: ignore[arg-type]  # literals in a tuple
    for release in ("1" * 64, "2" * 64):
        record = host.deployments.create(
            environment=EnvironmentName("staging"), commit=main, release=ReleaseId(release)
        )
        host.deployments.update(record, state="success", description="deployed", url="http://127.0.0.1:8080")

    shown = "\n".join(say("show", *arguments)[1] for arguments in ((), ("1",), ("2",)))

    for text, stand_in in (
        (head[:7], "HEAD000"),
        (main[:7], "MAIN000"),
        (str(host.folder), "HOST"),
        (host.folder.as_uri(), "URL"),
    ):
        shown = shown.replace(text, stand_in)
    assert "\x1b" not in shown
    assert_golden(_GOLDEN / "show.txt", "\n".join(line.rstrip() for line in shown.splitlines()))


def test_dry_runs_do_nothing(work: Path, say: Say) -> None:
    _branch(work, "topic")
    _push(work, "topic", "b.txt", "2\n")
    _host(work).open_change_request("topic", "t")
    before = sorted(path.name for path in _host(work).folder.rglob("*.json"))

    told = [
        say(*arguments, "--dry-run")
        for arguments in (("merge", "1"), ("close", "1"), ("comment", "1", "x"), ("init", "../new.git"))
    ]

    assert [(code, out) for code, out, _ in told] == [(0, "")] * 4
    assert "would merge topic into main; it is open" in told[0][2]
    assert sorted(path.name for path in _host(work).folder.rglob("*.json")) == before
    assert _host(work).change_requests.get(1).state == "open"
    assert not (work.parent / "new.git").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "9"), 5, "error[not-found-on-host]: there is no change request or issue `9`"),
        (("open", "--branch", "gone", "--title", "t"), 5, "error[not-found-on-host]: there is no branch `gone`"),
        (
            ("open", "--branch", "main", "--title", "t"),
            5,
            "error[host-refused]: the host refused to open",
        ),
        (("show", "--path", "."), 2, "error[no-local-host]: the remote `"),
        (("show", "--project", "/"), 2, "error[no-local-host]: this repository has no remote called `origin`"),
    ],
)
def test_what_is_not_there_is_told_in_one_message(
    say: Say, arguments: tuple[str, ...], code: int, message: str
) -> None:
    found, out, err = say(*arguments)

    assert (found, out) == (code, "")
    assert err.startswith(message)


def test_a_conflict_names_the_file_and_leaves_everything_as_it_was(work: Path) -> None:
    _branch(work, "topic")
    _push(work, "topic", "a.txt", "theirs\n")
    _git(work, "checkout", "--quiet", "main")
    main = _push(work, "main", "a.txt", "ours\n")
    host = _host(work)
    request = host.open_change_request("topic", "t")

    with pytest.raises(MergeConflictError) as caught:
        host.merge(request.number)

    assert caught.value.files == ("a.txt",)
    assert host.branch_head("main") == main
    assert host.change_requests.get(request.number).state == "open"


def test_a_hook_that_refuses_the_merge_is_heard(work: Path) -> None:
    host = _host(work)
    hook = host.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    _branch(work, "topic")
    _push(work, "topic", "b.txt", "2\n")
    hook.write_text("#!/bin/sh\necho 'main is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    request = host.open_change_request("topic", "t")

    with pytest.raises(HostRefusedError, match="main is protected"):
        host.merge(request.number)

    assert host.change_requests.get(request.number).state == "open"


def test_a_merge_works_inside_a_hook_where_git_names_another_repository(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _branch(work, "topic")
    _push(work, "topic", "b.txt", "2\n")
    host = _host(work)
    request = host.open_change_request("topic", "t")
    before = _git(work, "status", "--porcelain=v2", "--branch")
    monkeypatch.setenv("GIT_DIR", str(work / ".git"))

    merged = host.merge(request.number)

    monkeypatch.delenv("GIT_DIR")
    assert merged.state == "merged"
    assert host.branch_head("main") == merged.merge_commit
    assert _git(work, "status", "--porcelain=v2", "--branch") == before


def test_a_push_that_merges_by_itself_is_noticed_with_its_merge_commit(work: Path) -> None:
    _branch(work, "topic")
    head = _push(work, "topic", "b.txt", "2\n")
    request = _host(work).open_change_request("topic", "t")
    _git(work, "checkout", "--quiet", "main")
    _push(work, "main", "c.txt", "3\n")
    _git(work, "merge", "--quiet", "--no-ff", "-m", "by hand", "topic")
    merge_commit = _git(work, "rev-parse", "HEAD")
    _push(work, "main", "d.txt", "4\n")

    seen = _host(work).change_requests.get(request.number)

    assert (seen.state, seen.head, seen.merge_commit) == ("merged", head, merge_commit)


def test_processes_that_write_at_once_lose_nothing(work: Path) -> None:
    host = _host(work)
    issue = host.issues.create(title="t", body="")
    program = (
        "import sys; from ci_core.hosts.local import find_local_host\n"
        "host = find_local_host(sys.argv[1], login=sys.argv[2])\n"
        f"for n in range(10): host.comment({issue.number}, str(n)); host.issues.create(title=str(n), body='')\n"
    )

    def write(login: str) -> None:
        subprocess.run(
            [sys.executable, "-c", program, str(host.repository), login], check=True, env={**os.environ}, timeout=60
        )

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, ("ada", "bob", "eve")))

    comments = list(host.comments.list(issue.topic))
    assert sorted((one.author, one.body) for one in comments) == sorted(
        (login, str(n)) for login in ("ada", "bob", "eve") for n in range(10)
    )
    assert len({one.id for one in comments}) == 30
    assert sorted(one.number for one in host.every_issue()) == list(range(1, 32))
