from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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
        "max-regression of `m.json:a` 0.01 → 2 %",
        "must-improve true of `m.json:a` is gone",
        "folds `m.json:cv` of `m.json:a` is gone",
        "sample-size 500 of `m.json:a` is gone",
        "max 3 of `m.json:a` is new",
        "`m.json:b` is gone (max 1)",
        "no-missing-objects of `data` true → false",
        "same-schema of `data` false → true",
        "max-drift 0.2 of `data` is gone",
        "max-changed of `behaviour` 5 % → 50 %",
        "max of `model-size` 50.0 MB → 60.0 MB",
        "max-growth 20 % of `model-size` is new",
        "allow `tests/*` of `secrets` is new",
        "`pickle-scan` is new (allow `models/*`)",
    )


def test_limits_that_look_alike_in_few_digits_are_told_apart() -> None:
    old = Gates(model_size=ModelSizeGate(max_bytes=100_000_000, max_growth=0.2), latency=LatencyGate(max_ratio=1.2))
    new = Gates(
        model_size=ModelSizeGate(max_bytes=100_400_000, max_growth=0.200000001),
        latency=LatencyGate(max_ratio=1.2000000000001),
    )

    assert gate_differences(old, new) == (
        "max-ratio of `latency` 1.2 → 1.2000000000001",
        "max of `model-size` 100.0 MB → 100.4 MB",
        "max-growth of `model-size` 20 % → 20.0000001 %",
    )


def test_patterns_that_came_and_went_are_told_however_many_stay() -> None:
    stay = tuple(f"models/{number}.pkl" for number in range(20))
    old = Gates(pickle_scan=PickleScanGate(allow=(*stay, "a"), is_written=True))
    new = Gates(pickle_scan=PickleScanGate(allow=("b", *stay), is_written=True))

    assert gate_differences(old, new) == ("allow of `pickle-scan` gains `b`, loses `a`",)
    assert choose(new, old, base_label="3f2a9c1").changed == {"pickle-scan"}


def test_the_order_of_patterns_is_no_difference() -> None:
    old = Gates(secrets=SecretsGate(allow=("a", "b"), is_written=True))
    new = Gates(secrets=SecretsGate(allow=("b", "a", "b"), is_written=True))

    assert gate_differences(old, new) == ()


limits = st.sampled_from((0.02, 0.020000000000000004, 0.5, 1.0))
some = limits | st.none()
allowed = st.frozensets(st.sampled_from("abcdefghijk"), max_size=11).map(lambda names: tuple(sorted(names)))
metric_gates = st.builds(
    MetricGate,
    file=st.just("m.json"),
    metric=st.just("a"),
    min=some,
    max=some,
    max_regression=some,
    must_improve=st.booleans(),
    folds=st.none() | st.just("m.json:cv"),
    sample_size=st.none() | st.sampled_from((5, 6)),
) | st.builds(MetricGate, file=st.just("m.json"), metric=st.just("a"), max_regression_share=limits)
every_gate = st.builds(
    Gates,
    metrics=st.lists(metric_gates, max_size=1).map(tuple),
    data=st.none() | st.builds(DataGate, no_missing_objects=st.booleans(), same_schema=st.booleans(), max_drift=some),
    behaviour=st.none() | st.builds(BehaviourGate, max_changed=limits),
    latency=st.none() | st.builds(LatencyGate, max_ratio=limits),
    model_size=st.none()
    | st.builds(ModelSizeGate, max_bytes=st.none() | st.sampled_from((10**8, 10**8 + 1)), max_growth=some),
    pickle_scan=st.just(PickleScanGate()) | st.builds(PickleScanGate, allow=allowed, is_written=st.just(value=True)),
    secrets=st.just(SecretsGate()) | st.builds(SecretsGate, allow=allowed, is_written=st.just(value=True)),
)


@given(every_gate, every_gate)
def test_the_bases_gates_decide_whenever_the_settings_differ_at_all(own: Gates, base: Gates) -> None:
    policy = choose(own, base, base_label="3f2a9c1")

    assert policy.gates == base
    assert (policy.own is None) == (own == base)
    assert bool(policy.notes) == bool(policy.changed) == (own != base)


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
