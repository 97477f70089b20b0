from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ci_core import errors
from ci_core.cli._render import render_error
from ci_core.serving import Graph, GraphSpec
from ci_core.serving.handler_rules import entry_of_way_back
from ci_core.serving.topology import check
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
    "way-back-of-no-handler": (errors.InvalidStepError, spec({"step": "m:a", "back-to": "b"}, {"step": "m:b"})),
    "way-back-to-before": (
        errors.InvalidStepError,
        spec({"step": "m:a"}, {"step": "m:b", "on-error": "h"}, {"step": "m:h", "after": [], "back-to": "b"}),
    ),
    "way-back-of-the-graph": (
        errors.InvalidStepError,
        spec({"step": "m:a"}, {"step": "m:h", "after": [], "back-to": "a"}, **{"on-error": "h"}),
    ),
    "choice-without-steps": (errors.InvalidStepError, spec({"choice": "kind", "name": "c"})),
    "choice-of-a-step-elsewhere": (
        errors.InvalidStepError,
        spec({"choice": "kind", "name": "c", "branches": {"x": "b"}}, {"step": "m:a"}, {"step": "m:b"}),
    ),
    "choice-that-never-takes-a-step": (
        errors.InvalidStepError,
        spec(
            {"choice": "kind", "name": "c", "branches": {"x": "a"}},
            {"step": "m:a", "after": "c"},
            {"step": "m:b", "after": "c"},
        ),
    ),
    "choice-without-an-answer": (
        errors.UnansweredChoiceError,
        spec(
            {"choice": "kind", "name": "c"},
            {"step": "m:card", "after": "c", "respond": True},
            {"queue": "later", "after": "c"},
        ),
    ),
    "choice-of-several-that-all-answer": (
        errors.UnansweredBranchError,
        spec(
            {"choice": "kinds", "name": "c", "several": True},
            {"step": "m:a", "after": "c"},
            {"step": "m:b", "after": "c"},
        ),
    ),
    "answer-behind-a-queue": (
        errors.InvalidStepError,
        spec({"queue": "later"}, {"step": "m:score", "respond": True}),
    ),
    "join-across-a-queue": (
        errors.InvalidStepError,
        spec({"step": "m:a"}, {"queue": "later"}, {"step": "m:join", "after": ["a", "later"]}),
    ),
    "join-of-one": (errors.InvalidStepError, spec({"step": "m:a", "join": "any"})),
    "join-by-no-key": (
        errors.InvalidStepError,
        spec({"step": "m:a"}, {"step": "m:b", "after": ["a", "request"], "join": "key"}),
    ),
    "queue-in-a-nested-graph": (
        errors.InvalidStepError,
        spec({"graph": {"name": "inner", "steps": [{"step": "m:a"}, {"queue": "later"}]}}),
    ),
    "two-models-of-one-name-in-two-routers": (
        errors.DuplicateStepError,
        spec(
            {"router": "single", "name": "r1", "routes": {"m1": "a.onnx"}},
            {"router": "single", "name": "r2", "routes": {"m1": "b.onnx"}},
        ),
    ),
    "queue-with-a-timeout": (errors.InvalidStepError, spec({"queue": "later", "timeout": 1})),
}


def test_the_answer_may_come_from_whichever_branch_of_a_choice_ran() -> None:
    topology = check(
        spec({"choice": "kind", "name": "c"}, {"step": "m:a", "after": "c"}, {"step": "m:b", "after": "c"})
    )

    assert topology.answers == ("a", "b")
    assert topology.responder is None


def test_branches_of_a_choice_join_as_the_one_that_arrived_and_others_as_a_list() -> None:
    branches: list[dict[str, Any]] = [
        {"step": "m:a", "after": "c"},
        {"step": "m:b", "after": "c"},
        {"step": "m:join", "after": ["a", "b"]},
    ]

    assert check(spec({"choice": "kind", "name": "c"}, *branches)).joins == {"join": "any"}
    assert check(spec({"choice": "kind", "name": "c", "several": True}, *branches)).joins == {"join": "all"}
    assert check(spec({"step": "m:c"}, *branches)).joins == {"join": "all"}


def test_a_way_back_may_lead_to_the_join_of_a_choice_and_stands_for_the_branch_that_failed() -> None:
    graph = spec(
        {"choice": "kind", "name": "c"},
        {"step": "m:a", "after": "c", "on-error": "h"},
        {"step": "m:a2", "after": "a"},
        {"step": "m:b", "after": "c"},
        {"step": "m:join", "after": ["a2", "b"]},
        {"step": "m:h", "after": [], "back-to": "join"},
    )

    assert check(graph).handlers == ("h",)
    assert entry_of_way_back(graph, "a", "join") == "a2"


def test_steps_behind_a_queue_are_told_with_the_queue_they_get_their_messages_from() -> None:
    topology = check(
        spec(
            {"step": "m:score"},
            {"queue": "first"},
            {"step": "m:a"},
            {"queue": "second"},
            {"step": "m:b"},
        )
    )

    assert dict(topology.behind_queue) == {"a": "first", "second": "first", "b": "second"}
    assert topology.answers == ()


def test_a_graph_may_respond_and_go_on_into_a_queue() -> None:
    topology = check(spec({"step": "m:score", "respond": True}, {"queue": "later"}, {"step": "m:store"}))

    assert topology.responder == "score"


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
        "inputs": {"age": "int", "city": 3},
        "steps": [
            {"step": "m:a", "router": "single"},
            {"steps": "m:a"},
            "clean",
            {"router": "wieghted", "routes": {}},
            {"step": "m:b", "full-event": "yes", "with": [1], "after": [3], "name": ""},
            {"step": "local:<lambda>"},
            {"router": "single", "routes": [{"name": "m1"}, {"model": "a.onnx", "colums": ["a"]}]},
            {"step": "m:c", "branches": {"a": "b"}, "join": "some", "retries": -1, "timeout": 0, "retry-wait": "1s"},
            {"choice": "kind", "branches": {"a": 1}, "several": 1, "handler": "score"},
            {"router": "single", "routes": {"m1": {"model": "a.onnx", "load": "later", "max-batch": 0, "batch": 3}}},
            {"graph": {"name": "inner", "steps": [{"step": 3}]}},
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


def test_a_join_that_python_misspells_is_refused_as_in_yaml() -> None:
    graph = Graph("g")
    graph.to("m:a", "a")

    with pytest.raises(errors.InvalidStepError, match='has the `join` "merg": expected one of `all`, `any`') as caught:
        graph.add_step("m:b", "b", after=["a", "request"], join="merg")  # type: ignore[arg-type]  # the mistake
    assert caught.value.hint == "did you mean `merge`?"
