"""Turn the pipelines of two snapshots into the diagram of a report (pure).

Boxes are stages, and data that no stage makes. What stages hand to each other is an arrow: the files' names are in the
tables of the report. Members of one ``foreach`` or ``matrix`` that fared alike are one box, and so are data files that
the same stages read. Of a pipeline that is still too large to read, what changed and its neighbours are kept.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from ci_core.reports import report as shown
from ci_core.reports.text import plural, size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ci_core.versioning.revision import Snapshot, StageVersion, TrackedFile

MOST_NODES = 60
"""More boxes than a person reads."""
MOST_ALIKE = 3
"""So many members of a group are drawn one by one."""
_MOST_NAMES = 3

Arrow = tuple[str, str]


class _Pipeline(NamedTuple):
    """The graph of one revision, under the ids of the diagram."""

    stages: Mapping[str, StageVersion]
    data: Mapping[str, TrackedFile]
    arrows: Collection[Arrow]


class _Differing(NamedTuple):
    """What two revisions do not share."""

    params: Collection[str]
    outputs: Collection[str]
    """Those that both have, with other content."""


_NOTHING = _Pipeline({}, {}, ())


def pipeline_graph(base: Snapshot | None, head: Snapshot) -> shown.Graph | None:
    """Return the head's stages and the data they start from, with what differs from the base.

    A stage is marked when it is declared otherwise, or a param or an output of it differs; what was removed stays in
    the diagram. None when there is no pipeline, or everything is as at the base and nothing is stale.
    """
    new, old = _pipeline(head), _pipeline(base) if base else _NOTHING
    if not new.stages and not old.stages:
        return None
    nodes = [*_stage_nodes(base, head, old, new), *_data_nodes(old, new, is_compared=base is not None)]
    edges = list(_edges(old, new, is_compared=base is not None))
    is_same = all(node.change == "same" and not node.is_stale for node in nodes)
    if base and is_same and all(edge.change == "same" for edge in edges):
        return None
    nodes, edges = _gathered(nodes, edges)
    kept = _near_changes(nodes, edges)
    return shown.Graph(
        name="pipeline",
        nodes=tuple(node for node in nodes if node.id in kept),
        edges=tuple(edge for edge in edges if edge.source in kept and edge.target in kept),
        hidden=len(nodes) - len(kept),
    )


def _pipeline(snapshot: Snapshot) -> _Pipeline:
    tracked = {file.path: file for file in snapshot.data}
    makers: dict[str, dict[str, None]] = defaultdict(dict)
    below: dict[str, dict[str, None]] = defaultdict(dict)
    for stage in snapshot.stages:
        for path in stage.makes:
            makers[path][_stage_id(stage.name)] = None
            for folder in _folders(path):
                below[folder][_stage_id(stage.name)] = None
    arrows: dict[Arrow, None] = {}
    read: dict[str, TrackedFile] = {}
    for stage in snapshot.stages:
        for path in stage.needs:
            starts = [start for place in (path, *_folders(path)) for start in makers.get(place, ())]
            sources = [tracked[place] for place in (path, *_folders(path)) if place in tracked]
            read |= {_data_id(source.path): source for source in sources}
            for start in (*starts, *below.get(path, ()), *(_data_id(source.path) for source in sources)):
                if start != _stage_id(stage.name):
                    arrows[start, _stage_id(stage.name)] = None
    return _Pipeline({_stage_id(stage.name): stage for stage in snapshot.stages}, read, arrows)


def _stage_id(name: str) -> str:
    return f"stage {name}"


def _data_id(path: str) -> str:
    return f"data {path}"


def _folders(path: str) -> Iterator[str]:
    """Yield the folders that a file lies in, the innermost first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _stage_nodes(base: Snapshot | None, head: Snapshot, old: _Pipeline, new: _Pipeline) -> Iterator[shown.GraphNode]:
    differing = _differing(base, head) if base else _Differing((), ())
    for key, stage in new.stages.items():
        before = old.stages.get(key)
        reasons = _reasons(before, stage, differing) if before else []
        change: shown.Change = "changed" if reasons else "added" if base and before is None else "same"
        is_stale = stage.name in head.stale
        detail = ", ".join([*reasons, *(["stale: would run again"] if is_stale else [])])
        yield shown.GraphNode(id=key, text=stage.name, kind="stage", change=change, detail=detail, is_stale=is_stale)
    for key, stage in old.stages.items():
        if key not in new.stages:
            yield shown.GraphNode(id=key, text=stage.name, kind="stage", change="removed")


def _reasons(before: StageVersion, after: StageVersion, differing: _Differing) -> list[str]:
    """Return what of a stage differs, a phrase each."""
    reasons = ["declared otherwise"] if before != after else []
    params = [key for key in differing.params if any(_is_of(key, own) for own in after.params)]
    if params:
        reasons.append(f"params {_some(params)}")
    if others := sum(path in differing.outputs for path in after.makes):
        reasons.append("1 output differs" if others == 1 else f"{others} outputs differ")
    return reasons


