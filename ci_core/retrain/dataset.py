"""Make the new data version: the old table, and the labelled rows of some windows of live traffic.

DuckDB does the work on files, so memory does not grow with the tables. The new table has exactly the old one's columns,
types and order; old rows keep their place and new ones follow by time, so that equal input gives an equal file.

Captured rows carry ``_event_id``, ``_event_time``, ``_model`` and the columns as the model received them; the outcome
comes from the labels. A row counts as known already when the old table holds its event id, or, in a table without
event ids, when it holds an equal row.
"""
# ruff: noqa: S608 - names and strings are quoted below (`_name`, `_text`); views and COPY take no parameters

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ci_core.errors import TableMismatchError, UnreadableTableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ci_core.monitoring.spec import Window

_EVENT_ID, _EVENT_TIME, _MODEL = "_event_id", "_event_time", "_model"
_FLOATS = ("FLOAT", "DOUBLE")
_TIMES = ("TIMESTAMP", "DATE")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRows:
    """Where labelled rows of live traffic come from, and how they become rows of the project's table."""

    table: Path
    """The project's table today: its columns are the ones to fill."""
    captures: tuple[Path, ...]
    """Parquet files of captured model calls."""
    labels: Path
    """Parquet file with one row per event whose outcome is known."""
    label_key: str = "event_id"
    """Column of `labels` that holds the event id; a column of this name in `table` gets it too."""
    target: str
    """Column of `labels` and of `table` that the model predicts."""
    time_column: str
    """Column of `table` that gets the event's own time."""
    model: str | None = None
    """Take the rows of this model only; needed when a graph calls several models for one event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCounts:
    """How a table came to be, in rows."""

    old: int
    """Rows of the old table."""
    captured: int
    """Events in the windows."""
    unlabelled: int
    """Of these, left out because their outcome is not known, or told differently by two labels."""
    duplicates: int
    """Of the labelled ones, left out because the table has them already."""
    added: int
    """Rows that are new."""
    dropped: int
    """Oldest rows that a sliding table lost."""
    rows: int
    """Rows of the new table."""


def extend_table(
    source: LiveRows, windows: Sequence[Window], out: Path, *, mode: Literal["append", "sliding"] = "append"
) -> DatasetCounts:
    """Write the project's table with the rows of `windows` to `out`.

    Args:
        source: tables to read; `out` may be the old table itself.
        windows: half-open intervals of the events' own time.
        out: Parquet file; replaced whole or not at all.
        mode: ``append`` keeps all rows; ``sliding`` drops the oldest by time, so that there are as many as before.

    Raises:
        TableMismatchError: a table lacks a column, or a captured value does not fit the old column's type.
        UnreadableTableError: a file is not there or is no Parquet file.
    """
    with _opened(source, windows) as work:
        old, added = work.count("old_rows"), work.count("new_rows")
        dropped = min(added, old) if mode == "sliding" else 0
        work.write_all(out, dropped)
        return work.counts(old=old, added=added, dropped=dropped)


def select_windows(source: LiveRows, windows: Sequence[Window], out: Path) -> DatasetCounts:
    """Write only the labelled rows of `windows` to `out`, in the shape of the project's table.

    This is what champion and challenger are judged on: rows that the table does not have yet.

    Raises:
        TableMismatchError: as :func:`extend_table`.
        UnreadableTableError: as :func:`extend_table`.
    """
    with _opened(source, windows) as work:
        added = work.count("new_rows")
        work.copy("SELECT * EXCLUDE (_ship_order) FROM new_rows ORDER BY _ship_order", out)
        return work.counts(old=0, added=added, dropped=0)


@contextmanager
def _opened(source: LiveRows, windows: Sequence[Window]) -> Iterator[_Work]:
    import duckdb

    connection = duckdb.connect()
    try:
        # One thread: the order of rows, and with it the file's bytes, depends on the data alone.
        connection.execute("SET threads = 1")
        connection.execute("SET TimeZone = 'UTC'")
        work = _Work(connection, source)
        work.prepare(windows)
        yield work
    finally:
        connection.close()


class _Work:
    """The steps of one build, each a temporary table or view on its own connection."""

    def __init__(self, connection: Any, source: LiveRows) -> None:
        self._connection, self._source = connection, source
        self._old = self._columns([source.table])
        self._captured = self._columns(source.captures)

    def prepare(self, windows: Sequence[Window]) -> None:
        """Make ``old_rows``, ``events`` (of the windows), ``labelled`` and ``new_rows``."""
        source = self._source
        self._check()
        self._run(f"CREATE VIEW old_rows AS SELECT * FROM {_files([source.table])}")
        columns = "".join(f", {_name(column)}" for column in self._input_columns())
        # An event that was captured twice (a client tried again) is one event.
        self._run(
            f"CREATE TEMP TABLE events AS SELECT DISTINCT ON ({_EVENT_ID}) {_EVENT_ID}, {_EVENT_TIME}{columns} "
            f"FROM {_files(source.captures)} WHERE ({_inside(windows)}){self._of_model()} ORDER BY ALL"
        )
        self._run(f"CREATE TEMP TABLE outcomes AS {self._outcomes()}")
        self._run(f"CREATE TEMP TABLE labelled AS {self._labelled()}")
        self._run(f"CREATE TEMP TABLE new_rows AS {self._new_rows()}")

    def count(self, table: str) -> int:
        """Return the number of rows."""
        return int(self._run(f"SELECT count(*) FROM {table}")[0][0])

    def counts(self, *, old: int, added: int, dropped: int) -> DatasetCounts:
        """Put the figures together."""
        captured, labelled = self.count("events"), self.count("labelled")
        return DatasetCounts(
            old=old,
            captured=captured,
            unlabelled=captured - labelled,
            duplicates=labelled - added,
            added=added,
            dropped=dropped,
            rows=old + added - dropped,
        )

    def write_all(self, out: Path, dropped: int) -> None:
        """Write old and new rows, without the `dropped` oldest."""
        time = _name(self._source.time_column)
        whole = (
            "SELECT *, 0 AS _ship_part, row_number() OVER () AS _ship_place FROM old_rows "
            "UNION ALL BY NAME SELECT * RENAME (_ship_order AS _ship_place), 1 AS _ship_part FROM new_rows"
        )
        if dropped:
            age = f"row_number() OVER (ORDER BY {time} NULLS FIRST, _ship_part, _ship_place)"
            aged = f"SELECT *, {age} AS _ship_age FROM ({whole})"
            whole = f"SELECT * EXCLUDE (_ship_age) FROM ({aged}) WHERE _ship_age > {dropped}"
        self.copy(f"SELECT * EXCLUDE (_ship_part, _ship_place) FROM ({whole}) ORDER BY _ship_part, _ship_place", out)

    def copy(self, query: str, out: Path) -> None:
        """Write the rows of `query` to a Parquet file, whole or not at all."""
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
            temporary = Path(scratch) / "table.parquet"
            self._run(f"COPY ({query}) TO {_text(str(temporary))} (FORMAT parquet, COMPRESSION zstd)")
            temporary.replace(out)

    def _outcomes(self) -> str:
        """Select one outcome an event; two labels that differ are as good as none."""
        key, target = _name(self._source.label_key), _name(self._source.target)
        return (
            f"SELECT CAST({key} AS VARCHAR) AS outcome_key, any_value({target}) AS outcome "
            f"FROM {_files([self._source.labels])} GROUP BY 1 HAVING count(DISTINCT {target}) = 1"
        )

    def _labelled(self) -> str:
        """Select the events with an outcome, in the old table's columns and types."""
        source = self._source
        values = {column: self._value(column) for column in self._input_columns()}
        values[source.target] = "outcome"
        # The time is UTC in the captures; a column without zone means UTC too.
        values[source.time_column] = _EVENT_TIME
        if source.label_key in self._old:
            values[source.label_key] = _EVENT_ID
        fields = ", ".join(f"CAST({values[name]} AS {kind}) AS {_name(name)}" for name, kind in self._old.items())
        return (
            f"SELECT {fields}, {_EVENT_ID} AS _ship_id, {_EVENT_TIME} AS _ship_time FROM events "
            f"JOIN outcomes ON outcome_key = CAST({_EVENT_ID} AS VARCHAR)"
        )

    def _new_rows(self) -> str:
        """Select the labelled rows that the old table does not have."""
        key = self._source.label_key
        names = [key] if key in self._old else list(self._old)
        equal = " AND ".join(f"old_rows.{_name(name)} IS NOT DISTINCT FROM labelled.{_name(name)}" for name in names)
        return (
            "SELECT * EXCLUDE (_ship_id, _ship_time), row_number() OVER (ORDER BY _ship_time, _ship_id) AS _ship_order "
            f"FROM labelled WHERE NOT EXISTS (SELECT 1 FROM old_rows WHERE {equal})"
        )

    def _input_columns(self) -> list[str]:
        """Return the old table's columns that must come from the captures."""
        source = self._source
        given = {source.target, source.time_column, source.label_key}
        return [column for column in self._old if column not in given]

    def _value(self, column: str) -> str:
        """Return how a captured column is read: its missing values are written as the old table writes them."""
        name = _name(column)
        if self._captured[column] not in _FLOATS:
            return name
        if self._old[column] in _FLOATS:
            has_nan = self._run(f"SELECT coalesce(bool_or(isnan({name})), false) FROM old_rows")[0][0]
            if has_nan:
                return name
        return f"nullif({name}, 'NaN')"

    def _of_model(self) -> str:
        if self._source.model is None or _MODEL not in self._captured:
            return ""
        return f" AND {_MODEL} = {_text(self._source.model)}"

    def _check(self) -> None:
        """Say at once what each table lacks."""
        source = self._source
        wanted = {
            str(source.table): (self._old, [source.target, source.time_column]),
            str(source.labels): (self._columns([source.labels]), [source.label_key, source.target]),
            "captured model calls": (self._captured, [_EVENT_ID, _EVENT_TIME, *self._input_columns()]),
        }
        for table, (columns, needed) in wanted.items():
            missing = [column for column in needed if column not in columns]
            if missing:
                raise TableMismatchError(
                    table=table,
                    problems=[f"there is no column `{column}`" for column in missing],
                    known_columns=list(columns),
                )
        kind = self._old[source.time_column]
        if not kind.startswith(_TIMES):
            raise TableMismatchError(
                table=str(source.table),
                problems=[f"the time column `{source.time_column}` holds {kind} and not a time"],
            )

    def _columns(self, paths: Sequence[Path]) -> dict[str, str]:
        """Return column → type of some files together.

        Raises:
            UnreadableTableError: one of them cannot be read; it is named.
        """
        import duckdb

        if not paths:
            raise UnreadableTableError(table="captured model calls", reason="there is no file of them")
        columns: dict[str, str] = {}
        for path in paths:
            if not path.is_file():
                raise UnreadableTableError(table=str(path), reason="there is no such file")
            try:
                found = self._connection.execute(f"DESCRIBE SELECT * FROM {_files([path])}").fetchall()
            except duckdb.Error as error:
                raise UnreadableTableError(table=str(path), reason=_first_line(error)) from error
            for name, kind, *_ in found:
                columns.setdefault(name, kind)
        return columns

    def _run(self, statement: str) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            found: list[tuple[Any, ...]] = self._connection.execute(statement).fetchall()
        except duckdb.ConversionException as error:
            raise TableMismatchError(
                table="captured model calls", problems=[f"a value does not fit the old table: {_first_line(error)}"]
            ) from error
        except (duckdb.InvalidInputException, duckdb.IOException) as error:
            raise UnreadableTableError(table=str(self._source.table), reason=_first_line(error)) from error
        return found


def _inside(windows: Sequence[Window]) -> str:
    """Return the condition that an event lies in one of the windows."""
    spans = [f"({_EVENT_TIME} >= {_moment(w.start)} AND {_EVENT_TIME} < {_moment(w.end)})" for w in windows]
    return " OR ".join(spans) or "false"


def _moment(time: datetime) -> str:
    return f"TIMESTAMPTZ {_text(time.isoformat())}"


def _files(paths: Sequence[Path]) -> str:
    """Return what to select from; columns of several files are matched by name."""
    names = ", ".join(_text(_without_patterns(str(path))) for path in paths)
    return f"read_parquet([{names}], union_by_name = true)"


def _without_patterns(path: str) -> str:
    """Return `path` such that DuckDB takes its ``*``, ``?`` and ``[`` for themselves."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)


def _name(column: str) -> str:
    """Return a column's name as SQL."""
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    """Return a string as SQL."""
    return "'" + value.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
