from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.deploy.local.processes import ProcessId
from ci_core.deploy.local.state import State, destroyed, read_state, rejected, switched, write_state
from ci_core.errors import StateFileError
from ci_core.types import CommitId, ReleaseId

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

A, B, C = ReleaseId("a" * 64), ReleaseId("b" * 64), ReleaseId("c" * 64)
COMMITS = {A: CommitId("1" * 40), B: CommitId("2" * 40), C: CommitId("3" * 40)}
AT = "2013-06-15T00:00:00+00:00"


def deploy(state: State, release: ReleaseId, outcome: Literal["deployed", "rolled-back"] = "deployed") -> State:
    return switched(state, release=release, commit=COMMITS[release], outcome=outcome, at=AT, reason="rolled back")


def reject(state: State, release: ReleaseId) -> State:
    return rejected(state, release=release, commit=COMMITS[release], at=AT, reason="ready: too slow")


def test_a_switch_counts_and_remembers_what_was_before() -> None:
    state = deploy(deploy(State(), A), B)

    assert (state.version, state.release, state.commit, state.previous) == (2, B, COMMITS[B], A)
    assert state.history[0] == {
        "release": A,
        "commit": COMMITS[A],
        "at": AT,
        "outcome": "deployed",
        "reason": "rolled back",
    }


def test_a_rejected_release_is_known_bad_and_nothing_else_moves() -> None:
    state = reject(deploy(State(), A), B)

    assert (state.version, state.release, state.previous) == (2, A, None)
    assert dict(state.known_bad) == {B: "ready: too slow"}
    assert state.history[-1]["outcome"] == "failed"


def test_a_rollback_makes_the_release_it_leaves_known_bad() -> None:
    state = deploy(deploy(deploy(State(), A), B), A, "rolled-back")

    assert (state.release, state.previous) == (A, None)
    assert dict(state.known_bad) == {B: "rolled back"}


def test_rolling_back_twice_goes_back_two_releases() -> None:
    state = deploy(deploy(deploy(State(), A), B), C)

    once = deploy(state, B, "rolled-back")
    assert once.previous == A
    twice = deploy(once, A, "rolled-back")

    assert twice.known_bad.keys() == {B, C}
    assert twice.previous is None


def test_a_release_that_works_is_not_known_bad_any_more() -> None:
    state = deploy(reject(deploy(State(), A), B), B)

    assert dict(state.known_bad) == {}


def test_after_the_end_nothing_is_live_and_the_history_stays() -> None:
    state = destroyed(replace(deploy(State(), A), port=8080), at=AT)

    assert (state.release, state.version, state.port, state.previous) == (None, 2, 8080, A)
    assert destroyed(state, at=AT).version == 2


def test_the_history_has_an_end() -> None:
    state = State()
    for number in range(300):
        state = deploy(state, (A, B)[number % 2])

    assert len(state.history) == 200
    assert state.version == 300


def test_there_is_no_state_before_the_first_write(tmp_path: Path) -> None:
    assert read_state(tmp_path / "state.json") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}', "{broken", "null"])
def test_a_file_that_we_did_not_write_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)

    with pytest.raises(StateFileError):
        read_state(tmp_path / "state.json")


def test_a_write_that_fails_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_state(path, deploy(State(), A))

    def full(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_state(path, deploy(State(), B))

    found = read_state(path)
    assert found is not None
    assert found.release == A
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


_STEPS = st.lists(
    st.tuples(st.sampled_from(["deployed", "rolled-back", "failed", "destroyed"]), st.sampled_from([A, B, C]))
)


@given(steps=_STEPS)
def test_whatever_happens_a_state_survives_the_disk_and_never_returns_to_a_bad_release(
    steps: list[tuple[str, ReleaseId]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = State(supervisor=ProcessId(pid=1, started="boot:2"), servers=(ProcessId(pid=3, started="boot:4"),))
    for kind, release in steps:
        if kind == "failed":
            state = reject(state, release) if release != state.release else state
        elif kind == "destroyed":
            state = destroyed(state, at=AT)
        else:
            state = deploy(state, release, "deployed" if kind == "deployed" else "rolled-back")

    path = tmp_path_factory.mktemp("state") / "state.json"
    write_state(path, state, is_durable=False)

    assert read_state(path) == state
    assert state.previous != state.release or state.release is None
    assert state.previous not in state.known_bad
    assert state.release not in state.known_bad
