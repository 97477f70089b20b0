"""The gate on data, judged on evidence that is written out."""

from __future__ import annotations

from typing import Any

import pytest

from ci_core.config.settings import (
    DataGate,
    Gates,
)
from ci_core.gates.evidence import (
    LostObject,
    MissingObjects,
)
from ci_core.monitoring.table_diff import ColumnDiff, TableDiff
from ci_core.versioning.difference import FileDiff
from tests.unit.gates.written_evidence import diff, evidence, result


def test_objects_that_the_remote_lacks_fail_with_path_and_size() -> None:
    lost = (LostObject(path="data/a.csv", size_bytes=12_300_000), LostObject(path="data/b.csv"))

    found = result(Gates(data=DataGate()), evidence(missing=MissingObjects(lost=lost)))

    assert (found.state, found.limit) == ("fail", "no missing objects")
    assert found.sentence == (
        "the DVC remote lacks `data/a.csv` (12.3 MB), `data/b.csv` (size unknown); "
        "`graphship run --push` sends what is here"
    )


def test_many_missing_objects_are_counted() -> None:
    lost = tuple(LostObject(path=f"{number}.csv", size_bytes=number) for number in range(10))

    found = result(Gates(data=DataGate()), evidence(missing=MissingObjects(lost=lost)))

    assert found.sentence == (
        "the DVC remote lacks `0.csv` (0 B), `1.csv` (1 B), `2.csv` (2 B) and 7 more; "
        "`graphship run --push` sends what is here"
    )


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


def table(*columns: ColumnDiff, path: str = "train.parquet", problem: str | None = None, note: str = "") -> TableDiff:
    return TableDiff(path=path, columns=columns, problem=problem, note=note)


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
    ("table", "told"),
    [
        (table(column("a", 0.9, has_drifted=False)), "`a` of `train.parquet` by 0.9"),
        (
            table(column("a", 0.9, has_drifted=None, note="new value: `x`"), note="fewer than 500 rows"),
            "`a` of `train.parquet` by 0.9 (fewer than 500 rows)",
        ),
    ],
)
def test_drift_that_may_be_chance_is_within_noise_and_warns(table: TableDiff, told: str) -> None:
    found = result(DRIFT, evidence(tables=(table,)))

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
