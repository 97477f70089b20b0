"""Which gates have a result, and in which order."""

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
from ci_core.gates.evidence import (
    LostObject,
    MissingObjects,
)
from ci_core.gates.judge import judge
from tests.unit.gates.written_evidence import evidence


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
