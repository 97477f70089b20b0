# ruff: noqa: S608 - identifiers and literals are quoted by Dialect.name, .string and .number; nothing else is pasted in
"""Tables in files, opened with DuckDB, the embedded engine.

Reads Parquet, CSV, JSON lines and Arrow streams. What is not columnar is converted to a temporary Parquet file first,
so that one text file is parsed once and not once per column.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from ci_core.errors import UnreadableTableError
from ci_core.monitoring import sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from ci_core.monitoring.spec import ColumnKind

DIALECT = sql.DUCKDB
# Empty text and what data frames write for a missing value.
CSV_NULLS = "['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', 'None']"
_NUMERIC = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Something that can be selected from, on its own connection."""

    connection: Any
    """An open DuckDB connection; its owner closes it."""
    relation: str
    """What stands behind FROM."""
    columns: Mapping[str, str]
    """Column → DuckDB type, in the table's order."""
    path: str
    """Where it comes from, as messages name it."""
    rows: int = 0

    def query(self, statement: str) -> list[Any]:
        """Return all rows of a statement.

        Raises:
            UnreadableTableError: the file is damaged inside.
        """
        try:
            found: list[Any] = self.connection.execute(statement).fetchall()
        except duckdb.Error as error:
            raise UnreadableTableError(table=self.path, reason=first_line(error)) from error
        return found

    def where(self, condition: str) -> Table:
        """Return the rows for which `condition` holds."""
        return self.select("*", where=condition)

    def select(self, columns: str, *, where: str = "TRUE") -> Table:
        """Return what ``SELECT columns FROM … WHERE where`` gives, as a table."""
        relation = f"(SELECT {columns} FROM {self.relation} AS whole WHERE {where})"
        return describe(self.connection, relation, self.path)


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a table for the ``with`` block.

    Args:
        path: a Parquet, CSV (also gzipped), TSV, JSON-lines or Arrow stream file, or a folder of Parquet files.

    Raises:
        UnreadableTableError: it is not there, is cut short, or is of no known kind.
    """
    if not path.exists():
        raise UnreadableTableError(table=str(path), reason="there is no such file")
    with connect() as connection, tempfile.TemporaryDirectory(prefix="graphship-") as scratch:
        try:
            yield describe(connection, _relation(connection, path, Path(scratch)), str(path))
        except duckdb.Error as error:
            raise UnreadableTableError(table=str(path), reason=first_line(error)) from error


@contextmanager
def connect() -> Iterator[Any]:
    """Open an in-memory DuckDB for the ``with`` block; text times without a zone are UTC."""
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def describe(connection: Any, relation: str, path: str) -> Table:
    """Return a relation as a table, its columns and rows looked up.

    Raises:
        UnreadableTableError: a file behind it is damaged.
    """
    table = Table(connection=connection, relation=relation, columns={}, path=path)
    columns = {row[0]: row[1] for row in table.query(f"DESCRIBE SELECT * FROM {relation}")}
    ((rows,),) = table.query(f"SELECT count(*) FROM {relation}")
    return replace(table, columns=MappingProxyType(columns), rows=rows)


def _relation(connection: Any, path: Path, scratch: Path) -> str:
    """Return what to select from; converts to Parquet in `scratch` what is not columnar."""
    if path.is_dir():
        return parquet_relation([str(path / "**" / "*.parquet")])
    kind = "".join(path.suffixes[-2:]).lower().removesuffix(".gz").rpartition(".")[2]
    literal = DIALECT.string(str(path))
    if kind in {"parquet", "pq"}:
        return parquet_relation([str(path)])
    if kind in {"csv", "tsv", "txt"}:
        source = f"read_csv({literal}, header = true, sample_size = -1, nullstr = {CSV_NULLS})"
    elif kind in {"json", "jsonl", "ndjson"}:
        source = f"read_json({literal}, sample_size = -1)"
    elif kind in {"arrow", "arrows", "ipc"}:
        source = _register_stream(connection, path)
    else:
        raise UnreadableTableError(table=str(path), reason=f"`{path.suffix}` is no kind of table known here")
    converted = str(scratch / "table.parquet")
    connection.execute(f"COPY (SELECT * FROM {source}) TO {DIALECT.string(converted)} (FORMAT parquet)")
    return parquet_relation([converted])


def parquet_relation(paths: Sequence[str], *, filename: str | None = None) -> str:
    """Return what to select from for some Parquet files, columns matched by name.

    Args:
        paths: files or glob patterns.
        filename: a column to make of the file that a row comes from.
    """
    extra = f", filename = {DIALECT.string(filename)}" if filename else ""
    return f"read_parquet([{', '.join(DIALECT.string(path) for path in paths)}], union_by_name = true{extra})"


def _register_stream(connection: Any, path: Path) -> str:
    import nanoarrow

    try:
        connection.register("arrow_stream", nanoarrow.ArrayStream.from_path(str(path)))
    except RuntimeError as error:  # what nanoarrow's own error derives from
        raise UnreadableTableError(table=str(path), reason=first_line(error)) from error
    return "arrow_stream"


def first_line(error: Exception) -> str:
    """Return what an error of a library says first; the rest is its own source position."""
    return str(error).strip().partition("\n")[0]


def kind_of(duckdb_type: str) -> ColumnKind | Literal["other"]:
    """Return ``numeric``, ``boolean``, ``category`` or ``other`` for a DuckDB type."""
    if duckdb_type.endswith("[]"):
        return "other"
    bare = duckdb_type.partition("(")[0]
    if bare in _NUMERIC:
        return "numeric"
    if bare == "BOOLEAN":
        return "boolean"
    return "category" if bare in {"VARCHAR", "ENUM"} else "other"


# --- rows for scoring ---------------------------------------------------------------------------------------------


def read_arrays(table: Table, columns: Sequence[str], *, limit: int, offset: int = 0) -> dict[str, np.ndarray]:
    """Return some rows as arrays, in the table's order.

    Returns:
        Column → ``(n_rows,)``: float64 with NaN for the missing, else an object array with None for the missing.
    """
    names = ", ".join(_as_model_input(table, column) for column in columns)
    return _arrays(table, f"SELECT {names} FROM {table.relation} LIMIT {limit} OFFSET {offset}")


def sample_arrays(table: Table, columns: Sequence[str], *, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Return a random sample of rows as :func:`read_arrays` does; all rows when there are fewer."""
    names = ", ".join(_as_model_input(table, column) for column in columns)
    table.query("SET threads = 1")  # the sample then depends on the seed and the order of rows only
    sampled = f"SELECT * FROM {table.relation} USING SAMPLE reservoir({rows} ROWS) REPEATABLE ({seed})"
    found = _arrays(table, f"SELECT {names} FROM ({sampled})")
    table.query("RESET threads")
    return found


def _as_model_input(table: Table, column: str) -> str:
    name = DIALECT.name(column)
    return f"CAST({name} AS DOUBLE) AS {name}" if kind_of(table.columns[column]) == "numeric" else name


def _arrays(table: Table, statement: str) -> dict[str, np.ndarray]:
    import numpy as np

    try:
        found = table.connection.execute(statement).fetchnumpy()
    except duckdb.Error as error:
        raise UnreadableTableError(table=table.path, reason=first_line(error)) from error
    arrays: dict[str, np.ndarray] = {}
    for name, values in found.items():
        if values.dtype.kind == "f":
            arrays[name] = np.ma.filled(np.ma.asarray(values), np.nan)
        else:
            filled = np.array(np.ma.getdata(values), dtype=object)
            filled[np.ma.getmaskarray(np.ma.asarray(values))] = None
            arrays[name] = filled
    return arrays
