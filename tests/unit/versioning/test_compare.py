from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.config.settings import MetricGate
from ci_core.types import CommitId, Digest
from ci_core.versioning.compare import compare, known_goal
from ci_core.versioning.difference import EnvironmentDiff, ParamDiff
from ci_core.versioning.revision import CodeVersion, EnvironmentVersion, Snapshot, StageVersion, TrackedFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import JsonValue

OLD, NEW = CommitId("a" * 40), CommitId("b" * 40)


def snapshot(
    commit: CommitId = OLD,
    *,
    metrics: Mapping[str, JsonValue] | None = None,
    params: Mapping[str, JsonValue] | None = None,
    data: tuple[TrackedFile, ...] = (),
    python: str = "3.11",
    lock: str | None = None,
    problems: tuple[str, ...] = (),
) -> Snapshot:
    return Snapshot(
        code=CodeVersion(commit=commit),
        metrics=metrics or {},
        params=params or {},
        data=data,
        environment=EnvironmentVersion(
            python=python, lock_file="uv.lock" if lock else None, lock=Digest(lock) if lock else None
        ),
        problems=problems,
    )


def file(path: str, digest: str | None, size: int | None = None, files: int | None = None) -> TrackedFile:
    return TrackedFile(path=path, digest=Digest(digest) if digest else None, size_bytes=size, files=files)


def test_a_known_metric_that_rises_is_better() -> None:
    diff = compare(snapshot(metrics={"m.json:auc": 0.75}), snapshot(NEW, metrics={"m.json:auc": 0.875}))

    (metric,) = diff.metrics
    assert (metric.old, metric.new, metric.difference) == (0.75, 0.875, 0.125)
    assert metric.direction == "better"


@pytest.mark.parametrize(
    ("key", "goal"),
    [
        ("metrics.json:auc", "higher"),
        ("eval/m.json:test.roc_auc", "higher"),
        ("m.json:f1-score", "higher"),
        ("m.json:recall_at_5", "higher"),
        ("m.json:r2", "higher"),
        ("m.json:train.log_loss", "lower"),
        ("m.json:RMSE", "lower"),
        ("m.json:accuracy_loss", "lower"),
        ("m.json:brier", "lower"),
        ("m.json:rows", None),
        ("auc.json:rows", None),
        ("m.json:auc.rows", None),
        ("m.json:lossless_files", None),
    ],
)
def test_the_name_of_a_metric_says_which_way_is_better(key: str, goal: str | None) -> None:
    assert known_goal(key) == goal


def test_a_gate_says_which_way_is_better_for_an_unknown_name() -> None:
    gates = [MetricGate(file="m.json", metric="cost", max=10.0), MetricGate(file="m.json", metric="gain", min=1.0)]
    old, new = {"m.json:cost": 4.0, "m.json:gain": 4.0}, {"m.json:cost": 3.0, "m.json:gain": 3.0}

    diff = compare(snapshot(metrics=old), snapshot(NEW, metrics=new), gates=gates)

    assert [metric.direction for metric in diff.metrics] == ["better", "worse"]


def test_a_metric_without_a_known_direction_is_neutral() -> None:
    diff = compare(snapshot(metrics={"m.json:rows": 10}), snapshot(NEW, metrics={"m.json:rows": 20}))

    assert diff.metrics[0].direction == "neutral"
    assert diff.metrics[0].difference == 10


def test_metrics_that_appear_and_disappear_are_said_and_not_judged() -> None:
    diff = compare(snapshot(metrics={"m.json:auc": 0.5}), snapshot(NEW, metrics={"m.json:f1": 0.5}))

    assert [(m.key, m.change, m.direction) for m in diff.metrics] == [
        ("m.json:auc", "removed", "neutral"),
        ("m.json:f1", "added", "neutral"),
    ]


def test_a_metric_that_becomes_nan_is_worse_and_said() -> None:
    diff = compare(snapshot(metrics={"m.json:loss": 0.5}), snapshot(NEW, metrics={"m.json:loss": math.nan}))

    (metric,) = diff.metrics
    assert (metric.direction, metric.difference, metric.note) == ("worse", None, "became NaN")


