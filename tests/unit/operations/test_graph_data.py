"""From the serving graphs of two revisions to one diagram."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from ci_core.operations import graph_data
from ci_core.serving.spec import GraphSpec

if TYPE_CHECKING:
    from ci_core.reports.report import Graph


def _graph(*steps: dict[str, Any]) -> GraphSpec:
    return GraphSpec.from_dict({"name": "late", "steps": list(steps)})


def _router(**models: str) -> dict[str, Any]:
    routes = [{"name": name, "model": model} for name, model in models.items()]
    return {"name": "choose", "router": "single", "routes": routes, "after": ["clean"]}


CLEAN = {"name": "clean", "step": "serving.steps:clean", "after": ["request"]}


def _marks(graph: Graph) -> dict[str, str]:
    return {node.text: node.change for node in graph.nodes}


def _arrows(graph: Graph) -> set[tuple[str, str, str]]:
    """Return the arrows between the texts of boxes, each with its change."""
    texts = {node.id: node.text for node in graph.nodes}
    return {(texts[edge.source], texts[edge.target], edge.change) for edge in graph.edges}


def test_without_a_base_nothing_is_marked() -> None:
    graph = graph_data.graph_part(_graph(CLEAN, _router(m1="models/m1.onnx")), None)

    assert graph.name == "late"
    assert _marks(graph) == dict.fromkeys(("request", "clean", "choose", "m1", "answer"), "same")
    assert _arrows(graph) == {
        ("request", "clean", "same"),
        ("clean", "choose", "same"),
        ("choose", "m1", "same"),
        ("m1", "answer", "same"),
    }


def test_a_graph_that_is_new_or_gone_is_drawn_as_a_whole() -> None:
    nothing, graph = GraphSpec(name=""), _graph(CLEAN, _router(m1="models/m1.onnx"))

    new, gone = graph_data.graph_part(graph, nothing), graph_data.graph_part(nothing, graph)

    for part, change in ((new, "added"), (gone, "removed")):
        assert part.name == "late"
        assert _marks(part) == {
            **dict.fromkeys(("request", "answer"), "same"),
            **dict.fromkeys(("clean", "choose", "m1"), change),
        }
        assert {mark for _, _, mark in _arrows(part)} == {change}
        assert len(part.edges) == 4


def test_steps_that_come_and_go_are_marked_with_their_arrows() -> None:
    base = _graph(CLEAN, {"name": "enrich", "step": "serving.steps:enrich", "after": ["clean"]})
    head = _graph(CLEAN, {"name": "score", "step": "serving.steps:score", "after": ["clean"]})

    graph = graph_data.graph_part(head, base)

    assert _marks(graph) == {
        "request": "same",
        "clean": "same",
        "score": "added",
        "enrich": "removed",
        "answer": "same",
    }
    assert _arrows(graph) == {
        ("request", "clean", "same"),
        ("clean", "score", "added"),
        ("score", "answer", "added"),
        ("clean", "enrich", "removed"),
        ("enrich", "answer", "removed"),
    }


def test_of_a_router_only_the_models_that_differ_are_marked() -> None:
    base = _graph(CLEAN, _router(kept="models/kept.onnx", old="models/old.onnx", moved="models/a.onnx"))
    head = _graph(CLEAN, _router(kept="models/kept.onnx", moved="models/b.onnx", new="models/new.onnx"))

    graph = graph_data.graph_part(head, base)

    marks = _marks(graph)
    assert {name: marks[name] for name in ("choose", "kept", "moved", "new", "old")} == {
        "choose": "changed",
        "kept": "same",
        "moved": "changed",
        "new": "added",
        "old": "removed",
    }
    assert ("choose", "old", "removed") in _arrows(graph)


def test_a_model_file_with_other_content_is_marked_though_its_name_is_the_same() -> None:
    spec = _graph(CLEAN, _router(m1="models/m1.onnx"))

    graph = graph_data.graph_part(spec, spec, ["models/m1.onnx"])

    assert _marks(graph)["m1"] == "changed"
    assert _marks(graph)["choose"] == "same"


def test_a_step_called_answer_is_not_taken_for_the_answer() -> None:
    graph = graph_data.graph_part(
        _graph({"name": "answer", "step": "serving.steps:answer", "after": ["request"]}), None
    )

    assert [node.kind for node in graph.nodes] == ["source", "step", "response"]
    assert len({node.id for node in graph.nodes}) == 3
    assert len({(edge.source, edge.target) for edge in graph.edges}) == 2


def test_an_error_handler_hangs_on_its_step_with_a_word() -> None:
    spec = _graph(
        {**CLEAN, "on-error": "tell", "respond": True}, {"name": "tell", "step": "serving.steps:tell", "after": []}
    )

    graph = graph_data.graph_part(spec, None)

    assert [edge.text for edge in graph.edges if edge.target == "tell"] == ["on error"]


def test_models_of_a_router_that_are_alike_are_one_box_when_there_are_many() -> None:
    models = {f"m{index}": f"models/{index}.onnx" for index in range(20)}
    base = _graph(CLEAN, _router(**models))
    head = _graph(CLEAN, _router(**{**models, "m7": "models/new.onnx"}))

    graph = graph_data.graph_part(head, base)

    assert _marks(graph) == {
        "request": "same",
        "clean": "same",
        "choose": "changed",
        "19 models": "same",
        "m7": "changed",
        "answer": "same",
    }
    assert ("19 models", "answer", "same") in _arrows(graph)


def test_of_a_long_graph_what_changed_and_its_neighbours_are_kept() -> None:
    names = ["request", *(f"s{index}" for index in range(80))]
    steps = [{"name": name, "step": f"m:{name}", "after": [after]} for after, name in pairwise(names)]
    head = [*steps[:40], {**steps[40], "step": "m:other"}, *steps[41:]]

    graph = graph_data.graph_part(_graph(*head), _graph(*steps))

    assert _marks(graph) == {"s39": "same", "s40": "changed", "s41": "same"}
    assert graph.hidden == 79


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, min_size=1),
    st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, min_size=1),
)
def test_every_arrow_has_both_its_ends_and_no_box_is_drawn_twice(head: list[str], base: list[str]) -> None:
    def chain(names: list[str]) -> GraphSpec:
        before = ["request", *names]
        return _graph(
            *({"name": name, "step": f"m:{name}", "after": [after]} for after, name in zip(before, names, strict=False))
        )

    graph = graph_data.graph_part(chain(head), chain(base))

    ids = [node.id for node in graph.nodes]
    assert len(ids) == len(set(ids))
    assert {edge.source for edge in graph.edges} | {edge.target for edge in graph.edges} <= set(ids)
