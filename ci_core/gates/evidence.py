"""All that gates are judged on, as data (pure). Collected by ``operations/judging.py``.

What could not be had says why: a gate that was not judged warns, and is never taken for one that passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.behaviour.spec import Behaviour
    from ci_core.monitoring.table_diff import TableDiff
    from ci_core.versioning.difference import SnapshotDiff


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """Values of the single folds of one metric, on both sides."""

    old: tuple[float, ...] = ()
    new: tuple[float, ...] = ()
    problem: str | None = None
    """Why there is no interval: ``the base has no list of numbers at `metrics.json:cv.auc```."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostObject:
    """Something that DVC keeps and its remote does not have."""

    path: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingObjects:
    """What the DVC remote lacks."""

    lost: tuple[LostObject, ...] = ()
    problem: str | None = None
    """Why the remote was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """One model file that the serving graph loads."""

    path: str
    old_bytes: int | None = None
    """None when the base has no such file."""
    new_bytes: int | None = None
    """None when the size could not be had."""
    old_problem: str | None = None
    """Why nobody knows whether the base has such a file, or how large it is: ``it is not in the cache, …``."""
    new_problem: str | None = None
    """Why the size could not be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleFinding:
    """What one pickled file would run when it is loaded."""

    path: str
    names: tuple[str, ...]
    """``os.system``, as the file names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleScan:
    """What was found in pickled files."""

    scanned: tuple[str, ...] = ()
    findings: tuple[PickleFinding, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    """Path and reason of files that are here and were not followed to their end: nobody can vouch for them."""
    missing: tuple[tuple[str, str], ...] = ()
    """Path and reason of files that are not here: ``it is neither in the work tree nor in the cache``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFinding:
    """One added line that looks like a secret; the secret itself is not kept."""

    path: str
    line: int
    """1-based, in the head's file."""
    kind: str
    """``a GitHub token``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretScan:
    """What was found in the lines that the change adds."""

    findings: tuple[SecretFinding, ...] = ()
    unread: tuple[str, ...] = ()
    """Files that were not looked through, as the change is too large."""
    problem: str | None = None
    """Why nothing was looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that one change is judged on."""

    diff: SnapshotDiff
    tables: tuple[TableDiff, ...] = ()
    results: frozenset[str] = frozenset()
    """Files that DVC declares as metrics or plots: they may be tables, and are no data."""
    behaviour: Behaviour | None = None
    """None when the project has no serving graph or no requests for it."""
    folds: Mapping[str, Folds] = field(default_factory=lambda: MappingProxyType({}))
    """By the metric that holds them."""
    missing: MissingObjects = field(default_factory=MissingObjects)
    models: tuple[ModelSize, ...] | None = None
    """None when there is no serving graph, or none that could be loaded."""
    pickles: PickleScan = field(default_factory=PickleScan)
    secrets: SecretScan = field(default_factory=SecretScan)
