"""What all routers have in common, and the one that gives each event to one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci_core.errors import DuplicateStepError, InvalidStepError
from ci_core.serving import Graph, GraphSpec, RequestError, Route, Router, RouteSpec
from ci_core.serving.graph_file import read_graph_file
from ci_core.serving.models.served import ServedModel
from ci_core.serving.problems import UnknownModelError, UnknownPathError
from ci_core.serving.routers.members import Members
from ci_core.serving.routers.single import SingleRouter
from tests.unit.serving.routed import (
    Constant,
    Failing,
    Field,
    Refusing,
    Seen,
    Telling,
    ask,
    constants,
    graph_of,
    telling,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ({"n": 1}, "/", "a:1"),
        ({"n": 1}, "/v2/models/b/infer", "b:1"),
        ({"n": 1}, "/v2/models/b", "b:1"),
        ({"n": 1}, "/v2/models/b/predict", "b:1"),
        ({"n": 1}, "/v2/models/b/versions/1/infer", "b1:1"),
        ({"n": 1, "model": "b"}, "/", "b:1"),
        ({"n": 1, "model": "b:1"}, "/", "b1:1"),
        ({"n": 1, "model": "b"}, "/v2/models/a/infer", "a:1"),
        ([{"n": 1}, {"n": 2}], "/v2/models/b/infer", ["b:1", "b:2"]),
        ([{"n": 1, "model": "b"}], "/", ["a:1"]),
        ([], "/", []),
        ([], "/v2/models/b/infer", []),
        ({"n": 1}, "/elsewhere", "a:1"),
    ],
)
def test_a_single_router_goes_by_path_then_by_the_bodys_field_then_to_the_first(
    body: Any, path: str, expected: Any
) -> None:
    routes = {"a": Route(Telling, arguments={"name": "a"}), "b:1": Route(Telling, arguments={"name": "b1"})}
    graph = graph_of(Router.single({**routes, "b": Route(Telling, arguments={"name": "b"})}))

    assert graph.test(body, path) == expected


def test_a_model_without_version_in_the_path_is_the_last_version_of_the_routes() -> None:
    routes = {f"m:{version}": Route(Telling, arguments={"name": version}) for version in ("1", "2")}
    graph = graph_of(Router.single(routes))

    assert graph.test({"n": 0}, "/v2/models/m/infer") == "2:0"
    assert graph.test({"n": 0}, "/v2/models/m/versions/1/infer") == "1:0"
    with pytest.raises(UnknownModelError, match="there is no model `m:3`; models: `m:1`, `m:2`"):
        graph.test({"n": 0}, "/v2/models/m/versions/3/infer")


def test_the_field_that_names_the_model_can_be_another() -> None:
    graph = graph_of(Router.single(telling("a", "b"), field="tier"))

    assert graph.test({"n": 1, "tier": "b", "model": "x"}) == "b:1"


@pytest.mark.parametrize("value", ["c", 3, None, ["a"], {"a": 1}])
def test_a_field_that_names_no_model_is_a_404_of_the_client(value: Any) -> None:
    graph = graph_of(Router.single(telling("a", "b")))

    with pytest.raises(UnknownModelError, match=r"there is no model `.*`; models: `a`, `b`"):
        graph.test({"n": 1, "model": value})


DRAFTS = {
    "single": Router.single(telling("a", "b")),
    "weighted": Router.weighted(telling("a", "b"), {"a": 1, "b": 1}),
    "shadow": Router.shadow(telling("a", "b")),
    "vote": Router.vote(telling("a", "b")),
    "parallel": Router.parallel(telling("a", "b")),
}


@pytest.mark.parametrize("kind", DRAFTS)
def test_every_router_gives_a_path_that_names_a_model_to_that_model(kind: str) -> None:
    graph = graph_of(DRAFTS[kind])

    assert graph.test({"n": 1}, "/v2/models/b/infer") == "b:1"
    assert graph.test([{"n": 1}], "/v2/models/a/infer") == ["a:1"]
    assert graph.test({"n": 1}, "/v2/models/b/explain") == "b because of 1"
    assert graph.test([{"n": 4}], "/v2/models/b/double") == [8]
    with pytest.raises(UnknownModelError, match="there is no model `c`"):
        graph.test({"n": 1}, "/v2/models/c/infer")
    with pytest.raises(UnknownPathError, match="has no operation `jump`; operations: `infer`, `explain`, `double`"):
        graph.test({"n": 1}, "/v2/models/a/jump")


@pytest.mark.parametrize("kind", DRAFTS)
@pytest.mark.parametrize("body", [3, "text", None, [1], [{"n": 1}, "b"], [[{"n": 1}]]])
def test_no_router_takes_a_body_that_is_no_row(kind: str, body: Any) -> None:
    with pytest.raises(RequestError, match=r"row [01]: expected an object of columns, found \w+"):
        graph_of(DRAFTS[kind]).test(body)


@pytest.mark.parametrize("kind", DRAFTS)
def test_no_rows_get_no_answers(kind: str) -> None:
    assert graph_of(DRAFTS[kind]).test([]) == []


@pytest.mark.parametrize("kind", [kind for kind in DRAFTS if kind != "single"])
def test_a_router_that_is_no_single_one_is_a_model_of_its_own_name(kind: str) -> None:
    plan = graph_of(DRAFTS[kind]).compile()

    assert list(plan.models) == ["a", "b", "choose"]
    assert ask(plan, {"n": 1}, "/v2/models/choose/infer", id="e") == ask(plan, {"n": 1}, id="e")
    assert plan.models["choose"].state == "ready"
    assert plan.unready() == {}


def test_a_single_router_is_no_model() -> None:
    assert list(graph_of(DRAFTS["single"]).compile().models) == ["a", "b"]


def test_a_router_as_a_model_can_do_what_all_of_its_models_can() -> None:
    mixed = {**telling("a"), **constants(b=1)}

    assert graph_of(Router.parallel(telling("a", "b"))).compile().models["choose"].operations == ("explain", "double")
    assert graph_of(Router.parallel(mixed)).compile().models["choose"].operations == ()
    assert graph_of(DRAFTS["parallel"]).test({"n": 3}, "/v2/models/choose/double") == {"a": 6, "b": 6}


def test_routers_in_a_row_leave_the_path_to_the_one_it_names() -> None:
    graph = Graph("g")
    end = graph.to(Router.single(telling("first", "other")), "enrich", result_path="n")
    end.to(Router.single(telling("last", "spare")), "score").respond()

    assert graph.test({"n": 1}) == "last:first:1"
    assert graph.test({"n": 1}, "/v2/models/spare/infer") == "spare:first:1"
    assert graph.test({"n": 1}, "/v2/models/other/infer") == "last:other:1"
    with pytest.raises(UnknownModelError):
        graph.test({"n": 1}, "/v2/models/nobody/infer")


def test_routers_that_name_the_same_model_share_one_instance() -> None:
    loads: list[str] = []

    class Counted(Constant):
        def load(self) -> None:
            loads.append("once")

    shared = Route(Counted, arguments={"answer": 7})
    graph = Graph("g")
    left = graph.to(Router.single({"m": shared}), "left")
    right = graph.to(Router.vote({"m": shared, **constants(n=7)}), "right")
    graph.add_step(lambda both: both, "join", after=[left, right]).respond()
    plan = graph.compile()

    assert ask(plan, {}) == [7, {"prediction": 7}]
    assert loads == ["once"]
    assert list(plan.models) == ["m", "n", "right"]


def made_here(answer: int) -> type:
    class Local(Constant):
        def __init__(self) -> None:
            super().__init__(answer)

    return Local


@pytest.mark.parametrize(
    ("left", "right", "error"),
    [
        (constants(m=1), constants(m=2), DuplicateStepError),
        ({"m": made_here(1)}, {"m": made_here(2)}, InvalidStepError),  # equal in the spec, and yet two classes
    ],
)
def test_routers_that_call_different_models_by_one_name_are_refused(left: Any, right: Any, error: type) -> None:
    graph = Graph("g")
    ends = [graph.to(Router.single(left), "left"), graph.to(Router.single(right), "right")]
    graph.add_step(lambda both: both, "join", after=ends).respond()

    with pytest.raises(error, match="`m`"):
        graph.compile()


def test_a_route_of_the_routers_own_name_is_refused_where_both_would_be_models() -> None:
    with pytest.raises(InvalidStepError, match="step `m` is a router that can be asked as a model"):
        graph_of(Router.vote(constants(m=1, n=2)), "m").compile()

    assert graph_of(Router.single(constants(m=1)), "m").test({}) == 1


@pytest.mark.parametrize("batch", ["off", "on"])
def test_a_call_is_observed_with_its_model_and_a_failure_too(batch: str) -> None:
    seen = Seen()
    routes = {**telling("a", batch=batch), "b": Route(Failing, batch=batch)}  # type: ignore[arg-type]
    plan = graph_of(Router.single(routes)).compile(observe=seen, batching=True)

    assert ask(plan, [{"n": 1}, {"n": 2}]) == ["a:1", "a:2"]
    with pytest.raises(RuntimeError, match="broken"):
        ask(plan, {"n": 1}, "/v2/models/b/infer")
    plan.close()

    assert plan.is_async is (batch == "on")
    assert seen.models == ["a"]
    assert seen.calls[0][1].columns == {"n": [1, 2]}
    assert [(model, str(error)) for model, error in seen.failures] == [("b", "broken")]


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        (Router.single(telling("a"), field=""), 'step `choose` has the setting `field`: expected text, found ""'),
        (Router.shadow(telling("a"), live="b"), "step `choose` has the setting `live`: there is no route `b`"),
        (
            Router.shadow(telling("a"), waiting=0),
            "step `choose` has the setting `waiting`: expected a whole number from 1, found 0",
        ),
        (
            Router.vote(telling("a"), missing="drop"),  # type: ignore[arg-type]
            'step `choose` has the setting `missing`: expected one of `refuse`, `ignore`, found "drop"',
        ),
        (
            Router.mean(telling("a"), detail="yes"),  # type: ignore[arg-type]
            'step `choose` has the setting `detail`: expected true or false, found "yes"',
        ),
        (
            Router.parallel(telling("a"), merge="rows"),  # type: ignore[arg-type]
            'step `choose` has the setting `merge`: expected one of `route`, `fields`, found "rows"',
        ),
        (
            Router.parallel(telling("a"), extend=1),  # type: ignore[arg-type]
            "step `choose` has the setting `extend`: expected true or false, found 1",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_when_the_graph_is_compiled(draft: Any, message: str) -> None:
    with pytest.raises(InvalidStepError) as caught:
        graph_of(draft).compile()

    assert str(caught.value) == message


def test_an_unknown_setting_is_refused_and_the_nearest_named() -> None:
    route: Any = {"model": "tests.unit.serving.routed:Constant", "with": {"answer": 1}}
    step: Any = {"router": "mean", "routes": {"m": route}, "with": {"weihgts": {"m": 1}}}
    graph = Graph.from_spec(GraphSpec.from_dict({"name": "g", "steps": [step]}))

    with pytest.raises(InvalidStepError, match="step `router` has no setting `weihgts`") as caught:
        graph.compile()

    assert caught.value.hint == "did you mean `weights`?"


def test_what_a_draft_says_reaches_the_spec_and_comes_back_from_yaml() -> None:
    routes: dict[str, str | Route] = {"m1": "models/m1.onnx", "m2:2": Route("models/m2.skops", columns=["a"])}
    graph = graph_of(Router.weighted(routes, {"m1": 90, "m2:2": 10}, key="user.id"))

    stored = graph.spec.to_dict()

    assert stored["steps"] == [
        {
            "name": "choose",
            "after": ["request"],
            "router": "weighted",
            "routes": [
                {"name": "m1", "model": "models/m1.onnx"},
                {"name": "m2", "model": "models/m2.skops", "version": "2", "columns": ["a"]},
            ],
            "with": {"weights": {"m1": 90, "m2:2": 10}, "key": "user.id"},
            "respond": True,
        }
    ]
    assert GraphSpec.from_dict(stored) == graph.spec


def test_a_parallel_run_that_extends_rows_is_the_same_from_python_and_from_yaml(tmp_path: Path) -> None:
    file = tmp_path / "graph.yaml"
    file.write_text(
        """
        name: g
        steps:
          - name: choose
            router: parallel
            routes: {m: "tests.unit.serving.routed:Telling"}
            with: {merge: fields, extend: true}
            respond: true
        """,
        encoding="utf-8",
    )

    graph = graph_of(Router.parallel({"m": "tests.unit.serving.routed:Telling"}, merge="fields", extend=True))

    assert read_graph_file(file, shown_as="graph.yaml") == graph.spec
    assert dict(graph.spec.steps[0].arguments) == {"merge": "fields", "extend": True}
    assert GraphSpec.from_dict(graph.spec.to_dict()) == graph.spec


def test_settings_that_are_the_defaults_stay_out_of_the_spec() -> None:
    (step,) = graph_of(Router.vote({"m": "models/m.onnx"})).spec.steps

    assert dict(step.arguments) == {}


def test_a_refusal_of_a_model_reaches_the_client_as_it_is() -> None:
    graph = graph_of(Router.single({"m": Refusing}))

    with pytest.raises(RequestError, match="row 0, column `n`: expected a number, found 'x'") as caught:
        graph.test({"n": "x"})

    assert caught.value.status == 400


def test_a_router_reads_and_writes_parts_of_the_body() -> None:
    graph = Graph("g")
    graph.to(Router.mean({"m": Route(Field, arguments={"name": "v"})}), "m1", input_path="row", result_path="y")

    assert graph.test({"row": {"v": 3}, "id": 1}) == {"row": {"v": 3}, "id": 1, "y": {"prediction": 3.0}}


def test_the_paths_a_router_remembers_are_bounded() -> None:
    models = {"a": ServedModel(RouteSpec(name="a", model="m:A"), Constant(1))}
    router = SingleRouter("choose", Members(models, Seen()))

    for number in range(1000):
        assert router.asked_for(f"/v2/models/a/operation-{number}") == ("a", f"operation-{number}")

    assert len(router._paths) == 256
    assert router.asked_for("/v2/models/a/infer") == ("a", "infer")
