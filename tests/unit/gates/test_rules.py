"""The gates that are not on metrics, judged on evidence that is written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci_core.behaviour.spec import Behaviour
from ci_core.config.settings import (
    BehaviourGate,
    DataGate,
    Gates,
    LatencyGate,
    MetricGate,
    ModelSizeGate,
    PickleScanGate,
    SecretsGate,
)
from ci_core.gates.evidence import (
    Evidence,
    LostObject,
    MissingObjects,
    ModelSize,
    PickleFinding,
    PickleScan,
    SecretFinding,
    SecretScan,
)
from ci_core.gates.judge import judge
from ci_core.monitoring.table_diff import ColumnDiff, TableDiff
from ci_core.types import CommitId, Interval
from ci_core.versioning.difference import FileDiff, SnapshotDiff
from ci_core.versioning.revision import CodeVersion

if TYPE_CHECKING:
    from ci_core.gates.spec import GateResult


def diff(base_problem: str | None = None, **more: Any) -> SnapshotDiff:
    head = CodeVersion(commit=CommitId("a" * 40))
    return SnapshotDiff(base=None if base_problem else head, head=head, base_problem=base_problem, **more)


def evidence(**more: Any) -> Evidence:
    return Evidence(**{"diff": diff(), **more})


def result(gates: Gates, found: Evidence) -> GateResult:
    (only,) = judge(gates, found)
    return only


def test_gates_that_are_not_written_have_no_result() -> None:
    assert judge(Gates(), evidence(missing=MissingObjects(lost=(LostObject(path="a"),)))) == ()


def test_metrics_come_first_then_the_others_in_the_order_of_the_documentation() -> None:
    gates = Gates(
        metrics=(MetricGate(file="m.json", metric="b", min=0), MetricGate(file="m.json", metric="a", min=0)),
        data=DataGate(),
        behaviour=BehaviourGate(max_changed=0.1),
        latency=LatencyGate(max_ratio=2),
        model_size=ModelSizeGate(max_bytes=1),
        pickle_scan=PickleScanGate(is_written=True),
        secrets=SecretsGate(is_written=True),
    )

    assert [one.key for one in judge(gates, evidence())] == [
        *("m.json:b", "m.json:a"),
        *("data", "behaviour", "latency", "model-size", "pickle-scan", "secrets"),
    ]


# --- data ---


def test_objects_that_the_remote_lacks_fail_with_path_and_size() -> None:
    lost = (LostObject(path="data/a.csv", size_bytes=12_300_000), LostObject(path="data/b.csv"))

    found = result(Gates(data=DataGate()), evidence(missing=MissingObjects(lost=lost)))

    assert (found.state, found.limit) == ("fail", "no missing objects")
    assert found.sentence == "the DVC remote lacks `data/a.csv` (12.3 MB), `data/b.csv` (size unknown)"


def test_many_missing_objects_are_counted() -> None:
    lost = tuple(LostObject(path=f"{number}.csv", size_bytes=number) for number in range(10))

    found = result(Gates(data=DataGate()), evidence(missing=MissingObjects(lost=lost)))

    assert found.sentence == "the DVC remote lacks `0.csv` (0 B), `1.csv` (1 B), `2.csv` (2 B) and 7 more"


def test_a_remote_that_cannot_be_asked_is_a_warning_with_the_reason() -> None:
    problem = "no default DVC remote is configured"

    found = result(Gates(data=DataGate()), evidence(missing=MissingObjects(problem=problem)))

    assert (found.state, found.sentence) == ("warn", f"the DVC remote was not asked for missing objects: {problem}")


def test_objects_are_of_no_interest_to_a_gate_that_does_not_ask() -> None:
    gate = DataGate(no_missing_objects=False, same_schema=True)

    assert result(Gates(data=gate), evidence(missing=MissingObjects(problem="?"))).state == "pass"


SCHEMA = Gates(data=DataGate(no_missing_objects=False, same_schema=True))
DRIFT = Gates(data=DataGate(no_missing_objects=False, max_drift=0.2))


def column(name: str, distance: float | None = None, **more: Any) -> ColumnDiff:
    return ColumnDiff(**{"name": name, "change": "same", "distance": distance, "has_drifted": True, **more})


def table(*columns: ColumnDiff, path: str = "train.parquet", problem: str | None = None) -> TableDiff:
    return TableDiff(path=path, columns=columns, problem=problem)


def test_a_table_that_loses_a_column_or_changes_a_type_fails() -> None:
    changed = column("delay", change="changed", old_type="DOUBLE", new_type="VARCHAR")

    found = result(SCHEMA, evidence(tables=(table(changed, column("age", change="removed"), column("x")),)))

    assert (found.state, found.limit) == ("fail", "same schema")
    assert found.sentence == ("the schema changed of `train.parquet`: `delay` is VARCHAR, was DOUBLE, `age` is gone")


def test_a_new_column_keeps_the_schema() -> None:
    assert result(SCHEMA, evidence(tables=(table(column("new", change="added")),))).state == "pass"


@pytest.mark.parametrize("gates", [SCHEMA, DRIFT])
def test_a_table_that_could_not_be_compared_is_a_warning_that_says_why(gates: Gates) -> None:
    found = result(gates, evidence(tables=(table(problem="it is in neither cache nor remote"),)))

    assert (found.state, found.sentence) == (
        "warn",
        "not compared: `train.parquet` (it is in neither cache nor remote)",
    )


def test_a_changed_table_that_nobody_compared_is_a_warning() -> None:
    file = FileDiff(path="data/x.csv", change="changed")

    found = result(SCHEMA, evidence(diff=diff(data=(file,))))

    assert (found.state, found.sentence) == ("warn", "not compared: `data/x.csv`")


@pytest.mark.parametrize(
    "file",
    [
        FileDiff(path="data/x.csv", change="renamed", old_path="data/y.csv"),  # the same content
        FileDiff(path="data/x.csv", change="added"),
        FileDiff(path="data/x.png", change="changed"),
    ],
)
def test_files_that_have_nothing_to_compare_are_no_warning(file: FileDiff) -> None:
    assert result(SCHEMA, evidence(diff=diff(data=(file,)))).state == "pass"


def test_metrics_and_plots_that_are_tables_are_no_data() -> None:
    plot = table(column("x", 0.9), column("y", change="removed"), path="plots/roc.csv")
    gates = Gates(data=DataGate(no_missing_objects=False, same_schema=True, max_drift=0.2))
    files = (FileDiff(path="plots/roc.csv", change="changed"), FileDiff(path="plots/pr.csv", change="changed"))

    found = result(
        gates,
        evidence(tables=(plot,), diff=diff(outputs=files), results=frozenset({"plots/roc.csv", "plots/pr.csv"})),
    )

    assert found.state == "pass"


@pytest.mark.parametrize("change", ["added", "removed"])
def test_a_table_that_is_new_or_gone_has_neither_schema_to_keep_nor_drift(change: str) -> None:
    gates = Gates(data=DataGate(no_missing_objects=False, same_schema=True, max_drift=0.2))

    found = result(gates, evidence(tables=(table(column("a", change=change), column("b", change=change)),)))

    assert found.state == "pass"


def test_without_a_base_tables_are_not_judged() -> None:
    found = result(DRIFT, evidence(diff=diff("the clone is shallow")))

    assert (found.state, found.sentence) == ("warn", "the tables were not compared: the clone is shallow")


def test_drift_names_the_three_worst_columns() -> None:
    columns = [column(name, distance) for name, distance in (("a", 0.21), ("b", 0.4), ("c", 0.31), ("d", 0.3))]

    found = result(DRIFT, evidence(tables=(table(*columns),)))

    assert (found.state, found.limit) == ("fail", "drift at most 0.2")
    assert found.sentence == (
        "drifted: `b` of `train.parquet` by 0.4, `c` of `train.parquet` by 0.31, `d` of `train.parquet` by 0.3 "
        "and 1 more; 0.2 is allowed"
    )


@pytest.mark.parametrize(("distance", "state"), [(0.2, "pass"), (0.1 + 0.1 + 1e-13, "pass"), (0.2001, "fail")])
def test_drift_exactly_at_the_limit_passes(distance: float, state: str) -> None:
    found = result(DRIFT, evidence(tables=(table(column("a", distance)),)))

    assert found.state == state
    if state == "fail":
        assert found.sentence == "drifted: `a` of `train.parquet` by 0.2001; 0.2 is allowed"


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (column("a", 0.9, has_drifted=False), "`a` of `train.parquet` by 0.9"),
        (
            column("a", 0.9, has_drifted=None, note="fewer than 500 rows: not judged"),
            "`a` of `train.parquet` by 0.9 (fewer than 500 rows: not judged)",
        ),
    ],
)
def test_drift_that_may_be_chance_is_within_noise_and_warns(column: ColumnDiff, told: str) -> None:
    found = result(DRIFT, evidence(tables=(table(column),)))

    assert (found.state, found.is_within_noise) == ("warn", True)
    assert found.sentence == f"within noise: {told}; 0.2 is allowed"


def test_drift_that_is_sure_fails_beside_drift_that_is_not() -> None:
    found = result(DRIFT, evidence(tables=(table(column("a", 0.9, has_drifted=None), column("b", 0.3)),)))

    assert (found.state, found.is_within_noise) == ("fail", False)
    assert found.sentence == (
        "drifted: `b` of `train.parquet` by 0.3; 0.2 is allowed; "
        "within noise: `a` of `train.parquet` by 0.9; 0.2 is allowed"
    )


def test_a_table_without_any_distance_is_a_warning() -> None:
    found = result(DRIFT, evidence(tables=(table(column("a")),)))

    assert (found.state, found.sentence) == ("warn", "no drift could be had of `train.parquet`")


def test_data_that_passes_says_what_was_looked_at() -> None:
    gates = Gates(data=DataGate(same_schema=True, max_drift=0.2))

    found = result(gates, evidence(tables=(table(column("a", 0.05), column("b", 0.1)),)))

    assert found.sentence == (
        "the DVC remote has every object; every compared table keeps its schema; "
        "the largest drift is 0.1, `b` of `train.parquet`"
    )


def test_the_worst_of_the_three_rules_is_the_state_of_the_gate() -> None:
    gates = Gates(data=DataGate(same_schema=True, max_drift=0.2))

    found = result(gates, evidence(tables=(table(column("a", 0.5)),), missing=MissingObjects(problem="no remote")))

    assert found.state == "fail"
    assert found.sentence == (
        "the DVC remote was not asked for missing objects: no remote; drifted: `a` of `train.parquet` by 0.5; "
        "0.2 is allowed"
    )


# --- behaviour and latency ---


def behaved(**more: Any) -> Evidence:
    return evidence(behaviour=Behaviour(**{"source": "requests.jsonl", "requests": 200, **more}))


@pytest.mark.parametrize(("changed", "state"), [(0, "pass"), (10, "pass"), (11, "fail"), (200, "fail")])
def test_more_changed_answers_than_allowed_fail(changed: int, state: str) -> None:
    assert result(Gates(behaviour=BehaviourGate(max_changed=0.05)), behaved(changed=changed)).state == state


def test_changed_answers_are_told_with_numbers() -> None:
    found = result(Gates(behaviour=BehaviourGate(max_changed=0.05)), behaved(changed=11))

    assert (found.new, found.limit) == (0.055, "at most 5 % changed")
    assert found.sentence == "11 of 200 requests (5.5 %) are answered otherwise; 5 % are allowed"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (evidence(), "no requests were sent to the serving graphs of base and head"),
        (behaved(requests=0, problem="the base's graph cannot be loaded"), "the base's graph cannot be loaded"),
    ],
)
def test_behaviour_that_was_not_compared_is_a_warning(found: Evidence, why: str) -> None:
    gates = Gates(behaviour=BehaviourGate(max_changed=0.05), latency=LatencyGate(max_ratio=2))

    behaviour, latency = judge(gates, found)

    assert (behaviour.state, behaviour.sentence) == ("warn", f"behaviour was not judged: {why}")
    assert latency.state == "warn"
    assert latency.sentence.startswith("latency was not judged: ")


def test_a_graph_that_is_as_at_the_base_passes_though_nothing_was_sent() -> None:
    gates = Gates(behaviour=BehaviourGate(max_changed=0), latency=LatencyGate(max_ratio=1))

    behaviour, latency = judge(gates, behaved(requests=0, is_identical=True, problem="there are no requests"))

    assert (behaviour.state, latency.state) == ("pass", "pass")
    assert latency.sentence == "the serving graph, its code and its models are as at the base"


def test_a_comparison_that_is_not_whole_does_not_pass() -> None:
    gates = Gates(behaviour=BehaviourGate(max_changed=0.05))

    found = result(gates, behaved(changed=1, problem="the head's graph stopped after 200 of 500 requests"))

    assert found.state == "warn"
    assert "but not all were compared: the head's graph stopped" in found.sentence


@pytest.mark.parametrize(
    ("low", "value", "high", "state", "is_within_noise"),
    [
        (1.25, 1.3, 1.4, "fail", False),  # the whole interval is above
        (1.1, 1.3, 1.5, "pass", True),  # above, but the limit is in the interval
        (1.2, 1.3, 1.4, "pass", True),  # exactly at its end
        (0.9, 1.0, 1.3, "pass", False),
    ],
)
def test_latency_fails_when_it_is_surely_above(
    *, low: float, value: float, high: float, state: str, is_within_noise: bool
) -> None:
    found = result(
        Gates(latency=LatencyGate(max_ratio=1.2)), behaved(latency_ratio=Interval(value=value, low=low, high=high))
    )

    assert (found.state, found.is_within_noise) == (state, is_within_noise)


def test_latency_is_told_with_its_interval() -> None:
    slow = Interval(value=1.312, low=1.25, high=1.4)

    found = result(Gates(latency=LatencyGate(max_ratio=1.2)), behaved(latency_ratio=slow))

    assert found.sentence == (
        "an answer takes 1.31 times as long as at the base (95 % interval 1.25 to 1.4); 1.2 is allowed"
    )


# --- model size ---


def model(new: int | None, old: int | None = 100_000_000, path: str = "m.onnx") -> Evidence:
    return evidence(models=(ModelSize(path=path, old_bytes=old, new_bytes=new),))


@pytest.mark.parametrize(
    ("new", "state", "sentence"),
    [
        (50_000_000, "pass", "`m.onnx` has 50.0 MB (was 100.0 MB)"),
        (120_000_000, "pass", "`m.onnx` has 120.0 MB (was 100.0 MB)"),
        (120_000_001, "fail", "`m.onnx` has 120.000001 MB, more than the 120 MB it may have"),
        (None, "warn", "the size of `m.onnx` could not be had"),
    ],
)
def test_a_model_is_no_larger_than_allowed(new: int | None, state: str, sentence: str) -> None:
    found = result(Gates(model_size=ModelSizeGate(max_bytes=120_000_000)), model(new))

    assert (found.state, found.sentence, found.limit) == (state, sentence, "at most 120.0 MB")


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [(100, 120, "pass"), (100, 121, "fail"), (100, 10, "pass"), (None, 10**9, "pass"), (0, 1, "warn")],
)
def test_a_model_grows_no_more_than_allowed(old: int | None, new: int, state: str) -> None:
    assert result(Gates(model_size=ModelSizeGate(max_growth=0.2)), model(new, old)).state == state


def test_growth_is_told_with_both_sizes() -> None:
    found = result(Gates(model_size=ModelSizeGate(max_growth=0.2)), model(150_000_000))

    assert found.sentence == "`m.onnx` grew by 50 %, from 100.0 MB to 150.0 MB; 20 % is allowed"
    assert (found.old, found.new, found.limit) == (100_000_000, 150_000_000, "grows by at most 20 %")


def test_growth_without_a_base_is_a_warning() -> None:
    sizes = (ModelSize(path="m.onnx", new_bytes=5),)

    found = result(Gates(model_size=ModelSizeGate(max_growth=0.2)), evidence(models=sizes, diff=diff("shallow")))

    assert (found.state, found.sentence) == ("warn", "the growth of `m.onnx` was not judged: shallow")


@pytest.mark.parametrize(("models", "state"), [(None, "warn"), ((), "pass")])
def test_no_graph_is_a_warning_and_a_graph_without_models_is_not(
    models: tuple[ModelSize, ...] | None, state: str
) -> None:
    assert result(Gates(model_size=ModelSizeGate(max_bytes=1)), evidence(models=models)).state == state


# --- scans ---

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
