"""What differs between the live release and a planned one, in words of graphs (pure). Every target uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.deploy.spec import StepChange
from ci_core.types import StepName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.deploy.spec import ModelFile, Release
    from ci_core.types import JsonObject

_SHOWN_DIGITS = 12


def graph_changes(live: JsonObject | None, planned: JsonObject) -> tuple[StepChange, ...]:
    """Return the steps that are added, removed or changed, in the order of the graph (removed ones last).

    Args:
        live: a graph as ``GraphSpec.to_dict()`` gives it; None when nothing is live.
        planned: the same of the planned release.
    """
    before, after = _steps(live or {}), _steps(planned)
    changes = []
    for name, step in after.items():
        if name not in before:
            changes.append(StepChange(step=StepName(name), change="added", detail=_what(step)))
        elif step != before[name]:
            keys = sorted(key for key in step.keys() | before[name].keys() if step.get(key) != before[name].get(key))
            changes.append(StepChange(step=StepName(name), change="changed", detail=", ".join(keys)))
    changes += [
        StepChange(step=StepName(name), change="removed", detail=_what(step))
        for name, step in before.items()
        if name not in after
    ]
    return tuple(changes)


def model_changes(live: tuple[ModelFile, ...], planned: tuple[ModelFile, ...]) -> tuple[str, ...]:
    """Return one line for each model that is added, replaced or removed, with digest and size."""
    before, after = {model.path: model for model in live}, {model.path: model for model in planned}
    lines = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old is None and new is not None:
            lines.append(f"`{path}` added: {_shown(new)}")
        elif old is not None and new is None:
            lines.append(f"`{path}` removed: {_shown(old)}")
        elif old is not None and new is not None and old.digest != new.digest:
            lines.append(f"`{path}` replaced: {_shown(old)} → {_shown(new)}")
    return tuple(lines)


def other_changes(live: Release | None, planned: Release) -> tuple[str, ...]:
    """Return notes on what changes although graph and models say nothing of it."""
    if live is None or live.id == planned.id:
        return ()
    notes = []
    if live.lock != planned.lock:
        notes.append("the lock file of the serving environment changes")
    changed = sorted(
        key
        for key in live.settings.keys() | planned.settings.keys()
        if live.settings.get(key) != planned.settings.get(key)
    )
    if changed:
        notes.append("settings change: " + ", ".join(f"`{key}`" for key in changed))
    is_same_otherwise = live.graph == planned.graph and live.models == planned.models and live.lock == planned.lock
    if live.bundle != planned.bundle and is_same_otherwise:
        notes.append("code or data files of the graph change")
    return tuple(notes)


def _steps(graph: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {step["name"]: step for step in graph.get("steps", ())}


def _what(step: Mapping[str, Any]) -> str:
    return f"{step['router']} router" if step.get("router") else str(step.get("step", ""))


def _shown(model: ModelFile) -> str:
    algorithm, _, digits = model.digest.partition(":")
    return f"`{algorithm}:{digits[:_SHOWN_DIGITS]}` ({_size(model.size_bytes)})"


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - decimal units, as disks and downloads are told
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