def test_a_whole_number_beyond_all_floats_is_compared_without_calculating() -> None:
    huge = 10**400
    diff = compare(
        snapshot(metrics={"m.json:auc": 0.5, "m.json:b": huge, "m.json:c": huge, "m.json:d": -huge}),
        snapshot(NEW, metrics={"m.json:auc": huge, "m.json:b": 1, "m.json:c": huge, "m.json:d": huge}),
    )

    told = {metric.key: (metric.change, metric.difference, metric.direction, metric.note) for metric in diff.metrics}
    assert told == {
        "m.json:auc": ("changed", None, "worse", "is too large to calculate with"),
        "m.json:b": ("changed", None, "neutral", ""),
        "m.json:c": ("same", None, "neutral", "is too large to calculate with"),
        "m.json:d": ("changed", None, "neutral", "is too large to calculate with"),
    }


def test_whole_numbers_of_more_digits_than_a_float_has_differ_by_what_they_differ() -> None:
    old, new = {"m.json:auc": 12345678901234567890}, {"m.json:auc": 12345678901234567891}

    (metric,) = compare(snapshot(metrics=old), snapshot(NEW, metrics=new)).metrics

    assert (metric.change, metric.difference, metric.direction) == ("changed", 1.0, "better")


@pytest.mark.parametrize(("old", "new"), [(-1.7e308, 1.7e308), (-(10**308), 17 * 10**307)])
def test_a_difference_beyond_all_floats_is_none(old: float, new: float) -> None:
    (metric,) = compare(snapshot(metrics={"m.json:auc": old}), snapshot(NEW, metrics={"m.json:auc": new})).metrics

    assert (metric.change, metric.difference) == ("changed", None)


def test_a_metric_that_turns_to_text_is_worse_and_said() -> None:
    diff = compare(snapshot(metrics={"m.json:auc": 0.5}), snapshot(NEW, metrics={"m.json:auc": "n/a"}))

    (metric,) = diff.metrics
    assert (metric.change, metric.direction, metric.note) == ("changed", "worse", "is not a number any more")


def test_nan_on_both_sides_is_no_change() -> None:
    diff = compare(snapshot(metrics={"m.json:x": math.nan}), snapshot(NEW, metrics={"m.json:x": float("nan")}))

    assert diff.metrics[0].change == "same"


def test_a_param_that_is_written_down_as_a_metric_is_not_celebrated() -> None:
    old = snapshot(metrics={"m.json:recall": 0.5}, params={"params.yaml:recall": 0.5})
    new = snapshot(NEW, metrics={"m.json:recall": 0.9}, params={"params.yaml:recall": 0.9})

    assert compare(old, new).metrics[0].direction == "neutral"


def test_only_params_that_differ_in_value_or_type_are_listed() -> None:
    old = snapshot(params={"p:a": 1, "p:b": 1, "p:c": [1, 2], "p:gone": None, "p:same": "x"})
    new = snapshot(NEW, params={"p:a": 2, "p:b": 1.0, "p:c": [1, 2], "p:new": None, "p:same": "x"})

    assert compare(old, new).params == (
        ParamDiff(key="p:a", old=1, new=2, change="changed"),
        ParamDiff(key="p:b", old=1, new=1.0, change="changed"),
        ParamDiff(key="p:gone", old=None, new=None, change="removed"),
        ParamDiff(key="p:new", old=None, new=None, change="added"),
    )


def test_data_is_told_as_added_changed_removed_and_renamed() -> None:
    old = snapshot(data=(file("a", "md5:1", 10), file("b", "md5:2", 5, 2), file("c", "md5:3"), file("same", "md5:9")))
    new = snapshot(
        NEW, data=(file("a", "md5:4", 30), file("d", "md5:2", 5, 2), file("e", "md5:5"), file("same", "md5:9"))
    )

    told = [(d.path, d.change, d.old_path, d.old_bytes, d.new_bytes, d.new_files) for d in compare(old, new).data]

    assert told == [
        ("a", "changed", None, 10, 30, None),
        ("c", "removed", None, None, None, None),
        ("d", "renamed", "b", 5, 5, 2),
        ("e", "added", None, None, None, None),
    ]


def test_two_new_files_with_the_content_of_one_old_file_are_one_rename_and_one_addition() -> None:
    old = snapshot(data=(file("a", "md5:1"),))
    new = snapshot(NEW, data=(file("b", "md5:1"), file("c", "md5:1")))

    assert [(d.path, d.change) for d in compare(old, new).data] == [("b", "renamed"), ("c", "added")]


