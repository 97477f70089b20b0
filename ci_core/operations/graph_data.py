"""Turn the serving graphs of two revisions into the diagram of a report (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ci_core.operations.graph_focus import focused
from ci_core.reports import report as shown
from ci_core.serving.spec import ANSWER, REQUEST
from ci_core.serving.words import arrows, kind_text, settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec


def graph_part(head: GraphSpec, base: GraphSpec | None, changed_files: Collection[str] = ()) -> shown.Graph:
    """Return the serving graph of the head; what `base` had and the head has not stays in it, marked as removed.

    Args:
        head: the graph of the change; one without steps when it serves nothing any more.
        base: the graph to compare with; one without steps when it served nothing, so that all of the head's is new.
            None when it could not be loaded, then nothing is marked.
        changed_files: model files whose content differs; their boxes are marked as changed.
    """
    nodes = [
        _terminal(REQUEST, "request", "source"),
        *(_with_content(node, changed_files) for node in _boxes(head, base)),
        _terminal(ANSWER, "answer", "response"),
    ]
    name = head.name if head.steps or base is None else base.name
    return focused(shown.Graph(name=name, nodes=tuple(nodes), edges=tuple(_lines(head, base))))


def _terminal(name: str, text: str, kind: Literal["source", "response"]) -> shown.GraphNode:
    return shown.GraphNode(id=name, text=text, kind=kind)


def _boxes(head: GraphSpec, base: GraphSpec | None) -> Iterator[shown.GraphNode]:
    """Yield the boxes of all steps and models: the head's in its order, then what is gone."""
    before = {step.name: step for step in base.steps} if base else {}
    for step in head.steps:
        old = before.pop(step.name, None)
        yield _step_box(step, "same" if base is None else _change(old, step))
        yield from _model_boxes(step, old, is_compared=base is not None)
    for step in before.values():
        yield _step_box(step, "removed")
        yield from (_model_box(step, route, "removed") for route in step.routes)


def _change(old: object, new: object) -> shown.Change:
    if old is None:
        return "added"
    return "same" if old == new else "changed"


def _step_box(step: StepSpec, change: shown.Change) -> shown.GraphNode:
    detail = ", ".join(filter(None, [kind_text(step), *settings(step)]))
    return shown.GraphNode(id=step.name, text=step.name, kind=_KINDS[step.kind], change=change, detail=detail)


_KINDS: dict[str, Literal["step", "router", "choice", "queue", "graph"]] = {
    "step": "step",
    "router": "router",
    "choice": "choice",
    "queue": "queue",
    "graph": "graph",
}


def _model_boxes(step: StepSpec, old: StepSpec | None, *, is_compared: bool) -> Iterator[shown.GraphNode]:
    """Yield one box a model of a router, then those of the routes it has no more."""
    before = {route.key: route for route in old.routes} if old else {}
    for route in step.routes:
        yield _model_box(step, route, _change(before.pop(route.key, None), route) if is_compared else "same")
    yield from (_model_box(step, route, "removed") for route in before.values())


def _model_box(step: StepSpec, route: RouteSpec, change: shown.Change) -> shown.GraphNode:
    return shown.GraphNode(id=_model_id(step, route), text=route.key, kind="model", change=change, detail=route.model)


def _model_id(step: StepSpec, route: RouteSpec) -> str:
    return f"{step.name}/{route.key}"


def _with_content(node: shown.GraphNode, changed_files: Collection[str]) -> shown.GraphNode:
    """Return the box, marked as changed when its model is another file under the same name."""
    is_replaced = node.kind == "model" and node.change == "same" and node.detail in changed_files
    return node.model_copy(update={"change": "changed"}) if is_replaced else node


def _lines(head: GraphSpec, base: GraphSpec | None) -> Iterator[shown.GraphEdge]:
    """Yield the arrows: the head's, then those that are gone."""
    arrows = list(dict.fromkeys(_arrows(head)))
    before = list(dict.fromkeys(_arrows(base))) if base else arrows
    for arrow in arrows:
        yield _line(arrow, "same" if arrow in before else "added")
    yield from (_line(arrow, "removed") for arrow in before if arrow not in arrows)


def _line(arrow: tuple[str, str, str], change: shown.Change) -> shown.GraphEdge:
    source, target, text = arrow
    return shown.GraphEdge(source=source, target=target, text=text, change=change)


def _arrows(spec: GraphSpec) -> Iterator[tuple[str, str, str]]:
    """Yield start, end and text of every arrow; what follows a router is drawn as coming from its models."""
    if not spec.steps:
        return
    models = {step.name: [_model_id(step, route) for route in step.routes] for step in spec.steps}
    for router, ids in models.items():
        for model in ids:
            yield router, model, ""
    for arrow in arrows(spec):
        starts = [arrow.start] if arrow.is_error else models.get(arrow.start) or [arrow.start]
        for one in starts:
            yield one, arrow.end, "on error" if arrow.kind == "error" else arrow.text
