"""What a release's live traffic is compared with, computed when the release is made and kept in the ledger.

Then data and model are at hand; a scheduled run later needs neither, only the ledger and the captures. The ledger keeps
``profiles/<release>.json``::

    {"profile": ReferenceProfile.to_dict(), "importance": {"temp": 0.31, …} | null,
     "made-by": {"reference": "data/train.parquet", "window-s": 86400.0, …}}

``made-by`` holds the settings that shape it. A release says nothing of them, so one whose settings have changed since
is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from ci_core.monitoring.reference import ReferenceProfile
from ci_core.serving import load_graph
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.config.settings import MonitorSettings
    from ci_core.operations.project import Project
    from ci_core.serving.base import Model
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import JsonObject, JsonValue, ReleaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReference:
    """What windows of one release are judged by."""

    profile: ReferenceProfile
    importance: Mapping[str, float] | None
    """Column → share of the model's importance; None when not known."""


def keep_reference(project: Project, release: ReleaseId) -> ReleaseReference | None:
    """Return the reference of `release`, which the work tree must hold; computed and kept unless the ledger has it.

    Returns:
        None when the project has no ``monitor`` section.

    Raises:
        GraphshipError: the reference table cannot be read, lacks a column the model gets, or the graph fails.
    """
    settings = project.settings.monitor
    if settings is None:
        return None
    known = read_reference(project, release)
    if known is not None:
        return known
    # Loads NumPy, SciPy and DuckDB, which only projects that monitor need.
    from ci_core.operations.reference import measure_importance, profile_reference

    project.dvc.pull([settings.reference])
    table = project.root / settings.reference
    model = served_model(project)
    score, columns = (model.score, model.input_columns) if model is not None else (None, None)
    reference = ReleaseReference(
        profile=profile_reference(table, settings, score, columns=columns),
        importance=measure_importance(table, settings, score, root=project.root, columns=columns),
    )
    blocks = len(reference.profile.whole_blocks)
    project.console.step(
        f"profiled {settings.reference}: {reference.profile.pooled.rows:,} rows in {blocks} whole blocks"
    )
    stored = {
        "profile": reference.profile.to_dict(),
        "importance": None if reference.importance is None else dict(reference.importance),
        "made-by": _made_by(settings),
    }
    project.ledger.write_json(_path(release), stored, f"reference of release {release[:12]}")
    return reference


def read_reference(project: Project, release: ReleaseId) -> ReleaseReference | None:
    """Return the reference of `release` from the ledger; None when it has none that the present settings would make."""
    settings, stored = project.settings.monitor, project.ledger.read_json(_path(release))
    if settings is None or stored is None:
        return None
    data = cast("dict[str, JsonObject]", stored)
    if data["made-by"] != _made_by(settings):
        return None
    weights = cast("dict[str, float] | None", data["importance"])
    return ReleaseReference(
        profile=ReferenceProfile.from_dict(data["profile"]),
        importance=None if weights is None else MappingProxyType(weights),
    )


def served_model(project: Project) -> Model | None:
    """Return the model of the work tree's graph that answers by default; None when the graph has none."""
    if project.settings.graph is None:
        return None
    graph = load_graph(project.settings.graph, project.root)
    key = default_model(graph.spec)
    return None if key is None else graph.compile(root=project.root).models[key]


def default_model(spec: GraphSpec, prefix: str = "") -> str | None:
    """Return the key of the model whose answer clients get unless they ask for another; None without a router.

    It is that of the first router: of a ``single`` one its first route, of any other the router itself.
    """
    for name in check(spec).order:
        step = next(step for step in spec.steps if step.name == name)
        if step.router is not None:
            return step.routes[0].key if step.router == "single" else f"{prefix}{name}"
        inner = default_model(step.graph, f"{prefix}{name}/") if step.graph is not None else None
        if inner is not None:
            return inner
    return None


def _made_by(settings: MonitorSettings) -> dict[str, JsonValue]:
    return {
        "reference": settings.reference,
        "time-column": settings.time_column,
        "window-s": settings.window.total_seconds(),
        "target": settings.target,
        "labels-key": settings.labels.key if settings.labels else None,
        "ignore": list(settings.ignore),
        "importance": settings.importance,
    }


def _path(release: ReleaseId) -> str:
    return f"profiles/{release}.json"
