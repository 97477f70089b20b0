from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from ci_core.errors import VersionTakenError
from ci_core.operations.promote import plan_stage
from ci_core.operations.register import plan_version
from ci_core.types import CommitId
from ci_core.versioning.git_tags import GitTag
from ci_core.versioning.registry import read_artifact

if TYPE_CHECKING:
    from ci_core.operations.registry import WantedTag

A, B = (CommitId(letter * 40) for letter in "ab")


def tags(*found: tuple[str, CommitId | None]) -> list[GitTag]:
    return [GitTag(name=name, object="0" * 40, commit=commit, at=at) for at, (name, commit) in enumerate(found)]


def planned(
    *found: tuple[str, CommitId | None],
    version: str | None = None,
    part: Literal["major", "minor", "patch"] | None = None,
) -> WantedTag:
    listed = tags(*found)
    taken = {tag.name for tag in listed}
    return plan_version(read_artifact("churn", listed), B, version=version, part=part, taken=taken)


def promoted(*found: tuple[str, CommitId | None]) -> WantedTag:
    listed = tags(*found)
    return plan_stage(read_artifact("churn", listed), "staging", "production", B, listed)


@pytest.mark.parametrize(
    ("part", "tag"),
    [(None, "churn@v0.0.1"), ("patch", "churn@v0.0.1"), ("minor", "churn@v0.1.0"), ("major", "churn@v1.0.0")],
)
def test_the_first_version_is_that_of_gto_unless_a_part_is_named(
    part: Literal["major", "minor", "patch"] | None, tag: str
) -> None:
    assert planned(part=part).tag.text == tag


@pytest.mark.parametrize(
    ("part", "tag"),
    [(None, "churn@v1.2.4"), ("patch", "churn@v1.2.4"), ("minor", "churn@v1.3.0"), ("major", "churn@v2.0.0")],
)
def test_the_next_version_follows_the_greatest(part: Literal["major", "minor", "patch"] | None, tag: str) -> None:
    assert planned(("churn@v1.2.3", A), ("churn@v1.0.9", A), part=part).tag.text == tag


def test_the_next_version_is_none_that_was_withdrawn_or_whose_tag_is_taken() -> None:
    found = (("churn@v1.0.0", A), ("churn@v1.0.1", A), ("churn@v1.0.1!", A), ("churn@v1.0.2", None))

    assert planned(*found).tag.text == "churn@v1.0.3"


def test_a_version_of_another_model_is_no_version_of_this_one() -> None:
    assert planned(("eu=churn@v5.0.0", A), ("churn-us@v7.0.0", A)).tag.text == "churn@v0.0.1"


def test_a_commit_that_has_its_version_keeps_it() -> None:
    wanted = planned(("churn@v1.0.0", B))

    assert (wanted.tag.text, wanted.stands) == ("churn@v1.0.0", True)
    assert planned(("churn@v1.0.0", B), version="v1.0.0").stands


def test_a_smaller_version_than_the_greatest_may_be_registered() -> None:
    assert planned(("churn@v2.0.0", A), version="v1.9.1").tag.text == "churn@v1.9.1"


def test_a_commit_whose_version_was_withdrawn_gets_another() -> None:
    assert planned(("churn@v1.0.0", B), ("churn@v1.0.0!", B)).tag.text == "churn@v1.0.1"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([("churn@v1.0.0", A)], "this version stands for `aaaaaaaaaaaa`"),
        ([("churn@v1.0.0", A), ("churn@v1.0.0!", A)], "this version was withdrawn"),
        ([("churn@v1.0.0", None)], "there is a tag of that name, which is not of the registry"),
        ([("churn@v0.9.0", B)], "it is `v0.9.0` already, and a commit has one version"),
    ],
)
def test_a_version_that_is_taken_is_refused_with_the_reason(
    found: list[tuple[str, CommitId | None]], reason: str
) -> None:
    with pytest.raises(VersionTakenError) as raised:
        planned(*found, version="v1.0.0")

    assert raised.value.reason == reason


def test_the_number_of_a_stage_tag_is_one_more_than_any_of_the_artifact() -> None:
    found = (("churn#staging#7", A), ("churn@v1.0.0#9", A), ("churn#dev#11", None), ("other#production#20", A))

    assert promoted(*found).tag.text == "churn#production#12"


def test_the_first_stage_tag_has_the_number_one() -> None:
    assert promoted().tag.text == "churn#production#1"


def test_a_commit_that_is_the_stage_already_is_not_promoted_twice() -> None:
    wanted = promoted(("churn#production#1", B), ("churn#production#2", A), ("churn#production#3", B))

    assert (wanted.tag.text, wanted.stands) == ("churn#production#3", True)


def test_a_commit_that_was_the_stage_once_is_promoted_again() -> None:
    wanted = promoted(("churn#production#1", B), ("churn#production#2", A))

    assert (wanted.tag.text, wanted.stands) == ("churn#production#3", False)


def test_a_promotion_says_which_version_and_where_from() -> None:
    wanted = promoted(("churn@v1.0.0", B))

    assert wanted.version == "v1.0.0"
    assert wanted.message == ("Assigning stage production to artifact churn version v1.0.0\n\nPromoted from staging.")
