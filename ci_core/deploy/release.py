"""From a project at rest to a release: load the graph, build the bundle, put the parts together.

:func:`resolve` is pure; :func:`build_release` does the work around it and is what the operations call.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ci_core.deploy.bundle import BuiltBundle, ServedGraph, build_bundle, git_files
from ci_core.deploy.spec import ModelFile, Release, canonical_json
from ci_core.errors import NoGraphError
from ci_core.serving.spec import GraphSpec
from ci_core.types import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ci_core.config.settings import Settings
    from ci_core.deploy.bundle import BundledFile, ListFiles
    from ci_core.lowering.spec import Decision, LoweredGraph
    from ci_core.types import JsonValue

    LowerGraph = Callable[[GraphSpec], LoweredGraph]
    LoadGraph = Callable[[str, Path], ServedGraph]
    """Given ``path/to/file.py:name`` and the project's folder, returns the graph's specification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltRelease:
    """A release and its archive."""

    release: Release
    bundle: BuiltBundle
    lowering: tuple[Decision, ...] = ()
    """Of the routes that could be lowered, what runs and why."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a plan says of the release, whatever is live."""
        return tuple(decision.sentence for decision in self.lowering)


def build_release(
    settings: Settings,
    output_dir: Path,
    *,
    load: LoadGraph | None = None,
    lower: LowerGraph | None = None,
    list_files: ListFiles = git_files,
) -> BuiltRelease:
    """Build the release of the project's work tree as it is now.

    Args:
        settings: the project.
        output_dir: where the archive goes.
        load: how a graph is loaded; by default ``ci_core.serving`` imports the user's code.
        lower: how models become cheaper, equal ones; None leaves them as they are.
        list_files: see :func:`ci_core.deploy.bundle.git_files`.

    Raises:
        NoGraphError: the project has no ``graph``.
        GraphshipError: what loading the graph (exit code 3) and building the bundle raise.
    """
    if settings.graph is None:
        raise NoGraphError(where=settings.locate("graph"))
    graph = (load or _load_graph)(settings.graph, settings.root)
    made: Mapping[str, bytes] = {}
    decisions: tuple[Decision, ...] = ()
    if lower is not None and isinstance(graph, GraphSpec):
        lowered = lower(graph)
        graph, made, decisions = lowered.graph, lowered.files, lowered.decisions
    bundle = build_bundle(settings, graph, output_dir, made=made, list_files=list_files)
    return BuiltRelease(release=resolve(settings, graph, bundle, made), bundle=bundle, lowering=decisions)


def resolve(settings: Settings, graph: ServedGraph, bundle: BuiltBundle, made: Iterable[str] = ()) -> Release:
    """Put a release together (pure): the same project, graph and bundle always give the same id.

    Args:
        settings: of the project.
        graph: that is served.
        bundle: its archive.
        made: lowered models in it, by path.
    """
    digests = {file.path: file.digest for file in bundle.files}
    return Release(
        project=settings.name,
        graph=graph.to_dict(),
        bundle=bundle.digest,
        models=tuple(_model(path, bundle.files) for path in sorted({*graph.models, *made})),
        lock=digests[bundle.lock] if bundle.lock else None,
        settings={"capture": _capture(settings)},
    )


def _capture(settings: Settings) -> dict[str, JsonValue]:
    time_column = settings.monitor.time_column if settings.monitor else None
    return {"to": settings.capture.to, "sample": settings.capture.sample, "time-column": time_column}


def _model(name: str, files: tuple[BundledFile, ...]) -> ModelFile:
    """Return a model's digest and size; a folder's digest is the sha256 of its ``[path, digest]`` pairs."""
    path = PurePosixPath(name)
    parts = [file for file in files if PurePosixPath(file.path).is_relative_to(path)]
    if len(parts) == 1 and parts[0].path == path.as_posix():
        return ModelFile(path=parts[0].path, digest=parts[0].digest, size_bytes=parts[0].size_bytes)
    listing = canonical_json([[file.path, file.digest] for file in parts])
    return ModelFile(
        path=path.as_posix(),
        digest=Digest(f"sha256:{hashlib.sha256(listing).hexdigest()}"),
        size_bytes=sum(file.size_bytes for file in parts),
    )


def _load_graph(reference: str, root: Path) -> ServedGraph:
    from ci_core.serving import load_graph

    spec: ServedGraph = load_graph(reference, root).spec
    return spec
