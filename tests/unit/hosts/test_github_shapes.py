"""What is read out of GitHub's answers, and which answers are none."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.hosts.github.answers import UnusableAnswerError, login, names, needed_text, number, record, rows, text
from ci_core.hosts.github.change_requests import read_change_request

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD, _MERGE = "a" * 40, "b" * 40
_PULL: dict[str, Any] = {
    "number": 5,
    "title": "Add wind",
    "body": "why",
    "state": "open",
    "user": {"login": "ada"},
    "head": {"ref": "feature", "sha": _HEAD, "repo": {"full_name": "acme/flights"}},
    "base": {"ref": "main", "sha": "c" * 40, "repo": {"full_name": "Acme/Flights"}},
    "merge_commit_sha": _MERGE,
    "merged_at": None,
    "closed_at": None,
    "labels": [{"name": "model"}],
    "requested_reviewers": [{"login": "bob"}],
    "draft": False,
    "html_url": "https://github.com/acme/flights/pull/5",
}


def _pull(**changes: object) -> dict[str, Any]:
    return {**copy.deepcopy(_PULL), **changes}


def test_the_trial_merge_of_an_open_request_is_no_merge_commit() -> None:
    found = read_change_request(_pull())

    assert (found.state, found.merge_commit, found.closed_at) == ("open", None, None)
    assert (found.head, found.source_branch, found.target_branch) == (_HEAD, "feature", "main")
    assert (found.labels, found.reviewers, found.is_draft, found.is_fork) == (("model",), ("bob",), False, False)


def test_a_closed_request_that_has_a_time_of_merging_was_merged() -> None:
    found = read_change_request(
        _pull(state="closed", merged_at="2026-11-23T09:00:00Z", closed_at="2026-11-23T09:00:00Z")
    )

    assert (found.state, found.merge_commit, found.closed_at) == ("merged", _MERGE, "2026-11-23T09:00:00Z")


def test_a_closed_request_without_one_was_not() -> None:
    found = read_change_request(_pull(state="closed", closed_at="2026-11-23T09:00:00Z"))

    assert (found.state, found.merge_commit) == ("closed", None)


@pytest.mark.parametrize("repository", [None, {"full_name": "eve/flights"}, {"full_name": "acme/flights-fork"}])
def test_a_head_in_another_repository_or_in_none_makes_it_one_of_a_fork(repository: object) -> None:
    found = read_change_request(_pull(head={"ref": "feature", "sha": _HEAD, "repo": repository}))

    assert found.is_fork
    assert found.source_repository == (repository["full_name"] if isinstance(repository, dict) else None)


def test_what_an_account_that_is_gone_wrote_belongs_to_the_ghost() -> None:
    assert read_change_request(_pull(user=None)).author == "ghost"


def test_an_empty_body_is_null_on_github() -> None:
    assert read_change_request(_pull(body=None)).body == ""


def test_lists_of_older_servers_may_leave_out_what_is_not_essential() -> None:
    data = _pull()
    for name in ("labels", "requested_reviewers", "draft", "merge_commit_sha"):
        del data[name]

    found = read_change_request(data)

    assert (found.labels, found.reviewers, found.is_draft, found.merge_commit) == ((), (), False, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "5"},
        {"number": True},
        {"number": None},
        {"title": 5},
        {"state": []},
        {"head": None},
        {"head": {"ref": "", "sha": _HEAD, "repo": None}},
        {"head": {"ref": "feature", "sha": None, "repo": None}},
        {"base": {"ref": "main"}},
        {"labels": {"name": "model"}},
        {"labels": [{"title": "model"}]},
        {"user": {"login": ""}},
        {"user": "ada"},
        {"html_url": ""},
    ],
)
def test_a_request_of_another_shape_is_no_answer(changes: dict[str, object]) -> None:
    with pytest.raises(UnusableAnswerError):
        read_change_request(_pull(**changes))


@pytest.mark.parametrize(
    "read",
    [
        lambda: record([]),
        lambda: record(None),
        lambda: rows({}),
        lambda: rows([1]),
        lambda: rows(None),
        lambda: text({}, "a"),
        lambda: needed_text({"a": None}, "a"),
        lambda: number({"a": 1.5}, "a"),
        lambda: login({"user": {}}),
        lambda: names({"a": "text"}, "a", "name"),
    ],
)
def test_a_wrong_shape_is_never_taken_for_an_empty_one(read: Callable[[], object]) -> None:
    with pytest.raises(UnusableAnswerError):
        read()
