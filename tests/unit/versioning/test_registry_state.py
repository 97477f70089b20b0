from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ci_core.types import CommitId
from ci_core.versioning.registry_grammar import parse_tag
from ci_core.versioning.registry_state import Artifact, Assignment, TagEvent, artifacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

A, B, C = (CommitId(letter * 40) for letter in "abc")


def events(*tags: tuple[str, CommitId] | tuple[str, CommitId, int]) -> list[TagEvent]:
    """Return events a second apart, unless a tag comes with its own time."""
    made = []
    for second, (text, commit, *at) in enumerate(tags):
        tag = parse_tag(text)
        assert tag is not None
        made.append(TagEvent(tag=tag, commit=commit, at=at[0] if at else second))
    return made


def churn(*tags: tuple[str, CommitId] | tuple[str, CommitId, int]) -> Artifact:
    return artifacts(events(*tags))["churn"]


def test_versions_stand_for_their_commits() -> None:
    found = churn(("churn@v1.0.0", A), ("churn@v1.1.0", B))

    assert dict(found.versions) == {"v1.0.0": A, "v1.1.0": B}
    assert found.newest() == "v1.1.0"
    assert found.newest({A}) == "v1.0.0"
    assert found.newest(set()) is None
    assert found.version_of(A) == "v1.0.0"
    assert found.version_of(C) is None


def test_the_newest_version_is_the_greatest_not_the_last() -> None:
    assert churn(("churn@v2.0.0", A), ("churn@v1.0.1", B)).newest() == "v2.0.0"


def test_a_release_candidate_is_older_than_its_release() -> None:
    assert churn(("churn@v1.0.0", A), ("churn@v1.0.0-rc.1", B)).newest() == "v1.0.0"


def test_a_withdrawn_version_does_not_stand_and_stays_taken() -> None:
    found = churn(("churn@v1.0.0", A), ("churn@v1.1.0", B), ("churn@v1.1.0!", B))

    assert found.newest() == "v1.0.0"
    assert dict(found.withdrawn) == {"v1.1.0": B}


def test_a_version_can_be_registered_again() -> None:
    found = churn(("churn@v1.0.0", A), ("churn@v1.0.0!", A), ("churn@v1.0.0#3", B))

    assert dict(found.versions) == {"v1.0.0": B}
    assert dict(found.withdrawn) == {}


def test_a_stage_is_what_was_assigned_last() -> None:
    found = churn(("churn@v1.0.0", A), ("churn@v1.1.0", B), ("churn#production#1", B), ("churn#production#2", A))

    assert dict(found.stages) == {"production": Assignment(commit=A, version="v1.0.0")}


def test_a_stage_that_is_unassigned_is_what_it_was_before() -> None:
    tags = (("churn#production#1", A), ("churn#production#2", B), ("churn#production!#3", B))

    assert dict(churn(*tags).stages) == {"production": Assignment(commit=A, version=None)}
    assert dict(churn(*tags, ("churn#production!#4", A)).stages) == {}


def test_a_stage_of_a_withdrawn_version_is_none() -> None:
    found = churn(("churn@v1.0.0", A), ("churn#production#1", A), ("churn@v1.0.0!", A))

    assert dict(found.stages) == {}


def test_tags_of_one_second_are_told_apart_by_their_numbers() -> None:
    found = churn(("churn#production#10", B, 7), ("churn#production#9", A, 7))

    assert found.stages["production"].commit == B


def test_a_withdrawal_wins_over_a_tag_of_the_same_second_without_numbers() -> None:
    assert dict(churn(("churn@v1.0.0!", A, 7), ("churn@v1.0.0", A, 7)).versions) == {}


def test_an_artifact_is_deprecated_until_something_newer_is_said_of_it() -> None:
    tags = (("churn@v1.0.0", A), ("churn@deprecated", A))

    assert churn(*tags).is_deprecated
    assert not churn(*tags, ("churn@v1.1.0", B)).is_deprecated


def test_artifacts_of_two_folders_are_two() -> None:
    found = artifacts(events(("eu=churn@v1.0.0", A), ("us=churn@v2.0.0", B), ("churn@v3.0.0", C)))

    assert {name: artifact.newest() for name, artifact in found.items()} == {
        "churn": "v3.0.0",
        "eu:churn": "v1.0.0",
        "us:churn": "v2.0.0",
    }


TEXTS = [
    *(f"churn@v1.{minor}.0{cancel}" for minor in range(2) for cancel in ("", "!")),
    *(f"churn#{stage}{cancel}#{number}" for stage in ("dev", "prod") for cancel in ("", "!") for number in range(1, 4)),
    "churn@deprecated",
]


@given(
    st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from([A, B, C])), min_size=1, unique_by=lambda tag: tag[0]),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_git_lists_tags_does_not_matter(
    tags: Sequence[tuple[str, CommitId]], chance: Random
) -> None:
    listed = events(*tags)
    shuffled = list(listed)
    chance.shuffle(shuffled)

    assert artifacts(shuffled) == artifacts(listed)
