"""In which column and row the boxes of a directed graph stand: longest-path layers, few crossings. Pure.

Layers come from the longest path to a node, as in K. Sugiyama, S. Tagawa and M. Toda, "Methods for Visual
Understanding of Hierarchical System Structures", 1981, section II; crossings are lessened by their barycentre sweeps.
A link that skips a layer gets an invisible waypoint in it, so that it passes between boxes and not through them.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_SWEEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Where everything stands, in whole steps: the caller turns steps into pixels."""

    layers: tuple[tuple[str, ...], ...]
    """Node and waypoint ids, layer by layer, in their order inside the layer."""
    routes: tuple[tuple[str, ...], ...]
    """For each link the ids it passes, both ends included, from its source to its target."""


def lay_out(
    nodes: Sequence[str], links: Sequence[tuple[str, str]], *, low: Collection[str] = (), last: str | None = None
) -> Layers:
    """Return layers for `nodes`.

    Args:
        nodes: distinct ids, in the order in which ties are broken.
        links: pairs of different ids of `nodes`. One link of every cycle does not shape the layers: it leads to a
            layer before its own.
        low: nodes that stand below the others of their layer, and so do the links to and from them.
        last: node that stands in the last layer.
    """
    backward = _closing_cycles(nodes, links)
    forward = [(b, a) if index in backward else (a, b) for index, (a, b) in enumerate(links)]
    layer_of = _longest_paths(nodes, forward)
    if last is not None:
        layer_of[last] = max(layer_of.values())
    rows: dict[int, list[str]] = defaultdict(list)
    for node in nodes:
        rows[layer_of[node]].append(node)
    routes, low = [], set(low)
    for index, (source, target) in enumerate(forward):
        between = range(layer_of[source] + 1, layer_of[target])
        waypoints = [f"\0{index}\0{layer}" for layer in between]
        for layer, waypoint in zip(between, waypoints, strict=True):
            rows[layer].append(waypoint)
        if source in low or target in low:
            low.update(waypoints)
        routes.append((source, *waypoints, target))
    layers = _with_few_crossings([rows[index] for index in sorted(rows)], routes, low)
    return Layers(
        layers=tuple(map(tuple, layers)),
        routes=tuple(route[::-1] if index in backward else route for index, route in enumerate(routes)),
    )


def _closing_cycles(nodes: Sequence[str], links: Sequence[tuple[str, str]]) -> frozenset[int]:
    """Return the indexes of the links that lead back to where a walk in depth came from."""
    outgoing: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for index, (source, target) in enumerate(links):
        outgoing[source].append((index, target))
    closing, seen, on_way = set(), set(), set()
    for start in nodes:
        walk = [] if start in seen else [(start, iter(outgoing[start]))]
        seen.add(start)
        on_way.add(start)
        while walk:
            node, further = walk[-1]
            for index, target in further:
                if target in on_way:
                    closing.add(index)
                elif target not in seen:
                    seen.add(target)
                    on_way.add(target)
                    walk.append((target, iter(outgoing[target])))
                    break
            else:
                on_way.discard(node)
                walk.pop()
        on_way.discard(start)
    return frozenset(closing)


def _longest_paths(nodes: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return each node's layer; `links` hold no cycle."""
    followers: dict[str, list[str]] = defaultdict(list)
    waiting = dict.fromkeys(nodes, 0)
    for source, target in links:
        followers[source].append(target)
        waiting[target] += 1
    layer = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if waiting[node] == 0]
    while ready:
        node = ready.pop()
        for target in followers[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return layer


def _with_few_crossings(
    layers: list[list[str]], routes: Sequence[tuple[str, ...]], low: Collection[str]
) -> list[list[str]]:
    """Return the layers, each sorted by the mean place of its neighbours, forwards and backwards in turn."""
    links = [pair for route in routes for pair in pairwise(route)]
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in links:
        before[target].append(source)
        after[source].append(target)
    layers = [sorted(layer, key=lambda name: name in low) for layer in layers]
    best, fewest = [list(layer) for layer in layers], _crossings(layers, links)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        neighbours = before if sweep % 2 == 0 else after
        spots = {name: index - (len(row) - 1) / 2 for row in layers for index, name in enumerate(row)}
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            means = {name: _mean([spots[other] for other in neighbours[name]], spots[name]) for name in layer}
            layer.sort(key=lambda name, means=means: (name in low, means[name]))  # type: ignore[misc]  # bound at once
            spots |= {name: index - (len(layer) - 1) / 2 for index, name in enumerate(layer)}
        found = _crossings(layers, links)
        if found < fewest:
            best, fewest = [list(layer) for layer in layers], found
    return best


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _crossings(layers: Sequence[Sequence[str]], links: Sequence[tuple[str, str]]) -> int:
    place = {name: (number, index) for number, layer in enumerate(layers) for index, name in enumerate(layer)}
    between: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for source, target in links:
        number, index = place[source]
        between[number].append((index, place[target][1]))
    return sum(map(_inversions, between.values()))


def _inversions(pairs: list[tuple[int, int]]) -> int:
    """Return how many of the links between two layers cross: pairs in another order on the right than on the left."""
    seen: list[int] = []
    count = 0
    for _, right in sorted(pairs):
        count += len(seen) - bisect_right(seen, right)
        insort(seen, right)
    return count