def _is_of(key: str, declared: str) -> bool:
    """Return whether a param is the one that a stage declares, or inside it."""
    return key == declared or key.startswith((f"{declared}.", f"{declared}:"))


def _differing(base: Snapshot, head: Snapshot) -> _Differing:
    params = [
        key
        for key in dict.fromkeys([*head.params, *base.params])
        if (key in base.params, base.params.get(key)) != (key in head.params, head.params.get(key))
    ]
    digests = {file.path: file.digest for file in base.outputs}
    outputs = {file.path for file in head.outputs if digests.get(file.path, file.digest) != file.digest}
    return _Differing(params, outputs)


def _some(names: list[str]) -> str:
    """Return the first names, without the file of each."""
    short = [name.partition(":")[2] or name for name in names]
    more = f" and {len(short) - _MOST_NAMES} more" if len(short) > _MOST_NAMES else ""
    return f"{', '.join(short[:_MOST_NAMES])}{more}"


def _data_nodes(old: _Pipeline, new: _Pipeline, *, is_compared: bool) -> Iterator[shown.GraphNode]:
    for key, file in new.data.items():
        before = old.data.get(key)
        change: shown.Change = "same"
        if is_compared:
            change = "added" if before is None else "changed" if before.digest != file.digest else "same"
        yield _data_node(key, file, change, before)
    for key, file in old.data.items():
        if key not in new.data:
            yield _data_node(key, file, "removed", None)


def _data_node(key: str, file: TrackedFile, change: shown.Change, before: TrackedFile | None) -> shown.GraphNode:
    sizes = [one.size_bytes for one in (before, file) if one and one.size_bytes is not None]
    detail = " → ".join(dict.fromkeys(map(size, sizes)))
    return shown.GraphNode(id=key, text=file.path, kind="data", change=change, detail=detail)


def _edges(old: _Pipeline, new: _Pipeline, *, is_compared: bool) -> Iterator[shown.GraphEdge]:
    for source, target in new.arrows:
        is_new = is_compared and (source, target) not in old.arrows
        yield shown.GraphEdge(source=source, target=target, change="added" if is_new else "same")
    for source, target in old.arrows:
        if (source, target) not in new.arrows:
            yield shown.GraphEdge(source=source, target=target, change="removed")


def _gathered(
    nodes: list[shown.GraphNode], edges: list[shown.GraphEdge]
) -> tuple[list[shown.GraphNode], list[shown.GraphEdge]]:
    """Return the graph with boxes that are alike in one, and the arrows that this leaves."""
    readers: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        readers[edge.source].add(edge.target)
    alike: dict[tuple[object, ...], list[shown.GraphNode]] = defaultdict(list)
    for node in nodes:
        alike[_likeness(node, readers[node.id])].append(node)
    made = [one for members in alike.values() for one in _group(members)]
    new_id = {member: node.id for node, members in made for member in members}
    changes: dict[Arrow, dict[shown.Change, None]] = defaultdict(dict)
    for edge in edges:
        changes[new_id[edge.source], new_id[edge.target]][edge.change] = None
    drawn = [
        shown.GraphEdge(source=source, target=target, change=next(iter(found)) if len(found) == 1 else "same")
        for (source, target), found in changes.items()
        if source != target
    ]
    return [node for node, _ in made], drawn


def _likeness(node: shown.GraphNode, readers: set[str]) -> tuple[object, ...]:
    """Return what two boxes must have in common to be drawn as one."""
    if node.kind == "data":
        return ("data", node.change, frozenset(readers))
    group, sign, _ = node.text.rpartition("@")
    return ("stage", group, node.change, node.is_stale) if sign else ("stage", node.id)


def _group(members: list[shown.GraphNode]) -> Iterable[tuple[shown.GraphNode, list[str]]]:
    if len(members) <= MOST_ALIKE:
        return [(node, [node.id]) for node in members]
    first, names = members[0], [node.text for node in members]
    group = first.text.rpartition("@")[0]
    text = f"{group}@… ({len(members)})" if first.kind == "stage" else plural(len(members), "file")
    detail = f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more"
    reasons = [reason for reason, _ in groupby(sorted(node.detail for node in members)) if first.kind == "stage"]
    detail = "; ".join(filter(None, [detail, reasons[0] if len(reasons) == 1 else ""]))
    node = first.model_copy(update={"text": text, "detail": detail})
    return [(node, [member.id for member in members])]


def _near_changes(nodes: list[shown.GraphNode], edges: list[shown.GraphEdge]) -> set[str]:
    """Return the ids of what is drawn: everything, or what changed, is stale, and then their neighbours."""
    if len(nodes) <= MOST_NODES:
        return {node.id for node in nodes}
    moved = {node.id: None for node in nodes if node.change != "same"}
    moved |= {end: None for edge in edges if edge.change != "same" for end in (edge.source, edge.target)}
    moved |= {node.id: None for node in nodes if node.is_stale}
    beside = {edge.target: None for edge in edges if edge.source in moved}
    beside |= {edge.source: None for edge in edges if edge.target in moved}
    order = {**moved, **beside, **({} if moved else {node.id: None for node in nodes})}
    return set(list(order)[:MOST_NODES])
