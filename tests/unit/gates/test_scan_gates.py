"""The gates on pickles and on secrets, judged on what a scan found."""

from __future__ import annotations

import pytest

from ci_core.config.settings import (
    Gates,
    PickleScanGate,
    SecretsGate,
)
from ci_core.gates.evidence import (
    PickleFinding,
    PickleScan,
    SecretFinding,
    SecretScan,
)
from ci_core.gates.judge import judge
from tests.unit.gates.written_evidence import evidence, result

BAD = PickleScan(scanned=("m.pkl",), findings=(PickleFinding(path="m.pkl", names=("os.system", "builtins.eval")),))


@pytest.mark.parametrize(("is_written", "state"), [(True, "fail"), (False, "warn")])
def test_a_pickle_that_would_run_something_fails_when_the_gate_is_written_and_warns_when_not(
    *, is_written: bool, state: str
) -> None:
    found = result(Gates(pickle_scan=PickleScanGate(is_written=is_written)), evidence(pickles=BAD))

    assert found.state == state
    assert found.sentence == "`m.pkl` would run `os.system`, `builtins.eval`"


def test_a_pickle_that_is_vouched_for_passes_and_is_told() -> None:
    found = result(Gates(pickle_scan=PickleScanGate(is_written=True, allow=("*.pkl",))), evidence(pickles=BAD))

    assert (found.state, found.limit) == ("pass", "runs nothing dangerous, but for `*.pkl`")
    assert found.sentence == "nothing dangerous in 1 pickled file, but for 1 that is allowed"


def test_a_pickle_that_is_not_here_is_a_warning_of_a_gate_that_is_written() -> None:
    scan = PickleScan(missing=(("m.pkl", "it is not in the work tree"),))

    found = result(Gates(pickle_scan=PickleScanGate(is_written=True)), evidence(pickles=scan))

    assert judge(Gates(), evidence(pickles=scan)) == ()  # else each clone without the data would be warned
    assert (found.state, found.sentence) == ("warn", "not looked through: `m.pkl` (it is not in the work tree)")


@pytest.mark.parametrize(("is_written", "state"), [(True, "fail"), (False, "warn")])
def test_a_pickle_that_defies_the_scan_is_as_bad_as_one_that_runs_something(*, is_written: bool, state: str) -> None:
    scan = PickleScan(unreadable=(("m.pkl", "it cannot be read as a pickle to its end"),))

    found = result(Gates(pickle_scan=PickleScanGate(is_written=is_written)), evidence(pickles=scan))

    assert found.state == state
    assert found.sentence == "`m.pkl` cannot be looked through: it cannot be read as a pickle to its end"


def test_scans_that_are_not_written_and_find_nothing_say_nothing() -> None:
    scan = PickleScan(scanned=("m.pkl",))

    assert judge(Gates(), evidence(pickles=scan, secrets=SecretScan(problem="there is no base"))) == ()


LEAK = SecretScan(findings=(SecretFinding(path="src/a.py", line=3, kind="a GitHub token"),))


@pytest.mark.parametrize(("is_written", "state"), [(True, "fail"), (False, "warn")])
def test_an_added_secret_is_told_by_file_line_and_kind(*, is_written: bool, state: str) -> None:
    found = result(Gates(secrets=SecretsGate(is_written=is_written)), evidence(secrets=LEAK))

    assert (found.state, found.sentence) == (state, "`src/a.py:3` looks like a GitHub token")


@pytest.mark.parametrize(
    ("pattern", "state"), [("src/*", "pass"), ("*.py", "pass"), ("SRC/*", "fail"), ("a.py", "fail")]
)
def test_secrets_are_allowed_by_the_whole_path(pattern: str, state: str) -> None:
    assert result(Gates(secrets=SecretsGate(is_written=True, allow=(pattern,))), evidence(secrets=LEAK)).state == state


def test_a_change_that_is_too_large_to_look_through_is_a_warning_even_when_the_gate_is_not_written() -> None:
    found = result(Gates(), evidence(secrets=SecretScan(unread=("big.csv",))))

    assert found.state == "warn"
    assert found.sentence == "the change is too large to be looked through: not read were `big.csv`"


def test_a_written_gate_without_a_base_warns() -> None:
    found = result(Gates(secrets=SecretsGate(is_written=True)), evidence(secrets=SecretScan(problem="no base")))

    assert (found.state, found.sentence) == ("warn", "added lines were not looked through: no base")


def test_names_of_files_cannot_break_out_of_their_quotes() -> None:
    scan = SecretScan(findings=(SecretFinding(path="a`\n@all.py", line=1, kind="a private key"),))

    assert result(Gates(), evidence(secrets=scan)).sentence == "`a'\\n@all.py:1` looks like a private key"
