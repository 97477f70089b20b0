"""Whose commits stand on a retrain branch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.hosts.marker import Run
from ci_core.retrain.branch import BranchCommit, commit_message, commits_of_others
from ci_core.types import CommitId

US = "graphship@localhost"
KEY = "3f2a9c1be07d:1f0c2a9b"


def _commit(number: int, *, author: str = US, committer: str = US, evidence: str = KEY) -> BranchCommit:
    return BranchCommit(
        id=CommitId(f"{number:040x}"),
        author="somebody",
        emails=frozenset({author, committer}),
        subject="s",
        evidence=evidence,
    )


def _others(*commits: BranchCommit, recorded: tuple[int, ...] = ()) -> list[int]:
    names = [CommitId(f"{number:040x}") for number in recorded]
    return [int(commit.id, 16) for commit in commits_of_others(commits, settled=names, our_email=US)]


def test_the_message_ends_with_the_lines_that_git_calls_trailers() -> None:
    assert commit_message("Retrain flights", "It won.", evidence=KEY, run=Run(id=12, attempt=3)) == (
        "Retrain flights\n\nIt won.\n\nGraphship-Retrain: 3f2a9c1be07d:1f0c2a9b\nGraphship-Run: 12.3\n"
    )


def test_commits_with_our_name_and_line_are_ours() -> None:
    assert _others(_commit(2), _commit(1)) == []


@pytest.mark.parametrize(
    "theirs",
    [
        _commit(2, author="person@example.org"),  # a cherry-pick of ours keeps us as committer only by hand
        _commit(2, committer="person@example.org"),  # amended, or rebased
        _commit(2, author="person@example.org", committer="noreply@github.com", evidence=""),  # made on the host's page
        _commit(2, evidence=""),  # another commit of graphship's, such as a lock file of a report
    ],
)
def test_a_commit_that_lacks_one_of_them_is_not(theirs: BranchCommit) -> None:
    assert _others(theirs, _commit(1)) == [2]


def test_a_head_that_we_recorded_is_ours_with_all_before_it() -> None:
    merged = _commit(1, author="person@example.org", evidence="")

    assert _others(_commit(2, evidence=""), merged, recorded=(2,)) == []


def test_a_recorded_commit_below_one_of_a_person_is_not_named() -> None:
    assert _others(_commit(3, author="p@example.org"), _commit(2, evidence=""), recorded=(2,)) == [3]


@given(
    emails=st.lists(
        st.tuples(st.sampled_from([US, "p@example.org"]), st.sampled_from([US, "p@example.org"])), max_size=6
    ),
    recorded=st.sets(st.integers(0, 5)),
)
def test_a_commit_of_a_person_on_top_is_always_named(emails: list[tuple[str, str]], recorded: set[int]) -> None:
    below = [_commit(10 + number, author=one, committer=other) for number, (one, other) in enumerate(emails)]
    top = _commit(99, author="p@example.org", evidence="")

    assert 99 in _others(top, *below, recorded=tuple(10 + number for number in recorded))
