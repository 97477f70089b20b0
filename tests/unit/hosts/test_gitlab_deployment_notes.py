"""The notes on deployments in the description of a GitLab environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.hosts.gitlab.deployment_notes import TEXT_LIMIT, DeploymentNote, read_notes, with_notes
from ci_core.types import CommitId, ReleaseId

_COMMIT, _RELEASE = CommitId("0" * 40), ReleaseId("1" * 64)
_NOTE = DeploymentNote(id=41, commit=_COMMIT, release=_RELEASE, text="release 111 serves", url="https://a.example")

_printed, _address = st.text(max_size=40), st.text(min_size=1, max_size=40)
_notes = st.lists(
    st.builds(
        DeploymentNote,
        id=st.none() | st.integers(min_value=1),
        commit=st.just(_COMMIT),
        release=st.just(_RELEASE),
        text=_printed,
        url=st.none() | _address,
        log=st.none() | _address,
        inactive=st.booleans(),
    ),
    max_size=4,
).map(tuple)


def test_the_format_of_the_block_is_as_documented() -> None:
    assert with_notes("", [_NOTE]) == (
        "graphship keeps here, unseen, which release each deployment carries.\n\n"
        "<!-- graphship:v1 deployments\n"
        f'[{{"id":41,"commit":"{"0" * 40}","release":"{"1" * 64}","text":"release 111 serves",'
        '"url":"https://a.example","log":null,"inactive":false}]\n'
        "-->"
    )


@given(_notes, st.text(alphabet="ab -<>!\n", max_size=30))
def test_notes_come_back_as_they_went_whatever_people_wrote_above(notes: tuple[DeploymentNote, ...], own: str) -> None:
    assert read_notes(with_notes(own, notes)) == notes


def test_writing_again_replaces_the_notes_and_keeps_what_people_wrote() -> None:
    first = with_notes("Our shop window.", [_NOTE])

    second = with_notes(first, ())

    assert second == "Our shop window.\n\n<!-- graphship:v1 deployments\n[]\n-->"


def test_a_text_cannot_end_the_hidden_block() -> None:
    hostile = DeploymentNote(id=1, commit=_COMMIT, release=_RELEASE, text="--> <b>seen</b>\n<!--")

    written = with_notes("", [hostile])

    assert written.count("-->") == 1
    assert "<b>" not in written
    assert read_notes(written) == (hostile,)


def test_the_oldest_notes_go_when_the_description_would_be_too_long() -> None:
    many = [DeploymentNote(id=number, commit=_COMMIT, release=_RELEASE, text="x" * 200) for number in range(100, 0, -1)]

    written = with_notes("Our shop window.", many)

    kept = read_notes(written)
    assert len(written) <= TEXT_LIMIT
    assert [note.id for note in kept] == [100 - place for place in range(len(kept))]
    assert len(kept) > 20


@pytest.mark.parametrize(
    "block",
    [
        "not JSON",
        "{}",
        '["x", 7, {"id": "41", "commit": "a", "release": "b"}, {"id": 1, "commit": 2, "release": "b"}]',
        '{"id": 1',
        "[" * 5000,
    ],
)
def test_a_spoiled_block_is_none(block: str) -> None:
    assert read_notes(f"own\n\n<!-- graphship:v1 deployments\n{block}\n-->") == ()


def test_an_address_that_is_too_long_is_left_out_and_not_cut() -> None:
    long = DeploymentNote(id=1, commit=_COMMIT, release=_RELEASE, log="https://a.example/" + "x" * 300)

    (kept,) = read_notes(with_notes("", [long]))

    assert kept.log is None
