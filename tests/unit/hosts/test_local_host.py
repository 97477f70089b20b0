"""What only the local host has: its files, its pages, its people."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ci_core.errors import HostDataError, HostRefusedError, MergeConflictError, NotFoundOnHostError
from ci_core.hosts.local import LocalHost, create_local_host, find_local_host
from ci_core.hosts.marker import Run
from ci_core.hosts.spec import CommitStatus
from ci_core.hosts.upsert import upsert_comment
from ci_core.testing.fake_repository import FakeRepository
from ci_core.types import CommitId

_AT = datetime(2013, 6, 29, 8, 30, tzinfo=UTC)


@pytest.fixture
def git() -> FakeRepository:
    git = FakeRepository()
    git.push("main", {"a": "1", "b": "1"})
    return git


@pytest.fixture
def host(tmp_path: Path, git: FakeRepository) -> LocalHost:
    (tmp_path / "flights.host").mkdir()
    return LocalHost(tmp_path / "flights.git", tmp_path / "flights.host", "ada", lambda: _AT, git)


def test_numbers_are_shared_by_change_requests_and_issues_and_never_given_twice(
    host: LocalHost, git: FakeRepository
) -> None:
    git.push("topic", {"a": "2"}, start="main")
    issue, request = host.issues.create(title="i", body=""), host.open_change_request("topic", "t")
    first = host.comment(issue.number, "one")
    host.comments.delete(first)

    assert (issue.number, request.number, host.issues.create(title="j", body="").number) == (1, 2, 3)
    assert host.comment(issue.number, "two").id == "2"


def test_times_come_from_the_clock(host: LocalHost, git: FakeRepository) -> None:
    git.push("topic", {"a": "2"}, start="main")
    request = host.open_change_request("topic", "t")

    assert host.merge(request.number).closed_at == "2013-06-29T08:30:00Z"


def test_a_merge_keeps_both_sides_and_the_branch(host: LocalHost, git: FakeRepository) -> None:
    git.push("topic", {"a": "2"}, start="main")
    git.push("main", {"b": "2"})
    request = host.open_change_request("topic", "t")

    merged = host.merge(request.number)

    assert merged.merge_commit == git.branches["main"]
    assert git.commits[git.branches["main"]].files == {"a": "2", "b": "2"}
    assert git.branches["topic"] == request.head


def test_a_conflict_names_the_files_and_changes_nothing(host: LocalHost, git: FakeRepository) -> None:
    git.push("topic", {"a": "2"}, start="main")
    request = host.open_change_request("topic", "t")
    before = git.push("main", {"a": "3"})

    with pytest.raises(MergeConflictError) as caught:
        host.merge(request.number)

    assert caught.value.files == ("a",)
    assert caught.value.hint == "merge `main` into `topic`, mend the conflict, push, and merge again"
    assert git.branches["main"] == before
    assert host.change_requests.get(request.number).state == "open"


def test_a_push_that_contains_the_branch_merges_the_request(host: LocalHost, git: FakeRepository) -> None:
    head = git.push("topic", {"a": "2"}, start="main")
    request = host.open_change_request("topic", "t")

    git.branches["main"] = head
    git.push("main", {"b": "7"})

    seen = host.change_requests.get(request.number)
    assert (seen.state, seen.merge_commit) == ("merged", head)
    assert list(host.change_requests.find(state="open")) == []


def test_noting_that_merge_loses_nothing_that_was_written_meanwhile(
    host: LocalHost, git: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    git.push("topic", {"a": "2"}, start="main")
    request = host.open_change_request("topic", "old title")
    git.branches["main"] = git.branches["topic"]

    def retitle_meanwhile(_git: FakeRepository, commit: CommitId, of: CommitId) -> bool:
        monkeypatch.undo()
        host.change_requests.update(request.number, title="new title")
        return git.is_ancestor(commit, of)

    monkeypatch.setattr(FakeRepository, "is_ancestor", retitle_meanwhile)
    seen = host.change_requests.get(request.number)

    assert (seen.state, seen.title) == ("merged", "new title")
    assert host.change_requests.get(request.number).title == "new title"


def test_a_branch_without_commits_of_its_own_is_refused(host: LocalHost, git: FakeRepository) -> None:
    git.branches["topic"] = git.branches["main"]

    with pytest.raises(HostRefusedError, match="no commit that `main` lacks"):
        host.open_change_request("topic", "t")
    with pytest.raises(NotFoundOnHostError, match="no branch `gone`"):
        host.open_change_request("gone", "t")


def test_the_head_of_a_deleted_branch_is_remembered(host: LocalHost, git: FakeRepository) -> None:
    """D26."""
    head = git.push("topic", {"a": "2"}, start="main")
    request = host.open_change_request("topic", "t")

    del git.branches["topic"]

    assert host.change_requests.get(request.number).head == head


def test_close_works_on_both_kinds_of_topic(host: LocalHost, git: FakeRepository) -> None:
    git.push("topic", {"a": "2"}, start="main")
    request, issue = host.open_change_request("topic", "t"), host.issues.create(title="i", body="")

    host.close(request.number)
    host.close(issue.number)

    assert host.change_requests.get(request.number).state == "closed"
    assert [one.state for one in host.every_issue()] == ["closed"]
    with pytest.raises(NotFoundOnHostError):
        host.close(99)


def test_the_name_of_a_status_may_hold_anything(host: LocalHost) -> None:
    commit = CommitId("a" * 40)
    for context in ("graphship/report", "../../etc", "a b", "ü"):
        host.statuses.set(CommitStatus(commit=commit, context=context, state="success", description=""))

    assert {status.context for status in host.statuses.list(commit)} == {
        "graphship/report",
        "../../etc",
        "a b",
        "ü",
    }
    assert {path.parent for path in host.folder.rglob("*.json")} == {host.folder / "statuses" / commit}


def test_a_long_description_of_a_status_is_refused(host: LocalHost) -> None:
    status = CommitStatus(commit=CommitId("a" * 40), context="c", state="success", description="x" * 141)

    with pytest.raises(HostRefusedError, match="141 characters"):
        host.statuses.set(status)


@pytest.mark.parametrize("content", ["{", "[]", '{"number": 1}', "\udcff"])
def test_a_damaged_file_is_named(host: LocalHost, content: str) -> None:
    issue = host.issues.create(title="i", body="")
    file = host.folder / "issues" / f"{issue.number}.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))

    with pytest.raises(HostDataError) as caught:
        list(host.every_issue())

    assert str(file) in caught.value.where[0]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    issue = host.issues.create(title="old", body="")
    before = sorted(path.name for path in (host.folder / "issues").iterdir())

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        host.issues.update(issue.number, title="new")
    monkeypatch.undo()

    assert [one.title for one in host.every_issue()] == ["old"]
    assert sorted(path.name for path in (host.folder / "issues").iterdir()) == before


def test_two_objects_on_one_folder_are_two_users(host: LocalHost) -> None:
    issue = host.issues.create(title="i", body="")

    host.acting_as("bob").comment(issue.number, "hello")

    assert [comment.author for comment in host.comments.list(issue.topic)] == ["bob"]
    assert host.identity().login == "ada"


def test_the_page_of_a_topic_shows_text_and_runs_nothing(host: LocalHost) -> None:
    issue = host.issues.create(
        title="<script>alert(1)</script>",
        body="| a |\n|---|\n| 1 |\n\n<details>\n<summary>more</summary>\n\n**in**\n\n</details>\n",
    )
    upsert_comment(
        host,
        topic=issue.topic,
        scope=("s",),
        body="<img src=x onerror=alert(2)> <!-- hidden --> `<details>` ![p](http://tracker.example/x.png)",
        head=CommitId("a" * 40),
        run=Run(id=1),
    )

    page = Path(issue.url.removeprefix("file://")).read_text()

    assert "<td>1</td>" in page
    assert "<details>\n<summary>more</summary>\n<p><strong>in</strong></p>\n</details>" in page
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(2)&gt;" in page
    assert "hidden" not in page
    assert "graphship:v1" not in page
    assert "<code>&lt;details&gt;</code>" in page
    assert "default-src 'none'" in page  # so the tracker's picture is not loaded


def test_a_host_is_found_by_path_and_by_file_address(tmp_path: Path) -> None:
    repository = tmp_path / "a ü" / "flights.git"
    repository.mkdir(parents=True)
    (repository / "HEAD").write_text("ref: refs/heads/main\n")
    create_local_host(repository)

    for address in (str(repository), repository.as_uri(), f"{repository}/"):
        found = find_local_host(address)
        assert found is not None
        assert found.folder == tmp_path / "a ü" / "flights.host"
    relative = find_local_host("../flights.git", base=tmp_path / "a ü" / "work")
    assert relative is not None


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/a/flights.git",
        "git@github.com:a/flights.git",
        "host:flights.git",
        "/nowhere/flights.git",
        "",
    ],
)
def test_other_addresses_are_no_local_host(address: str) -> None:
    assert find_local_host(address) is None


def test_a_second_host_at_one_place_and_a_folder_with_other_things_are_refused(tmp_path: Path) -> None:
    repository = tmp_path / "flights.git"
    repository.mkdir()
    (repository / "HEAD").write_text("ref: refs/heads/main\n")
    create_local_host(repository)

    with pytest.raises(HostRefusedError, match="there is one"):
        create_local_host(repository)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(HostRefusedError, match="something else"):
        create_local_host(tmp_path / "photos")


def test_files_are_readable_json_with_a_stated_format(host: LocalHost, tmp_path: Path) -> None:
    repository = tmp_path / "other.git"
    repository.mkdir()
    (repository / "HEAD").write_text("ref: refs/heads/main\n")

    made = create_local_host(repository)

    assert json.loads((made.folder / "host.json").read_text()) == {"format": 1, "repository": "other.git"}
