"""Open a version of a table in DuckDB and learn what costs next to nothing: columns, rows, missing values.

The engine may read the table's files and a scratch folder only, loads no extension and speaks to no network, whatever a
table contains. Used by ``table_content.py``.
"""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import duckdb

from ci_core.monitoring import table_sql
from ci_core.monitoring.duckdb import first_line, kind_of
from ci_core.monitoring.table_rules import ColumnContent, TableContent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ci_core.monitoring.table_files import TableFiles

MEMORY = "300MB"
"""What the engine may hold; a GROUP BY that needs more goes to the scratch folder. The process needs some more."""
MOST_THREADS = 4
"""Each reads a row group of its own, so more would need more memory."""
BATCH_COLUMNS = 200
"""Columns that are read by one statement."""


class UnreadableVersionError(Exception):
    """A version cannot be read; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVersion:
    """One version of the table, open."""

    connection: Any
    files: TableFiles
    scratch: Path
    side: str
    relation: str
    types: Mapping[str, str]
    content: TableContent

    def query(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return all rows of a statement.

        Raises:
            UnreadableVersionError: the file is damaged inside.
        """
        try:
            found: list[Any] = self.connection.execute(statement, list(parameters)).fetchall()
        except duckdb.Error as error:
            raise self.unreadable(error) from error
        return found

    def unreadable(self, error: duckdb.Error) -> UnreadableVersionError:
        """Return what to raise for an error of the engine."""
        return UnreadableVersionError(f"{self.side}: {self.files.reason(error, self.scratch)}")


@contextmanager
def open_engine(scratch: Path, sides: Sequence[TableFiles]) -> Iterator[Any]:
    """Open a DuckDB that reaches nothing but the files of the table and the scratch folder."""
    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "threads": min(MOST_THREADS, os.cpu_count() or 1),
            "temp_directory": str(scratch / "spill"),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET parquet_metadata_cache = true")
        connection.execute("SET allowed_directories = ?", [[f"{scratch}/"]])
        connection.execute("SET allowed_paths = ?", [[str(path) for side in sides for _, path in side.files]])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def open_version(connection: Any, files: TableFiles, scratch: Path, side: str) -> OpenVersion:
    """Open one version and learn what costs next to nothing: columns, rows, missing values, spans of time."""
    version = OpenVersion(
        connection=connection, files=files, scratch=scratch, side=side, relation="", types={},
        content=TableContent(format=files.kind, rows=0, columns={}),
    )  # fmt: skip
    try:
        relation = files.relation(connection, scratch)
    except (OSError, EOFError, UnicodeError) as error:  # while looking at how a text file is written
        raise UnreadableVersionError(f"{side}: {first_line(error)}") from error
    except duckdb.Error as error:
        raise version.unreadable(error) from error
    types = {row[0]: row[1] for row in version.query(table_sql.described(relation))}
    if "" in types:  # not in DuckDB 2, which calls it by its place
        raise UnreadableVersionError(f"{side}: a column has no name")
    version = replace(version, relation=relation, types=MappingProxyType(types))
    rows, columns = 0, {}
    for names in batches(types, BATCH_COLUMNS):
        statement = table_sql.column_facts(relation, {name: types[name] for name in names})
        (found,) = version.query(statement)
        rows, facts = found[0], iter(found[1:])
        for name, missing, low, high in zip(names, facts, facts, facts, strict=True):
            columns[name] = ColumnContent(
                type=types[name],
                kind=kind_of(types[name]),
                missing=missing,
                span=(low, high) if table_sql.is_instant(types[name]) and low is not None else None,
                bounds=(int(low), int(high)) if table_sql.is_whole(types[name]) and low is not None else None,
            )
    return replace(version, content=TableContent(format=files.kind, rows=rows, columns=MappingProxyType(columns)))


def batches(names: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield names, some at a time."""
    remaining = iter(names)
    while batch := tuple(itertools.islice(remaining, max(size, 1))):
        yield batch
