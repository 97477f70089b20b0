"""The registry's tag grammar: laws of text and tag, and GTO's own reading of the same text."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ci_core.versioning.registry_grammar import (
    RegistryTag,
    as_version,
    bump,
    is_artifact,
    parse_tag,
    version_order,
)

NAMES = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9_/-]{0,8}[a-zA-Z0-9])?", fullmatch=True)
FULL_NAMES = st.one_of(NAMES, st.builds("{}:{}".format, st.from_regex(r"[a-z0-9_./-]{1,8}", fullmatch=True), NAMES))
NUMBERS = st.integers(0, 10**6)
RELEASES = st.builds("v{}.{}.{}".format, NUMBERS, NUMBERS, NUMBERS)
VERSIONS = st.builds(
    "{}{}{}".format,
    RELEASES,
    st.sampled_from(["", "-rc.1", "-rc.2", "-rc.10", "-1", "-a-b", "-0a.x"]),
    st.sampled_from(["", "+7", "+build.5"]),
)
COUNTERS = st.one_of(st.none(), NUMBERS)
TAGS = st.one_of(
    st.builds(
        RegistryTag,
        name=FULL_NAMES,
        action=st.sampled_from(["register", "withdraw"]),
        version=VERSIONS,
        counter=COUNTERS,
    ),
    st.builds(
        RegistryTag, name=FULL_NAMES, action=st.sampled_from(["assign", "unassign"]), stage=NAMES, counter=COUNTERS
    ),
    st.builds(RegistryTag, name=FULL_NAMES, action=st.just("deprecate"), counter=COUNTERS),
)
ALMOST_TAGS = st.lists(
    st.sampled_from(["churn", "a", "-", "/", "_", ".", "=", ":", "#", "@", "!", "v1.2.0", "1", "0", "v", "deprecated"]),
    max_size=9,
).map("".join)
OF_GTO = {"register": "REGISTER", "withdraw": "DEREGISTER", "assign": "ASSIGN", "unassign": "UNASSIGN"}


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("churn@v1.2.0", RegistryTag(name="churn", action="register", version="v1.2.0")),
        ("churn@v1.2.0!", RegistryTag(name="churn", action="withdraw", version="v1.2.0")),
        ("churn@v1.2.0#3", RegistryTag(name="churn", action="register", version="v1.2.0", counter=3)),
        ("churn#production#3", RegistryTag(name="churn", action="assign", stage="production", counter=3)),
        ("churn#production", RegistryTag(name="churn", action="assign", stage="production")),
        ("churn#production!#4", RegistryTag(name="churn", action="unassign", stage="production", counter=4)),
        ("churn@deprecated", RegistryTag(name="churn", action="deprecate")),
        ("churn@deprecated#5", RegistryTag(name="churn", action="deprecate", counter=5)),
        ("models/eu=churn@v1.0.0", RegistryTag(name="models/eu:churn", action="register", version="v1.0.0")),
        ("nlp/churn#eu/prod#1", RegistryTag(name="nlp/churn", action="assign", stage="eu/prod", counter=1)),
    ],
)
def test_a_tag_is_read_and_written_as_gto_does(text: str, tag: RegistryTag) -> None:
    assert parse_tag(text) == tag
    assert tag.text == text


@pytest.mark.parametrize(
    "text",
    [
        "v1.2.0",
        "churn",
        "churn@1.2.0",
        "churn@v1.2",
        "churn@v01.2.0",
        "churn@created",
        "churn@deprecated!",
        "churn#",
        "churn#prod#x",
        "churn#prod#1#2",
        "a=b=churn@v1.0.0",
        "=churn@v1.0.0",
        "-churn@v1.0.0",
        "@scope/package@1.0.0",
        "churn@v1.0.0\n",
        "churn@v1.0.٣",
    ],
)
def test_other_tags_are_none_of_the_registry(text: str) -> None:
    assert parse_tag(text) is None


def test_a_tag_that_is_longer_than_anything_sensible_is_none_of_the_registry() -> None:
    assert parse_tag("churn@v1.0." + "9" * 5000) is None
    assert as_version("1.0." + "9" * 5000) is None


@given(TAGS)
def test_what_is_written_is_read_back(tag: RegistryTag) -> None:
    assert parse_tag(tag.text) == tag


@given(st.one_of(ALMOST_TAGS, TAGS.map(lambda tag: tag.text)))
@example("a./=b#c")
@example("churn@v1.2.0!#1")
def test_gto_reads_the_same(text: str) -> None:
    from gto.tag import parse_name

    ours, theirs = parse_tag(text), parse_name(text, raise_on_fail=False)

    if ours is None:
        assert "action" not in theirs
    else:
        assert theirs["action"].name == OF_GTO.get(ours.action, "DEPRECATE")
        assert theirs["name"] == ours.name
        assert theirs.get("version") == ours.version
        assert theirs.get("stage") == ours.stage
        assert theirs.get("counter") == ours.counter


@given(st.one_of(FULL_NAMES, ALMOST_TAGS))
def test_a_name_is_one_exactly_when_gto_takes_it(name: str) -> None:
    from gto.constants import fullname_re

    assert is_artifact(name) == bool(re.fullmatch(fullname_re.pattern.strip("^$"), name))


@given(VERSIONS, VERSIONS)
def test_versions_are_in_the_order_that_gto_has(one: str, other: str) -> None:
    from gto.versions import SemVer

    assert (version_order(one) < version_order(other)) == (SemVer.parse(one) < SemVer.parse(other))
    assert (version_order(one) == version_order(other)) == (SemVer.parse(one) == SemVer.parse(other))


def test_versions_are_in_the_order_of_the_specification() -> None:
    """The example of https://semver.org/#spec-item-11."""
    rising = ["alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11", "rc.1"]
    versions = [*(f"v1.0.0-{one}" for one in rising), "v1.0.0", "v1.0.1", "v1.10.0", "v2.0.0"]

    for older, newer in pairwise(versions):
        assert version_order(older) < version_order(newer)


@pytest.mark.parametrize(
    ("version", "major", "minor", "patch"),
    [
        ("v1.2.3", "v2.0.0", "v1.3.0", "v1.2.4"),
        ("v1.2.3-rc.1", "v2.0.0", "v1.3.0", "v1.2.4"),
        ("v0.0.0+7", "v1.0.0", "v0.1.0", "v0.0.1"),
    ],
)
def test_the_next_version_has_one_part_more_and_nothing_behind_it(
    version: str, major: str, minor: str, patch: str
) -> None:
    assert (bump(version, "major"), bump(version, "minor"), bump(version, "patch")) == (major, minor, patch)
