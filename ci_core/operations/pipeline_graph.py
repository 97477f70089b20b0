"""Turn the pipelines of two snapshots into the diagram of a report (pure).

Boxes are stages, and data that no stage makes. What stages hand to each other is an arrow: the files' names are in the
tables of the report.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ci_core.operations.graph_focus import focused
from ci_core.reports import report as shown
from ci_core.reports.text import size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ci_core.versioning.revision import Snapshot, StageVersion, TrackedFile

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
    return focused(shown.Graph(name="pipeline", nodes=tuple(nodes), edges=tuple(edges)))


def _pipeline(snapshot: Snapshot) -> _Pipeline:
    tracked = {_data_id(file.path): file for file in snapshot.data}
    made = [(path, _stage_id(stage.name)) for stage in snapshot.stages for path in stage.makes]
    origins = _Origins([*made, *((file.path, key) for key, file in tracked.items())])
    arrows: dict[Arrow, None] = {}
    for stage in snapshot.stages:
        end = _stage_id(stage.name)
        arrows |= {(start, end): None for path in stage.needs for start in origins.of(path) if start != end}
    read = {start: tracked[start] for start, _ in arrows if start in tracked}
    return _Pipeline({_stage_id(stage.name): stage for stage in snapshot.stages}, read, arrows)


class _Origins:
    """Where files come from: the stages that make them, and the data that nobody makes."""

    def __init__(self, places: Iterable[tuple[str, str]]) -> None:
        self._at: dict[str, dict[str, None]] = defaultdict(dict)
        self._below: dict[str, dict[str, None]] = defaultdict(dict)
        for path, origin in places:
            self._at[path][origin] = None
            for folder in _folders(path):
                self._below[folder][origin] = None

    def of(self, path: str) -> Iterator[str]:
        """Yield the origins of a file or folder, of the folders it lies in, and of what lies in it."""
        for place in (path, *_folders(path)):
            yield from self._at.get(place, ())
        yield from self._below.get(path, ())


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
