"""GitLab's records as ours."""

from __future__ import annotations

import pytest

from ci_core.hosts._answers import UnusableAnswerError
from ci_core.hosts.choose import HostChoice
from ci_core.hosts.gitlab.change_requests import read_change_request
from ci_core.hosts.gitlab.issues import read_issue
from ci_core.hosts.gitlab.project import read_level
from ci_core.hosts.gitlab.tokens import Token

_HEAD, _MERGE, _SQUASH = "a" * 40, "b" * 40, "c" * 40
_REQUEST: dict[str, object] = {
    "iid": 5,
    "title": "Retrain",
    "description": "why",
    "state": "opened",
    "author": {"id": 1, "username": "ada"},
    "source_branch": "retrain",
    "target_branch": "main",
    "source_project_id": 278,
    "target_project_id": 278,
    "sha": _HEAD,
    "merge_commit_sha": None,
    "squash_commit_sha": None,
    "merged_at": None,
    "closed_at": None,
    "labels": ["retrain"],
    "reviewers": [{"id": 2, "username": "grace"}],
    "draft": False,
    "web_url": "https://gitlab.com/acme/flights/-/merge_requests/5",
}


def test_an_open_merge_request_is_read() -> None:
    found = read_change_request(_REQUEST)

    assert (found.number, found.title, found.body, found.state, found.author) == (5, "Retrain", "why", "open", "ada")
    assert (found.head, found.merge_commit, found.closed_at, found.is_fork, found.is_draft) == (
        _HEAD,
        None,
        None,
        False,
        False,
    )
    assert (found.labels, found.reviewers) == (("retrain",), ("grace",))


@pytest.mark.parametrize(
    ("merged_by", "commit"),
    [
        ({"merge_commit_sha": _MERGE}, _MERGE),
        ({"squash_commit_sha": _SQUASH}, _SQUASH),
        ({"merge_commit_sha": _MERGE, "squash_commit_sha": _SQUASH}, _MERGE),
        ({}, _HEAD),  # a fast-forward: the head itself is on the target branch
    ],
)
def test_the_merge_commit_is_that_of_the_way_it_was_merged(merged_by: dict[str, object], commit: str) -> None:
    found = read_change_request({**_REQUEST, "state": "merged", "merged_at": "2026-11-01T00:00:00Z", **merged_by})

    assert (found.state, found.merge_commit, found.closed_at) == ("merged", commit, "2026-11-01T00:00:00Z")


def test_a_request_that_is_being_merged_counts_as_open() -> None:
    assert read_change_request({**_REQUEST, "state": "locked"}).state == "open"


@pytest.mark.parametrize("source", [301, None])
def test_a_fork_is_known_by_its_project_and_a_deleted_one_by_its_absence(source: int | None) -> None:
    assert read_change_request({**_REQUEST, "source_project_id": source}).is_fork


def test_a_draft_is_known_by_its_mark_and_by_its_title() -> None:
    marked = read_change_request({**_REQUEST, "title": "Draft: Retrain", "draft": True})
    of_an_old_server = read_change_request({**_REQUEST, "title": "Draft: Retrain", "draft": None})

    assert (marked.is_draft, marked.title) == (True, "Retrain")
    assert (of_an_old_server.is_draft, of_an_old_server.title) == (True, "Retrain")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iid", "5"),
        ("iid", True),
        ("state", None),
        ("author", None),
        ("labels", [1]),
        ("labels", "retrain"),
        ("web_url", ""),
        ("reviewers", "grace"),
        ("description", 7),
        ("target_project_id", None),
    ],
)
def test_a_record_of_another_shape_is_no_merge_request(field: str, value: object) -> None:
    with pytest.raises(UnusableAnswerError):
        read_change_request({**_REQUEST, field: value})


def test_a_description_that_is_null_is_empty() -> None:
    data = {
        "iid": 1,
        "title": "t",
        "description": None,
        "state": "opened",
        "author": {"username": "ada"},
        "labels": [],
        "web_url": "https://gitlab.com/acme/flights/-/issues/1",
    }

    assert read_issue(data).body == ""


@pytest.mark.parametrize(
    ("permissions", "level"),
    [
        ({"project_access": {"access_level": 20}, "group_access": {"access_level": 40}}, 40),
        ({"project_access": {"access_level": 30}, "group_access": None}, 30),
        ({"project_access": None, "group_access": None}, None),
        (None, None),
    ],
)
def test_our_role_is_the_higher_of_project_and_group(permissions: object, level: int | None) -> None:
    assert read_level({"permissions": permissions}) == level


@pytest.mark.parametrize(
    ("value", "variable", "env", "kind"),
    [
        ("glcbt-64_abc", "CI_JOB_TOKEN", {}, "job"),
        ("glcbt-64_abc", "GRAPHSHIP_TOKEN", {}, "job"),
        ("legacy", "GRAPHSHIP_TOKEN", {"CI_JOB_TOKEN": "legacy"}, "job"),
        ("glpat-abc", "GRAPHSHIP_TOKEN", {"CI_JOB_TOKEN": "glcbt-64_abc"}, "personal"),
        (None, None, {"CI_JOB_TOKEN": "glcbt-64_abc"}, "none"),
    ],
)
def test_a_token_of_a_job_is_known_whatever_variable_it_is_in(
    value: str | None, variable: str | None, env: dict[str, str], kind: str
) -> None:
    choice = HostChoice(kind="gitlab", repository="acme/flights", token=value, token_variable=variable)

    assert Token.of(choice, env).kind == kind


def test_a_token_is_not_in_what_is_shown_of_it() -> None:
    token = Token(value="glpat-abcdef", variable="GRAPHSHIP_TOKEN", kind="personal")

    assert "glpat" not in repr(token)


@pytest.mark.parametrize(
    ("value", "is_sendable"),
    [("glpat-a_B.c", True), ("two words", False), ("line\n", False), ("ü", False), (None, True)],
)
def test_only_what_can_stand_in_a_header_is_sent(value: str | None, *, is_sendable: bool) -> None:
    assert Token(value=value, variable=None, kind="personal").is_sendable is is_sendable
