"""Turn what differs between two snapshots into the report's rows of models (pure).

A model is known in up to three ways at once: as a file that DVC keeps, as an artifact of a ``dvc.yaml`` with its tags,
and as what a serving graph loads. It has one row all the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ci_core.monitoring.table_diff import table_format
from ci_core.reports import report as shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.types import Digest
    from ci_core.versioning.difference import Change, FileDiff, ModelDiff, SnapshotDiff
    from ci_core.versioning.revision import RegisteredModel


def model_rows(
    diff: SnapshotDiff, models: Iterable[str], inside: Iterable[ModelDiff] = ()
) -> tuple[shown.ModelRow, ...]:
    """Return the files that differ and are models, and the models that are registered or declared otherwise.

    Args:
        diff: what differs.
        models: what the serving graph loads; an artifact is a model, too, unless it is data that DVC keeps.
        inside: those of them that are no file of `diff`, as models without a name.
    """
    tracked = _by_path(diff)
    known = {
        model.path: model for model in diff.registered if model.path and not (model.path in tracked and _is_data(model))
    }
    moved: dict[str, list[ModelDiff]] = {}
    for one in (*diff.models, *inside):
        path = _registered_path(one)
        if not (path in tracked and all(_is_data(side) for side in (one.old, one.new) if side)):
            moved.setdefault(path, []).append(one)
    wanted = {*models, *known, *moved}
    files = {path: file for path, file in tracked.items() if path in wanted}
    return tuple(
        _model_row(path, files.get(path), moved.get(path, []), known.get(path))
        for path in dict.fromkeys((*files, *moved))
    )


def _by_path(diff: SnapshotDiff) -> dict[str, FileDiff]:
    """Return the files that differ, each once: what was added by hand may be made by a stage now, or the reverse."""
    files = {file.path: file for file in diff.data}
    for file in diff.outputs:
        other = files.get(file.path)
        files[file.path] = file if other is None else _joined(*sorted((file, other), key=lambda one: one.change))
    return files


def _joined(added: FileDiff, removed: FileDiff) -> FileDiff:
    change: Change = "same" if added.new_digest == removed.old_digest else "changed"
    return replace(added, change=change, old_digest=removed.old_digest, old_bytes=removed.old_bytes)


def _is_data(artifact: RegisteredModel) -> bool:
    """Whether an artifact is no model by its type, or, without one, by its name."""
    return artifact.type != "model" if artifact.type else table_format(artifact.path or "") is not None


def _registered_path(model: ModelDiff) -> str:
    """Return the file of a registered model; its name when only tags know it."""
    return next((side.path for side in (model.new, model.old) if side and side.path), model.name)


def _model_row(
    path: str, file: FileDiff | None, moved: Sequence[ModelDiff], known: RegisteredModel | None
) -> shown.ModelRow:
    olds, news = (tuple(filter(None, sides)) for sides in ([one.old for one in moved], [one.new for one in moved]))
    old = _content(olds, (file.old_digest, file.old_bytes) if file else (None, None))
    new = _content(news, (file.new_digest, file.new_bytes) if file else (None, None))
    old_problem, new_problem = _problem(olds), _problem(news)
    is_files = file is not None and (file.change == "renamed" or not any(side.digest for side in (*olds, *news)))
    changes = {file.change} if file and is_files else {_model_change(one) for one in moved}
    change = changes.pop() if len(changes) == 1 else "changed"
    if change == "changed" and (old[0] is None) != (new[0] is None) and not (old_problem or new_problem):
        change = "added" if new[0] else "removed"
    return shown.ModelRow(
        path=path,
        change=change,
        old_digest=old[0],
        new_digest=new[0],
        old_bytes=old[1],
        new_bytes=new[1],
        old_problem=old_problem,
        new_problem=new_problem,
        registered="; ".join(_registered(one) for one in moved if one.name) or (known.label if known else ""),
    )


def _content(
    sides: Iterable[RegisteredModel], of_file: tuple[Digest | None, int | None]
) -> tuple[Digest | None, int | None]:
    """Return digest and size of a model; of the file at its path where no artifact has any."""
    return next(((side.digest, side.size_bytes) for side in sides if side.digest), of_file)


def _problem(sides: Iterable[RegisteredModel]) -> str | None:
    return next((side.problem for side in sides if side.problem), None)


def _model_change(model: ModelDiff) -> Change:
    """Return whether a model is declared now, no longer, or otherwise; another version alone is no change."""
    old, new = model.old, model.new
    was, now = (bool(side and side.path) for side in (old, new))
    if was != now:
        return "added" if now else "removed"
    is_same = old is None or new is None or (old.path, old.type, old.digest) == (new.path, new.type, new.digest)
    return "same" if is_same else "changed"


def _registered(model: ModelDiff) -> str:
    """Return how the registry's entry moved."""
    old, new = model.old, model.new
    if old and old.path and (new is None or not new.path):
        return f"{model.name} is not declared any more"
    labels = [side.label for side in (old, new) if side]
    return " → ".join(dict.fromkeys(labels))
