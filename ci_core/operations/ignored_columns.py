"""Which columns of the reference are not compared: ``monitor.ignore``, which a change may not choose for itself.

A gate on drift judges what is compared, so the base's list decides, as its gates do; head's does where the base has no
``graphship.yaml`` that can be read. Where the two differ, the notes of the columns say so.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ci_core.config.reader import settings_from_bytes
from ci_core.config.settings import CONFIG_FILE
from ci_core.errors import GraphshipError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.config.settings import MonitorSettings
    from ci_core.monitoring.table_diff import ColumnDiff, TableDiff
    from ci_core.operations.project import Project
    from ci_core.types import CommitId

Columns = Mapping[str, frozenset[str]]
"""Path of a table, relative to the project → columns."""
_NONE: Final[Columns] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredColumns:
    """The columns that are not compared, and those that head alone would leave out."""

    decided: Columns
    head: Columns
    """What head's own list names."""

    def noted(self, tables: Iterable[TableDiff]) -> tuple[TableDiff, ...]:
        """Return the tables with a note at each column of which head's list says otherwise."""
        return tuple(
            replace(table, columns=tuple(self._noted(table.path, column) for column in table.columns))
            for table in tables
        )

    def _noted(self, path: str, column: ColumnDiff) -> ColumnDiff:
        is_ignored, by_head = (column.name in names.get(path, ()) for names in (self.decided, self.head))
        if is_ignored == by_head or column.change in {"added", "removed"}:
            return column
        note = (
            "the base's `monitor.ignore` names it, head's does not"
            if is_ignored
            else "compared: head's `monitor.ignore` names it, the base's does not"
        )
        return replace(column, note="; ".join(filter(None, (column.note, note))))


def ignored_columns(project: Project, base: CommitId, head: CommitId | None) -> IgnoredColumns:
    """Return which columns a comparison leaves out.

    Args:
        project: the project.
        base: the older commit.
        head: the newer one; None: the work tree.
    """
    if head is None:
        own: Columns | None = _columns(project.settings.monitor)
    else:
        own = _at(project, head)
    decided = _at(project, base)
    return IgnoredColumns(decided=(own or _NONE) if decided is None else decided, head=own or _NONE)


def _at(project: Project, commit: CommitId) -> Columns | None:
    """Return the columns that a commit ignores; None when it has no settings that can be read."""
    data = project.git.read_file(commit, CONFIG_FILE)
    if data is None:
        return None
    try:
        return _columns(settings_from_bytes(data, root=project.root, env={}, check_files=False).monitor)
    except GraphshipError:
        return None


def _columns(monitor: MonitorSettings | None) -> Columns:
    return _NONE if monitor is None else {posixpath.normpath(monitor.reference): frozenset(monitor.ignore)}
