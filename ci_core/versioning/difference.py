"""What differs between two snapshots, as data (pure). Made by ``versioning/compare.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ci_core.types import Digest, JsonValue
    from ci_core.versioning.revision import CodeVersion, RegisteredModel

Change = Literal["added", "removed", "changed", "renamed", "same"]
Direction = Literal["better", "worse", "neutral"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDiff:
    """One metric, before and after."""

    key: str
    """``metrics.json:auc``."""
    old: JsonValue = None
    new: JsonValue = None
    change: Change
    """Tells a metric that appears or disappears from one that is ``null``."""
    difference: float | None = None
    """``new - old``; None unless both are finite numbers."""
    direction: Direction = "neutral"
    note: str = ""
    """What a number alone does not say: ``is not a number any more``, ``became NaN``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamDiff:
    """One param that differs, in value or in type."""

    key: str
    old: JsonValue = None
    new: JsonValue = None
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderDiff:
    """What differs inside a folder that DVC keeps as one."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    renamed: int = 0
    """Files."""
    old_bytes: int | None = None
    new_bytes: int | None = None
    examples: tuple[str, ...] = ()
    """Some of them, most telling first: ``+ 2024-07.parquet``, ``- a.csv``, ``~ b.csv``, ``c.csv → d.csv``."""
    problem: str | None = None
    """Why its list of files could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """One file or folder that DVC keeps and that differs."""

    path: str
    old_path: str | None = None
    """Where the same content was, when it was renamed."""
    change: Change
    old_digest: Digest | None = None
    new_digest: Digest | None = None
    old_bytes: int | None = None
    new_bytes: int | None = None
    old_files: int | None = None
    new_files: int | None = None
    is_result: bool = False
    """Whether it is, or holds, what DVC shows as metrics or plots, on either side."""
    folder: FolderDiff | None = None
    """What differs inside, when it is a folder on both sides and somebody looked (``operations/data_diff.py``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDiff:
    """One stage of the pipeline that is declared otherwise."""

    name: str
    change: Change
    details: tuple[str, ...] = ()
    """What differs in one that changed: ``the command``, ``needs data/b.csv``, ``no longer makes plots``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDiff:
    """One registered model that has another version, path, type or content."""

    name: str
    change: Change
    old: RegisteredModel | None = None
    new: RegisteredModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDiff:
    """One thing the code runs on that differs."""

    name: str
    """``python``, the lock file's name, or that of a package."""
    kind: Literal["python", "lock", "package"]
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDiff:
    """What differs between two snapshots."""

    base: CodeVersion | None
    head: CodeVersion
    """Not only a commit: a dirty work tree never passes for its commit."""
    base_problem: str | None = None
    """Why there is nothing to compare with; then metrics are the head's alone and everything else is empty."""
    metrics: tuple[MetricDiff, ...] = ()
    """All metrics of both sides, unchanged ones too, sorted by key."""
    params: tuple[ParamDiff, ...] = ()
    data: tuple[FileDiff, ...] = ()
    outputs: tuple[FileDiff, ...] = ()
    """What stages made, models included."""
    environment: tuple[EnvironmentDiff, ...] = ()
    stages: tuple[StageDiff, ...] = ()
    """Sorted by name; whether they ran is another matter."""
    models: tuple[ModelDiff, ...] = ()
    """Sorted by name. Stages are as they are now on both sides, so they make no difference."""
    registered: tuple[RegisteredModel, ...] = ()
    """All models of the head, also those that do not differ."""
    stale: tuple[str, ...] = ()
    """Stages of the head that have not run since their inputs moved: its metrics describe an older state."""
    problems: tuple[str, ...] = ()
    """What could not be read, each with the side it belongs to: ``base: metrics.json: it is not there``."""