def test_a_changed_environment_is_told_by_python_and_lock_file() -> None:
    diff = compare(snapshot(python="3.11", lock="sha256:1"), snapshot(NEW, python="3.12", lock="sha256:2"))

    assert diff.environment == (
        EnvironmentDiff(name="python", kind="python", old="3.11", new="3.12"),
        EnvironmentDiff(name="uv.lock", kind="lock", old="sha256:1", new="sha256:2"),
    )


def test_packages_that_came_went_or_moved_are_told_by_name() -> None:
    old = replace(snapshot(), environment=EnvironmentVersion(python="3.11", packages={"a": "1", "b": "1", "c": "1"}))
    new = replace(snapshot(NEW), environment=EnvironmentVersion(python="3.11", packages={"a": "1", "b": "2", "d": "1"}))

    assert [(row.name, row.kind, row.old, row.new) for row in compare(old, new).environment] == [
        ("b", "package", "1", "2"),
        ("c", "package", "1", None),
        ("d", "package", None, "1"),
    ]


def test_packages_of_a_lock_file_that_cannot_be_read_are_not_gone() -> None:
    old = replace(snapshot(), environment=EnvironmentVersion(python="3.11", packages={"a": "1"}))
    new = replace(snapshot(NEW), environment=EnvironmentVersion(python="3.11", problem="uv.lock: broken"))

    assert compare(old, new).environment == ()


def test_stages_that_came_went_or_are_declared_otherwise_are_told() -> None:
    def stage(name: str, **declared: Any) -> StageVersion:
        return StageVersion(name=name, **{"command": "python a.py", **declared})

    before = (stage("a"), stage("b", needs=("x", "y"), params=("p:one",), makes=("m",)), stage("c"))
    after = (
        stage("b", command="python b.py", needs=("y", "z"), params=("p:one", "p:two"), makes=()),
        stage("c"),
        stage("d"),
    )

    diff = compare(replace(snapshot(), stages=before), replace(snapshot(NEW), stages=after))

    assert [(one.name, one.change, one.details) for one in diff.stages] == [
        ("a", "removed", ()),
        ("b", "changed", ("the command", "needs z", "no longer needs x", "reads p:two", "no longer makes m")),
        ("d", "added", ()),
    ]


def test_a_base_that_cannot_be_read_is_said_and_never_looks_like_no_change() -> None:
    diff = compare(None, snapshot(NEW, metrics={"m.json:auc": 0.5}), base_problem="the clone is shallow")

    assert diff.base is None
    assert diff.base_problem == "the clone is shallow"
    assert [(m.change, m.old, m.new) for m in diff.metrics] == [("added", None, 0.5)]


def test_what_could_not_be_read_is_told_with_its_side() -> None:
    diff = compare(snapshot(problems=("m.json: it is not there",)), snapshot(NEW, problems=("p.yaml: broken",)))

    assert diff.problems == ("base: m.json: it is not there", "head: p.yaml: broken")


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
mappings = st.dictionaries(st.sampled_from(["m:auc", "m:loss", "m:rows", "m:x.y"]), values)


@given(metrics=mappings, params=mappings)
def test_nothing_differs_between_a_snapshot_and_itself(
    metrics: dict[str, JsonValue], params: dict[str, JsonValue]
) -> None:
    one = snapshot(metrics=metrics, params=params)

    diff = compare(one, one)

    assert diff.base_problem is None
    assert [metric.key for metric in diff.metrics if metric.change != "same"] == []
    assert (diff.params, diff.data, diff.outputs, diff.environment, diff.stages, diff.models) == ((),) * 6
    assert {metric.direction for metric in diff.metrics} <= {"neutral"}


@given(old=mappings, new=mappings)
def test_going_back_turns_better_into_worse(old: dict[str, JsonValue], new: dict[str, JsonValue]) -> None:
    there = compare(snapshot(metrics=old), snapshot(NEW, metrics=new)).metrics
    back = compare(snapshot(NEW, metrics=new), snapshot(metrics=old)).metrics

    opposite = {"better": "worse", "worse": "better", "neutral": "neutral"}
    for one, other in zip(there, back, strict=True):
        assert one.key == other.key
        if one.difference is not None:
            assert other.direction == opposite[one.direction]
