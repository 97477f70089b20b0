from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ci_core import errors
from ci_core.cli._render import render_error
from ci_core.serving import Graph, GraphSpec
from ci_core.testing.golden import assert_golden

GOLDEN = Path(__file__).parents[2] / "golden" / "serving"


def spec(*steps: dict[str, Any], **more: Any) -> GraphSpec:
    return GraphSpec.from_dict({"name": "churn", "steps": list(steps), **more})


GRAPHS: dict[str, tuple[type[errors.GraphshipError], GraphSpec]] = {
    "empty": (errors.EmptyGraphError, spec()),
    "cycle": (
        errors.GraphCycleError,
        spec(
            {"step": "m:first"},
            {"step": "m:a", "after": ["c"]},
            {"step": "m:b", "after": ["a"]},
            {"step": "m:c", "after": ["b", "first"]},
        ),
    ),
    "cycle-of-one": (errors.GraphCycleError, spec({"step": "m:a", "after": ["a", "request"]})),
    "unknown-step": (
        errors.UnknownStepError,
        spec({"step": "m:clean"}, {"step": "m:calibrated"}, {"step": "m:score", "after": "calibrate"}),
    ),
    "unknown-error-handler": (errors.UnknownStepError, spec({"step": "m:clean", "on-error": "rescue"})),
    "unknown-graph-error-handler": (errors.UnknownStepError, spec({"step": "m:clean"}, **{"on-error": "claen"})),
    "duplicate-step": (errors.DuplicateStepError, spec({"step": "m:clean"}, {"step": "n:clean"})),
    "duplicate-model": (
        errors.DuplicateStepError,
        spec({"router": "single", "routes": [{"name": "m1", "model": "a.onnx"}, {"name": "m1", "model": "b.onnx"}]}),
    ),
    "two-responders": (
        errors.TwoRespondersError,
        spec({"step": "m:a", "respond": True}, {"step": "m:b", "respond": True}),
    ),
    "unreachable": (
        errors.UnreachableStepError,
        spec({"step": "m:a"}, {"step": "m:lost", "after": []}, {"step": "m:follower"}),
    ),
    "no-branch-responds": (
        errors.UnansweredBranchError,
        spec({"step": "m:a"}, {"step": "m:left", "after": "a"}, {"step": "m:right", "after": "a"}),
    ),
    "branch-beside-the-answer": (
        errors.UnansweredBranchError,
        spec({"step": "m:a"}, {"step": "m:score", "after": "a", "respond": True}, {"step": "m:log", "after": "a"}),
    ),
    "step-after-the-answer": (
        errors.UnansweredBranchError,
        spec({"step": "m:score", "respond": True}, {"step": "m:log"}),
    ),
    "reserved-name": (errors.InvalidStepError, spec({"step": "m:a", "name": "request"})),
    "handler-in-the-flow": (
        errors.InvalidStepError,
        spec({"step": "m:a", "on-error": "b"}, {"step": "m:b"}),
    ),
    "handler-with-a-handler": (
        errors.InvalidStepError,
        spec(
            {"step": "m:a", "on-error": "b"},
            {"step": "m:b", "after": [], "on-error": "c"},
            {"step": "m:c", "after": []},
        ),
    ),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_a_graph_that_makes_no_sense_is_refused_when_built_and_the_message_was_reviewed(case: str) -> None:
    kind, bad = GRAPHS[case]

    with pytest.raises(kind) as caught:
        Graph.from_spec(bad).spec  # noqa: B018 - the property checks

    assert caught.value.exit_code == 2
    assert_golden(GOLDEN / f"{case}.txt", render_error(caught.value))


FILES: dict[str, Any] = {
    "not-a-mapping": ["a"],
    "many-mistakes": {
        "nam": "churn",
        "files": "data.csv",
        "steps": [
            {"step": "m:a", "router": "single"},
            {"steps": "m:a"},
            "clean",
            {"router": "weighted", "routes": {}},
            {"step": "m:b", "full-event": "yes", "with": [1], "after": [3], "name": ""},
            {"step": "local:<lambda>"},
            {"router": "single", "routes": [{"name": "m1"}, {"model": "a.onnx", "colums": ["a"]}]},
        ],
    },
}


@pytest.mark.parametrize("case", FILES)
def test_all_mistakes_of_a_stored_graph_are_told_at_once(case: str) -> None:
    with pytest.raises(errors.GraphFileError) as caught:
        GraphSpec.from_dict(FILES[case], file="graph.yaml")

    assert_golden(GOLDEN / f"file-{case}.txt", render_error(caught.value))


def test_cycle_error_names_every_step_on_the_cycle_and_no_other() -> None:
    with pytest.raises(errors.GraphCycleError) as caught:
        Graph.from_spec(GRAPHS["cycle"][1]).spec  # noqa: B018 - the property checks

    assert set(caught.value.cycle) == {"a", "b", "c"}
    assert caught.value.cycle[0] == caught.value.cycle[-1]


def test_a_model_outside_the_project_is_refused() -> None:
    from ci_core.serving import Router

    for path in ("/etc/model.onnx", "../model.onnx"):
        with pytest.raises(errors.InvalidStepError, match="outside the project"):
            Graph("g").to(Router.single({"m": path}))
