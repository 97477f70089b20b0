from __future__ import annotations

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
from ci_core.gates.policy import choose, gate_differences, own_verdicts
from ci_core.gates.spec import GateResult, Remark


def auc(*, min: float) -> Gates:  # noqa: A002 - as the file spells it
    return Gates(metrics=(MetricGate(file="metrics.json", metric="auc", min=min),))


def test_gates_that_are_the_same_decide_without_a_word() -> None:
    policy = choose(auc(min=0.8), auc(min=0.8), base_label="3f2a9c1")

    assert (policy.gates, policy.own, policy.notes) == (auc(min=0.8), None, ())


def test_the_bases_gates_decide_and_the_difference_is_told() -> None:
    policy = choose(auc(min=0.7), auc(min=0.8), base_label="3f2a9c1")

    assert policy.gates == auc(min=0.8)
    assert policy.own == auc(min=0.7)
    assert policy.changed == {"metrics.json:auc"}
    (note,) = policy.notes
    assert note == (
        "`gates` differ: judged by those of base `3f2a9c1`; what the change makes of them counts after the merge: "
        "min of `metrics.json:auc` 0.8 → 0.7"
    )


def test_a_base_without_gates_decides_too() -> None:
    policy = choose(auc(min=0.7), Gates(), base_label="3f2a9c1")

    assert policy.gates == Gates()
    assert policy.notes[0].endswith("`metrics.json:auc` is new (min 0.7)")


def test_without_a_base_that_can_be_read_the_change_judges_itself_and_says_so() -> None:
    policy = choose(auc(min=0.7), None, base_label="", problem="base 3f2a9c1 has no `graphship.yaml`")

    assert (policy.gates, policy.own) == (auc(min=0.7), None)
    assert policy.notes == ("judged by the gates of the change itself: base 3f2a9c1 has no `graphship.yaml`",)


def test_every_kind_of_difference_is_told() -> None:
    old = Gates(
        metrics=(
            MetricGate(
                file="m.json",
                metric="a",
                min=0.8,
                max_regression=0.01,
                must_improve=True,
                folds="m.json:cv",
                sample_size=500,
            ),
            MetricGate(file="m.json", metric="b", max=1),
        ),
        data=DataGate(max_drift=0.2),
        behaviour=BehaviourGate(max_changed=0.05),
        latency=LatencyGate(max_ratio=1.2),
        model_size=ModelSizeGate(max_bytes=50_000_000),
        secrets=SecretsGate(is_written=True),
    )
    new = Gates(
        metrics=(MetricGate(file="m.json", metric="a", max_regression_share=0.02, max=3),),
        data=DataGate(no_missing_objects=False, same_schema=True),
        behaviour=BehaviourGate(max_changed=0.5),
        latency=LatencyGate(max_ratio=1.2),
        model_size=ModelSizeGate(max_bytes=60_000_000, max_growth=0.2),
        pickle_scan=PickleScanGate(allow=("models/*",), is_written=True),
        secrets=SecretsGate(allow=("tests/*",), is_written=True),
    )

    assert gate_differences(old, new) == (
        "min 0.8 of `m.json:a` is gone",
        "max-regression of `m.json:a` 0.01 → 2%",
        "must-improve true of `m.json:a` is gone",
        "folds `m.json:cv` of `m.json:a` is gone",
        "sample-size 500 of `m.json:a` is gone",
        "max 3 of `m.json:a` is new",
        "`m.json:b` is gone (max 1)",
        "no-missing-objects of `data` true → false",
        "same-schema of `data` false → true",
        "max-drift 0.2 of `data` is gone",
        "max-changed of `behaviour` 5% → 50%",
        "max of `model-size` 50 MB → 60 MB",
        "max-growth 20% of `model-size` is new",
        "allow `tests/*` of `secrets` is new",
        "`pickle-scan` is new (allow `models/*`)",
    )


def test_the_order_of_gates_is_no_difference() -> None:
    one, other = MetricGate(file="m", metric="a", min=1), MetricGate(file="m", metric="b", min=1)

    assert gate_differences(Gates(metrics=(one, other)), Gates(metrics=(other, one))) == ()


def test_what_the_changes_own_gates_would_say_is_told_where_it_is_another_colour() -> None:
    decided = (
        GateResult(key="m:a", state="fail", sentence="a is low"),
        GateResult(key="m:b", state="pass", sentence="b is fine"),
    )
    own = (
        GateResult(key="m:a", state="pass", sentence="a is 0.75"),
        GateResult(key="m:b", state="pass", sentence="b is fine"),
        GateResult(key="latency", state="fail", sentence="slow"),
        GateResult(key="secrets", state="pass", sentence="nothing"),
    )

    assert own_verdicts(decided, own) == (
        Remark(text="by the change's own gates `m:a` would pass: a is 0.75", gate="m:a"),
        Remark(text="by the change's own gates `latency` would fail: slow", gate="latency"),
    )
