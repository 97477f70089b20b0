"""Places for the nodes of a small directed graph: longest-path layers, few crossings (pure).

Layers come from the longest path to a node, as in K. Sugiyama, S. Tagawa and M. Toda, "Methods for Visual
Understanding of Hierarchical System Structures", 1981, section II; crossings are lessened by their barycentre sweeps.
Edges that skip a layer get an invisible waypoint in it, so that they pass between nodes and not through them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SWEEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything goes, in whole steps: the caller turns steps into pixels."""

    layers: tuple[tuple[str, ...], ...]
    """Node and waypoint ids, layer by layer, in their order inside the layer."""
    place: Mapping[str, tuple[int, float]]
    """Id → (layer, position inside the layer); positions are centred around 0 and one apart."""
    routes: Mapping[tuple[str, str], tuple[str, ...]]
    """Edge → the ids it passes, both ends included."""


def lay_out(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Return places for `nodes`.

    Args:
        nodes: distinct ids, in the order in which ties are broken.
        edges: pairs of ids; those with unknown ends, and one edge of every cycle, do not shape the layers and only
            those with known ends get a route.
    """
    known = set(nodes)
    edges = [edge for edge in dict.fromkeys(edges) if known.issuperset(edge) and edge[0] != edge[1]]
    layer_of = _longest_paths(nodes, edges)
    routes = {edge: _route(edge, layer_of) for edge in edges}
    rows: dict[int, list[str]] = defaultdict(list)
    for node in nodes:
        rows[layer_of[node]].append(node)
    for route in routes.values():
        for waypoint in route[1:-1]:
            rows[layer_of[waypoint]].append(waypoint)
    layers = [rows[index] for index in sorted(rows)]
    links = [pair for route in routes.values() for pair in pairwise(route)]
    _lessen_crossings(layers, links)
    place = {
        name: (index, position - (len(layer) - 1) / 2)
        for index, layer in enumerate(layers)
        for position, name in enumerate(layer)
    }
    return Layout(layers=tuple(map(tuple, layers)), place=place, routes=routes)


def _longest_paths(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return each node's layer; a node on a cycle gets the layer it has when the cycle is first entered."""
    followers: dict[str, list[str]] = defaultdict(list)
    waiting = dict.fromkeys(nodes, 0)
    for source, target in edges:
        followers[source].append(target)
        waiting[target] += 1
    layer = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if waiting[node] == 0]
    left = dict.fromkeys(nodes)
    while left:
        if not ready:
            ready = [next(iter(left))]
        node = ready.pop(0)
        if node not in left:
            continue
        del left[node]
        for target in followers[node]:
            if target in left:
                layer[target] = max(layer[target], layer[node] + 1)
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
    return _without_gaps(layer)


def _without_gaps(layer: dict[str, int]) -> dict[str, int]:
    rank = {value: index for index, value in enumerate(sorted(set(layer.values())))}
    return {node: rank[value] for node, value in layer.items()}


def _route(edge: tuple[str, str], layer_of: dict[str, int]) -> tuple[str, ...]:
    source, target = edge
    waypoints = []
    for index in range(layer_of[source] + 1, layer_of[target]):
        name = f"\0{source}\0{target}\0{index}"
        layer_of[name] = index
        waypoints.append(name)
    return (source, *waypoints, target)


def _lessen_crossings(layers: list[list[str]], links: Sequence[tuple[str, str]]) -> None:
    """Sort each layer, in place, by the mean place of its neighbours, forwards and backwards in turn."""
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in links:
        before[target].append(source)
        after[source].append(target)
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            spots = {name: index - (len(row) - 1) / 2 for row in layers for index, name in enumerate(row)}
            means = {
                name: sum(spots[other] for other in neighbours[name]) / len(neighbours[name])
                if neighbours[name]
                else spots[name]
                for name in layer
            }
            layer.sort(key=means.__getitem__)
