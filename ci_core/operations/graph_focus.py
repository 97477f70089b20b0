"""Keep a diagram readable: boxes that are alike become one, and of too many the changed part is kept (pure).

Alike are members of one ``foreach`` or ``matrix`` that fared alike, data files that the same stages read, and models of
one router with the same mark.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ci_core.reports import report as shown
from ci_core.reports.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.reports.report import Graph, GraphEdge, GraphNode

MOST_NODES = 60
"""More boxes than a person reads."""
MOST_ALIKE = {"stage": 3, "data": 3, "model": 8}
"""So many boxes that are alike are drawn one by one."""
_MOST_NAMES = 3


def focused(graph: Graph) -> Graph:
    """Return the graph with alike boxes as one and, if it is still too large, without what is far from every change."""
    graph = _gathered(graph)
    kept = _near_changes(graph)
    return graph.model_copy(
        update={
            "nodes": tuple(node for node in graph.nodes if node.id in kept),
            "edges": tuple(edge for edge in graph.edges if edge.source in kept and edge.target in kept),
            "hidden": graph.hidden + len(graph.nodes) - len(kept),
        }
    )


def _gathered(graph: Graph) -> Graph:
    readers: dict[str, set[str]] = defaultdict(set)
    for edge in graph.edges:
        readers[edge.source].add(edge.target)
    alike: dict[tuple[object, ...], list[GraphNode]] = defaultdict(list)
    for node in graph.nodes:
        alike[_likeness(node, readers[node.id])].append(node)
    made = [one for members in alike.values() for one in _group(members)]
    new_id = {member: node.id for node, members in made for member in members}
    if len(new_id) == len(made):
        return graph
    order = {node.id: place for place, node in enumerate(graph.nodes)}
    nodes = sorted((node for node, _ in made), key=lambda node: order[node.id])
    return graph.model_copy(update={"nodes": tuple(nodes), "edges": tuple(_joined(graph.edges, new_id))})


def _joined(edges: Iterable[GraphEdge], new_id: dict[str, str]) -> Iterable[GraphEdge]:
    """Return one arrow for all that run between the same boxes; marked when all of them are."""
    found: dict[tuple[str, str, str], dict[shown.Change, None]] = defaultdict(dict)
    for edge in edges:
        source, target = new_id.get(edge.source, edge.source), new_id.get(edge.target, edge.target)
        if source != target or edge.source == edge.target:
            found[source, target, edge.text][edge.change] = None
    return [
        shown.GraphEdge(
            source=source, target=target, text=text, change=next(iter(changes)) if len(changes) == 1 else "same"
        )
        for (source, target, text), changes in found.items()
    ]


def _likeness(node: GraphNode, readers: set[str]) -> tuple[object, ...]:
    """Return what two boxes must have in common to be drawn as one."""
    if node.kind == "data":
        return ("data", node.change, frozenset(readers))
    if node.kind == "model":
        return ("model", node.id.rpartition("/")[0], node.change, frozenset(readers))
    group, sign, _ = node.text.rpartition("@")
    return ("stage", group, node.change, node.is_stale) if sign and node.kind == "stage" else (node.id,)


def _group(members: list[GraphNode]) -> list[tuple[GraphNode, list[str]]]:
    first, names = members[0], [node.text for node in members]
    if len(members) <= MOST_ALIKE.get(first.kind, len(members)):
        return [(node, [node.id]) for node in members]
    text = plural(len(members), "file" if first.kind == "data" else "model")
    if first.kind == "stage":
        text = f"{first.text.rpartition('@')[0]}@… ({len(members)})"
    reasons = {node.detail for node in members} if first.kind == "stage" else set()
    detail = f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more"
    if len(reasons) == 1 and first.detail:
        detail = f"{detail}; {first.detail}"
    return [(first.model_copy(update={"text": text, "detail": detail}), [node.id for node in members])]


def _near_changes(graph: Graph) -> set[str]:
    """Return the ids of what is drawn: everything, or what changed, is stale, and then their neighbours."""
    if len(graph.nodes) <= MOST_NODES:
        return {node.id for node in graph.nodes}
    moved = {node.id: None for node in graph.nodes if node.change != "same"}
    moved |= {end: None for edge in graph.edges if edge.change != "same" for end in (edge.source, edge.target)}
    moved |= {node.id: None for node in graph.nodes if node.is_stale}
    beside = {edge.target: None for edge in graph.edges if edge.source in moved}
    beside |= {edge.source: None for edge in graph.edges if edge.target in moved}
    order = {**moved, **beside, **({} if moved else {node.id: None for node in graph.nodes})}
    return set(list(order)[:MOST_NODES])
