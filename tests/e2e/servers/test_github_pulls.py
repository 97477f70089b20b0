"""Pull requests of the stand-in behave as GitHub documents them, seen through PyGithub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from github import GithubException

if TYPE_CHECKING:
    from collections.abc import Callable

    from github.PullRequest import PullRequest
    from github.Repository import Repository

    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e


def _opened(server: GitHubServer, repository: Repository, branch: str = "feature") -> PullRequest:
    server.push(branch, {f"{branch}.txt": "new\n"})
    return repository.create_pull(base="main", head=branch, title=f"Change {branch}", body="why")


def _said(caught: pytest.ExceptionInfo[GithubException]) -> tuple[int, str]:
    errors = caught.value.data.get("errors") or [{}]
    return caught.value.status, errors[0].get("message") or caught.value.data["message"]


def test_the_head_of_an_open_request_follows_pushes_and_that_of_a_closed_one_does_not(
    server: GitHubServer, repository: Repository
) -> None:
    pull = _opened(server, repository)
    second = server.push("feature", {"b.txt": "2\n"})
    assert repository.get_pull(pull.number).head.sha == second

    pull.edit(state="closed")
    server.push("feature", {"b.txt": "3\n"})

    assert repository.get_pull(pull.number).head.sha == second
    assert [file.filename for file in pull.get_files()] == ["b.txt", "feature.txt"]
    assert len(list(pull.get_commits())) == 2


def test_a_request_whose_branch_is_deleted_is_closed_and_cannot_be_reopened(
    server: GitHubServer, repository: Repository
) -> None:
    pull = _opened(server, repository)

    server.delete_branch("feature")

    assert repository.get_pull(pull.number).state == "closed"
    with pytest.raises(GithubException) as caught:
        pull.edit(state="open")
    assert _said(caught) == (422, "state cannot be changed. The feature branch has been deleted.")


def test_a_force_pushed_branch_moves_its_open_request_and_bars_a_closed_one(
    server: GitHubServer, repository: Repository
) -> None:
    pull, closed = _opened(server, repository), _opened(server, repository, "other")
    closed.edit(state="closed")
    for branch in ("feature", "other"):
        server.delete_branch(branch)
        server.push(branch, {"anew.txt": "1\n"})

    assert repository.get_pull(pull.number).head.sha == repository.get_branch("feature").commit.sha
    with pytest.raises(GithubException) as caught:
        closed.edit(state="open")
    assert _said(caught) == (422, "state cannot be changed. The other branch was force-pushed or recreated.")


def test_a_second_open_request_of_a_branch_is_refused_in_githubs_words(
    server: GitHubServer, repository: Repository
) -> None:
    _opened(server, repository)

    with pytest.raises(GithubException) as caught:
        repository.create_pull(base="main", head="feature", title="again")

    assert _said(caught) == (422, "A pull request already exists for acme:feature.")


def test_a_branch_without_commits_of_its_own_has_no_request(server: GitHubServer, repository: Repository) -> None:
    repository.create_git_ref("refs/heads/same", repository.get_branch("main").commit.sha)

    with pytest.raises(GithubException) as caught:
        repository.create_pull(base="main", head="same", title="nothing")

    assert _said(caught) == (422, "No commits between main and same")


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merged_request_knows_its_commit_in_main_and_its_own_commits(
    server: GitHubServer, repository: Repository, method: str
) -> None:
    pull = _opened(server, repository)
    head = server.push("feature", {"b.txt": "2\n"})
    server.push("main", {"elsewhere.txt": "meanwhile\n"})

    merged = server.merge(pull.number, method=method)

    found = repository.get_pull(pull.number)
    assert (found.merged, found.state, found.merge_commit_sha, found.merged_by.login) == (True, "closed", merged, "ada")
    assert repository.get_branch("main").commit.sha == merged
    assert repository.get_contents("b.txt", ref="main").decoded_content == b"2\n"  # type: ignore[union-attr]  # a file
    assert len(list(found.get_commits())) == 2
    for commit in (head, merged):
        assert [one.number for one in repository.get_commit(commit).get_pulls()] == [pull.number]


def test_what_is_merged_stays_merged(server: GitHubServer, repository: Repository) -> None:
    pull = _opened(server, repository)
    server.merge(pull.number)

    with pytest.raises(GithubException) as caught:
        pull.edit(state="open")

    assert caught.value.status == 422


def test_a_request_in_conflict_says_so_and_is_not_merged(server: GitHubServer, repository: Repository) -> None:
    server.push("feature", {"README.md": "theirs\n"})
    pull = repository.create_pull(base="main", head="feature", title="t")
    server.push("main", {"README.md": "ours\n"})

    with pytest.raises(GithubException) as caught:
        pull.merge()

    assert caught.value.status == 405
    found = repository.get_pull(pull.number)
    assert (found.mergeable, found.mergeable_state, found.merged) == (False, "dirty", False)


def test_merging_another_head_than_the_one_that_was_seen_is_refused(
    server: GitHubServer, repository: Repository
) -> None:
    pull = _opened(server, repository)
    server.push("feature", {"b.txt": "2\n"})

    with pytest.raises(GithubException) as caught:
        pull.merge(sha=pull.head.sha)

    assert _said(caught) == (409, "Head branch was modified. Review and try the merge again.")


def test_a_request_from_a_fork_names_it_until_the_fork_is_deleted(
    server: GitHubServer, repository: Repository, opened: Callable[[str], Repository]
) -> None:
    server.fork("mallory")
    server.set_role("mallory", "read")
    head = server.push("topic", {"a.txt": "1\n"}, owner="mallory")
    theirs = opened(server.token("mallory")).create_pull(base="main", head="mallory:topic", title="t", body="b")

    assert theirs.head.repo.full_name == "mallory/flights"
    assert theirs.head.repo.fork
    assert [one.number for one in repository.get_pulls(head="mallory:topic")] == [theirs.number]
    assert list(repository.get_pulls(head="acme:topic")) == []
    assert list(repository.get_commit(head).get_pulls()) == []
    server.delete_fork("mallory")

    left = repository.get_pull(theirs.number)
    assert left.raw_data["head"]["repo"] is None
    assert (left.head.sha, left.user.login) == (head, "mallory")


def test_drafts_labels_and_reviewers_are_kept(server: GitHubServer, repository: Repository) -> None:
    server.push("feature", {"a.txt": "1\n"})
    pull = repository.create_pull(base="main", head="feature", title="t", draft=True)

    pull.add_to_labels("retrain", "model")
    pull.create_review_request(reviewers=["ada"])

    found = repository.get_pull(pull.number)
    assert found.draft
    assert [label.name for label in found.labels] == ["retrain", "model"]
    assert [user.login for user in found.requested_reviewers] == ["ada"]
    for reviewers in (["nobody-we-know"], ["graphship-bot"]):
        with pytest.raises(GithubException) as caught:
            pull.create_review_request(reviewers=reviewers)
        assert caught.value.status == 422


def test_a_pull_request_is_an_issue_and_an_issue_is_no_pull_request(
    server: GitHubServer, repository: Repository
) -> None:
    pull = _opened(server, repository)
    issue = repository.create_issue("drift", "body", labels=["drift"])

    listed = {one.number: one.pull_request is not None for one in repository.get_issues(state="all")}

    assert listed == {pull.number: True, issue.number: False}
    assert repository.get_issue(pull.number).title == "Change feature"
    with pytest.raises(GithubException) as caught:
        repository.get_pull(issue.number).complete()
    assert caught.value.status == 404


def test_comments_of_a_pull_request_lie_on_its_own_page(server: GitHubServer, repository: Repository) -> None:
    pull = _opened(server, repository)

    made = pull.create_issue_comment("hello")

    assert made.html_url == f"{server.web_url}/acme/flights/pull/{pull.number}#issuecomment-{made.id}"
    assert made.user.login == "graphship-bot"
