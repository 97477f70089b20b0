from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import Graph, GraphSpec, Route, Router, RouteSpec, StepSpec, steps
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


@st.composite
def step_specs(draw: st.DrawFn, name: str, before: list[str]) -> StepSpec:
    after = draw(st.lists(st.sampled_from([REQUEST, *before]), min_size=1, max_size=3, unique=True))
    placed: dict[str, Any] = {"name": name, "after": tuple(after)}
    if draw(st.booleans()):
        routes = draw(st.lists(names, min_size=1, max_size=3, unique=True))
        columns = draw(st.lists(names, max_size=3))
        return StepSpec(
            router="single",
            routes=tuple(
                RouteSpec(name=f"{name}/{route}", model="m.onnx", columns=tuple(columns), arguments=draw(arguments))
                for route in routes
            ),
            **placed,
        )
    return StepSpec(
        step=f"m:{draw(names)}",
        arguments=draw(arguments),
        full_event=draw(st.booleans()),
        input_path=draw(paths),
        result_path=draw(paths),
        **placed,
    )


@st.composite
def graph_specs(draw: st.DrawFn) -> GraphSpec:
    """A graph that is sound: every step comes after some before it, and the last one joins all loose ends."""
    made: list[StepSpec] = []
    for name in draw(st.lists(names, min_size=1, max_size=6, unique=True)):
        made.append(draw(step_specs(name, [step.name for step in made])))
    fed = {name for step in made for name in step.after}
    ends = tuple(step.name for step in made if step.name not in fed)
    if len(ends) > 1:
        made.append(StepSpec(name="".join(ends) + "-join", step="m:join", after=ends, responds=True))
    files = draw(st.lists(st.text(min_size=1), max_size=2))
    return GraphSpec(name=draw(st.text(min_size=1)), steps=tuple(made), files=tuple(files))


@given(graph_specs())
def test_spec_to_dict_to_spec_is_identity_through_json_with_sorted_keys(spec: GraphSpec) -> None:
    stored = json.loads(json.dumps(spec.to_dict(), sort_keys=True))

    assert GraphSpec.from_dict(stored) == spec


@given(graph_specs())
def test_the_order_respects_every_edge_and_holds_every_step_once(spec: GraphSpec) -> None:
    order = check(spec).order

    assert sorted(order) == sorted(step.name for step in spec.steps)
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


def test_a_spec_of_a_graph_makes_the_same_graph() -> None:
    graph = Graph("shout")
    graph.to("builtins:str", "text").to("ci_core.serving.steps:Impute", age=1).error_handler("builtins:repr", "show")

    assert Graph.from_spec(graph.spec).spec == graph.spec
