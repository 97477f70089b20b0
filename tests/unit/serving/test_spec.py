from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import Graph, GraphSpec, RequestError, Route, Router, RouteSpec, StepSpec, steps
from ci_core.serving.files import leaves_project
from ci_core.serving.graph_file import read_graph_file
from ci_core.serving.handler_rules import entry_of_way_back
from ci_core.serving.spec import REQUEST, freeze_mapping
from ci_core.serving.topology import check

names = st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1, max_size=8).filter(
    lambda name: name != REQUEST
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(st.text(min_size=1), json_values, max_size=3).map(freeze_mapping)
paths = st.none() | st.text(min_size=1, max_size=6)


seconds = st.floats(min_value=0.001, max_value=1e6)
switches: st.SearchStrategy[Any] = st.sampled_from(["auto", "on", "off"])
loads: st.SearchStrategy[Any] = st.sampled_from(["start", "background", "first-use"])


@st.composite
def route_specs(draw: st.DrawFn, name: str) -> RouteSpec:
    return RouteSpec(
        name=name,
        model=draw(st.sampled_from(["m.onnx", "m:Model"])),
        version=draw(st.none() | names),
        columns=tuple(draw(st.lists(names, max_size=3))),
        trust=tuple(draw(st.lists(names, max_size=2))),
        arguments=draw(arguments),
        load=draw(loads),
        batch=draw(switches),
        max_batch_rows=draw(st.integers(1, 9999)),
        batch_window_s=draw(seconds),
        lower=draw(switches),
        lowered=draw(st.none() | st.just("models/m.lowered")),
    )


@st.composite
def called(draw: st.DrawFn) -> dict[str, Any]:
    """How a step, a router or a nested graph is called."""
    return {
        "input_path": draw(paths),
        "result_path": draw(paths),
        "retries": draw(st.integers(0, 9)),
        "retry_wait_s": draw(seconds),
        "timeout_s": draw(st.none() | seconds),
    }


@st.composite
def step_specs(draw: st.DrawFn, name: str, before: list[str]) -> StepSpec:
    after = draw(st.lists(st.sampled_from([REQUEST, *before]), min_size=1, max_size=3, unique=True))
    join = draw(st.sampled_from([None, "all", "any", "merge", "key"])) if len(after) > 1 else None
    join_key = draw(names) if join == "key" else None
    placed: dict[str, Any] = {"name": name, "after": tuple(after), "join": join, "join_key": join_key}
    kind = draw(st.sampled_from(["step", "router", "graph"]))
    if kind == "graph":
        inner = StepSpec(name="inner", step="m:f", after=(REQUEST,), arguments=draw(arguments))
        return StepSpec(graph=GraphSpec(name=draw(names), steps=(inner,)), **placed, **draw(called()))
    options = {**draw(called()), "blocking": draw(st.booleans()), "function": draw(st.none() | names)}
    if kind == "router":
        keys = draw(st.lists(names, min_size=1, max_size=3, unique=True))
        routes = tuple(draw(route_specs(f"{name}/{key}")) for key in keys)
        router = draw(st.sampled_from(["single", "weighted", "vote", "m:Router"]))
        return StepSpec(router=router, routes=routes, arguments=draw(arguments), **placed, **options)
    return StepSpec(
        step=f"m:{draw(names)}",
        arguments=draw(arguments),
        handler=draw(paths),
        full_event=draw(st.booleans()),
        **placed,
        **options,
    )


@st.composite
def choices(draw: st.DrawFn, name: str, before: list[str]) -> list[StepSpec]:
    """A choice after some step, and the two steps it chooses from. Their names are longer than any that is drawn."""
    left, right = f"{name} goes left", f"{name} goes right"
    values = draw(st.lists(names, min_size=2, max_size=2, unique=True))
    branches: dict[str, str] = draw(
        st.sampled_from([{}, {values[0]: left}, dict(zip(values, [left, right], strict=True))])
    )
    choice = StepSpec(
        name=name,
        choice=draw(st.sampled_from(["kind", "a.b", "m:pick"])),
        after=(draw(st.sampled_from([REQUEST, *before])),),
        branches=branches,
        otherwise=right if len(branches) == 1 else draw(st.none() | st.just(left)),
        several=draw(st.booleans()),
    )
    return [choice, *(StepSpec(name=side, step="m:f", after=(name,)) for side in (left, right))]


@st.composite
def with_handlers(draw: st.DrawFn, steps: list[StepSpec]) -> list[StepSpec]:
    """The steps, some with a handler of their errors, which may lead back."""
    handlers: list[StepSpec] = []
    handled: list[StepSpec] = []
    for index, step in enumerate(steps):
        if step.queue is not None or not draw(st.booleans()):
            handled.append(step)
            continue
        ways = [
            one.name
            for one in steps
            if step.name in one.after
            and entry_of_way_back(GraphSpec(name="g", steps=tuple(steps)), step.name, one.name)
        ]
        handler = f"handler of step {index}"
        full_event, back_to = draw(st.booleans()), draw(st.sampled_from([None, *ways]))
        handlers.append(StepSpec(name=handler, step="m:g", after=(), full_event=full_event, back_to=back_to))
        handled.append(replace(step, on_error=handler))
    return [*handled, *handlers]


@st.composite
def graph_specs(draw: st.DrawFn) -> GraphSpec:
    """A graph that is sound: every step comes after some before it, and the last one joins all loose ends."""
    made: list[StepSpec] = []
    for name in draw(st.lists(names, min_size=1, max_size=6, unique=True)):
        before = [step.name for step in made if step.choice is None]
        made += draw(choices(name, before)) if draw(st.booleans()) else [draw(step_specs(name, before))]
    fed = {name for step in made for name in step.after}
    ends = tuple(step.name for step in made if step.name not in fed)
    has_queue = draw(st.booleans())
    if len(ends) > 1 or has_queue:
        made.append(StepSpec(name="joins the ends", step="m:join", after=ends, responds=True))
    made = draw(with_handlers(made))
    if has_queue:
        limits = draw(st.dictionaries(st.sampled_from(["max-deliveries", "max-length"]), st.integers(1, 99)))
        made += [
            StepSpec(
                name="to the queue", queue=draw(names), after=("joins the ends",), arguments=freeze_mapping(limits)
            ),
            StepSpec(name="behind the queue", step="m:store", after=("to the queue",)),
        ]
    on_error = draw(st.sampled_from([None, "told of errors"]))
    if on_error is not None:
        made.append(StepSpec(name=on_error, step="m:tell", after=()))
    files = draw(st.lists(st.text(min_size=1).filter(lambda path: not leaves_project(path)), max_size=2))
    timeout = draw(st.none() | seconds)
    inputs = draw(st.dictionaries(names, st.sampled_from(["number", "string?", "any"]), max_size=2))
    return GraphSpec(
        name=draw(st.text(min_size=1)),
        steps=tuple(made),
        files=tuple(files),
        on_error=on_error,
        timeout_s=timeout,
        inputs=inputs,
    )


class Quoting(yaml.SafeDumper):
    """Writes every text in quotes: PyYAML's own quote what YAML 1.1 takes for a number, and not `1e3`."""


Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@given(graph_specs(), st.booleans())
def test_spec_to_yaml_to_spec_is_identity_through_a_file(spec: GraphSpec, in_braces: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.yaml"
        file.write_text(yaml.dump(spec.to_dict(), Dumper=Quoting, default_flow_style=in_braces), encoding="utf-8")

        read = read_graph_file(file, shown_as="graph.yaml")

    assert read == spec


@given(graph_specs())
def test_spec_to_dict_to_spec_is_identity_through_json_with_sorted_keys(spec: GraphSpec) -> None:
    stored = json.loads(json.dumps(spec.to_dict(), sort_keys=True))

    assert GraphSpec.from_dict(stored) == spec


@given(graph_specs())
def test_the_order_respects_every_edge_and_holds_every_step_once(spec: GraphSpec) -> None:
    topology = check(spec)
    order = topology.order

    assert sorted(order) == sorted(step.name for step in spec.steps if step.after)
    assert sorted(topology.handlers) == sorted(step.name for step in spec.steps if not step.after)
    for step in spec.steps:
        for before in step.after:
            assert before == REQUEST or order.index(before) < order.index(step.name)


def test_python_and_yaml_spell_the_same_spec() -> None:
    graph = Graph("churn", files=["data/weather.parquet"])
    graph.to(steps.Impute(age=33)).to("serving.features:Table", "enrich", path="t.npz").error_handler(
        "serving.features:rescue"
    ).to(Router.single({"m1": "models/m1.onnx", "m2": Route("models/m2.skops", columns=["a", "b"])})).respond()

    written = yaml.safe_load(
        """
        name: churn
        files: [data/weather.parquet]
        steps:
          - step: Impute
            with: {age: 33}
          - name: enrich
            step: serving.features:Table
            with: {path: t.npz}
            on-error: rescue
          - step: serving.features:rescue
            after: []
          - router: single
            after: enrich
            routes:
              m1: models/m1.onnx
              m2: {model: models/m2.skops, columns: [a, b]}
            respond: true
        """
    )

    assert GraphSpec.from_dict(written) == graph.spec
    assert graph.models == ("models/m1.onnx", "models/m2.skops")
    assert graph.files == ("data/weather.parquet",)


def test_python_and_yaml_spell_the_same_choices_joins_queues_and_handlers() -> None:
    enrich = Graph("enrich")
    enrich.to("m:look_up")
    graph = Graph("pay", timeout=2.5)
    fork = graph.to(enrich, retries=2, retry_wait=0.2).choose(
        "kind", {"card": "card", True: "cash"}, otherwise="other", name="by-kind"
    )
    card = fork.to("m:Card", "card", handler="score", timeout=1, blocking=True)
    card.error_handler("m:default", back_to="price", full_event=True)
    cash = fork.to("m:cash", function="slow", input_path="a.b", result_path="y")
    other = fork.to(Router.single({"m1:2": Route("m:Other", load="first-use", batch="off", max_batch_rows=9)}), "other")
    graph.add_step("m:price", after=[card, cash, other], join="any").respond().queue("scored", max_deliveries=3).to(
        "m:store"
    )

    written = yaml.safe_load(
        """
        name: pay
        timeout: 2.5
        steps:
          - graph: {name: enrich, steps: [{step: "m:look_up"}]}
            retries: 2
            retry-wait: 0.2
          - name: by-kind
            choice: kind
            branches: {card: card, true: cash}
            otherwise: other
          - name: card
            step: m:Card
            handler: score
            timeout: 1
            blocking: true
            on-error: default
          - {step: "m:default", after: [], back-to: price, full-event: true}
          - {step: "m:cash", after: by-kind, function: slow, input-path: a.b, result-path: y}
          - name: other
            router: single
            after: by-kind
            routes: {"m1:2": {model: "m:Other", load: first-use, batch: off, max-batch: 9}}
          - {step: "m:price", after: [card, cash, other], join: any, respond: true}
          - {queue: scored, with: {max-deliveries: 3}}
          - step: m:store
        """
    )

    assert GraphSpec.from_dict(written) == graph.spec


def test_a_step_is_inserted_between_two_others_when_it_shares_the_input_of_the_one_it_comes_before() -> None:
    graph = Graph("g")
    graph.to("m:clean", "clean").to("m:score", "score")

    graph.add_step("m:enrich", "enrich", after="clean", before="score")

    assert {step.name: step.after for step in graph.spec.steps} == {
        "clean": ("request",),
        "enrich": ("clean",),
        "score": ("enrich",),
    }


def test_a_step_that_only_names_what_it_comes_before_takes_over_its_inputs() -> None:
    graph = Graph("g")
    graph.to("m:score", "score")

    graph.add_step("m:clean", "clean", before="score")

    assert {step.name: step.after for step in graph.spec.steps} == {"score": ("clean",), "clean": ("request",)}


def test_a_step_before_one_with_other_inputs_becomes_one_more_input() -> None:
    graph = Graph("g")
    graph.to("m:left", "left").to("m:join", "join")

    graph.add_step("m:right", "right", after="request", before="join")

    assert {step.name: step.after for step in graph.spec.steps}["join"] == ("left", "right")


def test_a_step_without_a_place_comes_after_the_one_added_last_as_in_yaml() -> None:
    graph = Graph("g")
    graph.add_step("m:first", "first")
    graph.add_step("m:second", "second")

    assert [step.after for step in graph.spec.steps] == [("request",), ("first",)]


def test_arguments_that_are_called_like_options_are_given_apart() -> None:
    graph = Graph("g")
    graph.to("m:Call", "call", timeout=2, arguments={"timeout": 9})

    (step,) = graph.spec.steps
    assert (step.timeout_s, dict(step.arguments)) == (2, {"timeout": 9})


def test_two_routers_may_share_a_model_and_it_is_listed_once() -> None:
    graph = Graph("g")
    graph.to(Router.single({"m1": "m.onnx"}), "first").to(Router.single({"m1": "m.onnx", "m2": "n.onnx"}), "second")

    assert graph.spec.models == ("m.onnx", "n.onnx")
    assert [route.key for route in graph.spec.routes] == ["m1", "m2"]


def test_declared_inputs_are_checked_by_a_test_of_the_graph_as_by_the_server() -> None:
    graph = Graph("g", inputs={"age": "integer", "city": "string?"})
    graph.to(lambda body: body, "same")

    assert graph.test({"age": 3}) == {"age": 3}
    with pytest.raises(RequestError, match='row 1, column `age`: expected a whole number, found "old"'):
        graph.test([{"age": 3}, {"age": "old"}])
    assert (
        GraphSpec.from_dict({"name": "g", "inputs": {"age": "integer", "city": "string?"}}).inputs == graph.spec.inputs
    )


def test_models_and_files_of_a_nested_graph_belong_to_the_graph() -> None:
    inner = Graph("inner", files=["b.parquet"])
    inner.to(Router.single({"m1": "m.onnx"}))
    graph = Graph("outer", files=["a.parquet"])
    graph.to(inner)

    assert graph.models == ("m.onnx",)
    assert graph.files == ("a.parquet", "b.parquet")


def test_a_spec_of_a_graph_makes_the_same_graph() -> None:
    graph = Graph("shout")
    graph.to("builtins:str", "text").to("ci_core.serving.steps:Impute", age=1).error_handler("builtins:repr", "show")

    assert Graph.from_spec(graph.spec).spec == graph.spec
