"""The data of a report: files that differ, and what differs inside of tables (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import BulletList, Column, Mark, Paragraph, Section, Strong, code
from ci_core.reports.prose import prose
from ci_core.reports.rows import CHANGE, DIFFERENCE, RIGHT_PAIR, change_mark, codes, count_changes, name_cell, table
from ci_core.reports.text import ABSENT, number, percent, plural, shorten, signed_count, signed_size, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.build import Extent
    from ci_core.reports.document import Block, Inline, Line
    from ci_core.reports.report import ColumnRow, DataRow, Report, TableContent

_NO_BREAK = "\N{NO-BREAK SPACE}"
_MOST_EXAMPLES = 5
_MOST_FOLDERS = 50
_MOST_TABLES = 20
_MOST_TOLD = 5
_MOST_NOTES = 10
_MISSING_MOVED = 0.01
"""Share of the rows: a column that has this much more or less missing is listed."""
_FILES = (CHANGE, Column(title="file"), *RIGHT_PAIR, DIFFERENCE)
_COLUMNS = (
    Column(title="column"),
    Column(title="what"),
    Column(title="type"),
    Column(title="missing", align="right"),
    Column(title="distance", align="right"),
    Column(title="shift in sd", align="right"),
    Column(title="note"),
)


def data_section(report: Report, extent: Extent) -> Section | None:
    """Return files that differ and, below them, one table of columns for each table that was looked into."""
    if not report.data and not report.tables:
        return None
    tables = {content.path: content for content in report.tables}
    rows = [_file(_with_rows(row, tables.get(row.path))) for row in report.data[: extent.rows]]
    blocks: list[Block] = [table(_FILES, rows, len(report.data))] if rows else []
    inside = [_inside(row) for row in report.data[: extent.rows] if row.detail or row.examples]
    if len(inside) > _MOST_FOLDERS:
        inside[_MOST_FOLDERS:] = [(f"… and {plural(len(inside) - _MOST_FOLDERS, 'folder')} more",)]
    if inside:
        blocks.append(BulletList(items=tuple(inside)))
    for content in report.tables[:_MOST_TABLES]:
        blocks += _table(content, extent)
    blocks += _also([content for content in report.tables[:_MOST_TABLES] if content.problem is None])
    hidden = len(report.tables) - _MOST_TABLES
    if hidden > 0:
        blocks.append(Paragraph(line=(f"… and {plural(hidden, 'table')} more in the data of this report",)))
    return Section(slug="data", title="Data", hint=_hint(report), blocks=tuple(blocks), folded=True)


def _hint(report: Report) -> str:
    drifted = sum(bool(_drifted(content)) for content in report.tables)
    files = count_changes(row.change for row in report.data) or "unchanged"
    return f"{files} · {plural(drifted, 'table')} drifted" if drifted else files


def _with_rows(row: DataRow, content: TableContent | None) -> DataRow:
    """Return a file with the rows that were counted when its content was compared."""
    if content is None or row.old_rows is not None or row.new_rows is not None:
        return row
    return row.model_copy(update={"old_rows": content.old_rows, "new_rows": content.new_rows})


def _file(row: DataRow) -> tuple[Line, ...]:
    return (
        (change_mark(row.change),),
        name_cell(row.path, row.old_path),
        (_extent(row.old_rows, row.old_bytes),),
        (_extent(row.new_rows, row.new_bytes),),
        _growth(row),
    )


def _extent(rows: int | None, size_bytes: int | None) -> str:
    parts = ([plural(rows, "row")] if rows is not None else []) + ([size(size_bytes)] if size_bytes is not None else [])
    return ", ".join(part.replace(" ", _NO_BREAK) for part in parts) or ABSENT


def _growth(row: DataRow) -> Line:
    parts = []
    if row.old_rows is not None and row.new_rows is not None and row.old_rows != row.new_rows:
        parts.append(f"{signed_count(row.new_rows - row.old_rows)} rows")
    if row.old_bytes is not None and row.new_bytes is not None and row.old_bytes != row.new_bytes:
        parts.append(signed_size(row.new_bytes - row.old_bytes))
    return (", ".join(part.replace(" ", _NO_BREAK) for part in parts),) if parts else ()


def _inside(row: DataRow) -> Line:
    """Return what differs in a folder: below the table, where there is room for it."""
    examples = codes(row.examples, _MOST_EXAMPLES)
    shown: Line = (" (", *examples, ")") if examples and row.detail else examples
    return (code(row.path), ": ", *prose(row.detail, 200), *shown)


def _table(content: TableContent, extent: Extent) -> list[Block]:
    name = code(content.path)
    if content.problem is not None:
        why = prose(content.problem, 400)
        return [Paragraph(line=(name, ": the content was not compared: ", *why), tone="warn")]
    notable = sorted(filter(is_notable, content.columns), key=_worst_first)
    line: Line = (
        name,
        ": ",
        *_rows_line(content),
        *_columns_line(content, unchanged=len(content.columns) - len(notable)),
    )
    blocks: list[Block] = [Paragraph(line=line)]
    if notable:
        blocks.append(table(_COLUMNS, [_column(column) for column in notable[: extent.rows]], len(notable)))
    return blocks


def is_notable(column: ColumnRow) -> bool:
    """Return whether a column is listed: its type changed, it drifted, or something else is to be said of it."""
    missing = abs((column.new_missing or 0.0) - (column.old_missing or 0.0))
    is_unjudged_and_moved = column.has_drifted is None and bool(column.distance)
    has_news = bool(column.note) and (column.has_drifted is not None or column.distance is not None)
    is_odd = missing >= _MISSING_MOVED or has_news or is_unjudged_and_moved
    return column.change != "same" or bool(column.has_drifted) or is_odd


def _also(tables: Sequence[TableContent]) -> list[Block]:
    """Return what is to be said of columns whose values have no distance, such as identifiers and dates.

    The same is said once, of all columns that it holds for.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for content in tables:
        for column in content.columns:
            if column.note and column.distance is None and not is_notable(column):
                found.setdefault((column.note, column.name), []).append(content.path)
    names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (note, name), paths in found.items():
        names.setdefault((note, tuple(paths)), []).append(name)
    items: list[Line] = []
    for (note, places), columns in names.items():
        where: Line = (" in ", *codes(places, _MOST_TOLD)) if len(tables) > 1 else ()
        items.append((*codes(columns, _MOST_TOLD), *where, ": ", *prose(note, 200)))
    hidden = len(items) - _MOST_NOTES
    if hidden > 0:
        items[_MOST_NOTES:] = [(f"… and {plural(hidden, 'more remark')} in the data of this report",)]
    return [Paragraph(line=("Columns without a distance:",)), BulletList(items=tuple(items))] if items else []


def _worst_first(column: ColumnRow) -> tuple[int, float, float]:
    """Return the place in the table: schema, then drift, then the rest; the farthest first."""
    rank = 0 if column.change != "same" else 1 if column.has_drifted else 2
    return rank, -(column.distance or 0.0), -(column.shift or 0.0)


def _drifted(content: TableContent) -> int:
    return sum(bool(column.has_drifted) for column in content.columns)


def _rows_line(content: TableContent) -> Line:
    old, new = content.old_rows, content.new_rows
    if old is None or new is None:
        return () if new is None else (f"{plural(new, 'row')}; ",)
    if old == new:
        return (f"{plural(new, 'row')} as before; ",)
    return (f"{number(old)} → ", Strong(number(new)), f" rows ({signed_count(new - old)}); ")


def _columns_line(content: TableContent, *, unchanged: int) -> Line:
    schema = count_changes(column.change for column in content.columns)
    drifted = _drifted(content)
    parts = [f"columns: {schema}" if schema else "schema as before"]
    if drifted:
        judged = sum(column.has_drifted is not None for column in content.columns)
        parts.append(f"{number(drifted)} of {plural(judged, 'judged column')} drifted")
    if unchanged:
        parts.append(f"{plural(unchanged, 'column')} without a notable difference")
    if content.note:
        parts.append(shorten(content.note, 200))
    return ("; ".join(parts) + ".",)


def _column(column: ColumnRow) -> tuple[Line, ...]:
    return (
        (code(column.name),),
        _what(column),
        _type(column),
        _missing(column),
        (f"{column.distance:.3f}",) if column.distance is not None else (),
        (f"{column.shift:.2f}",) if column.shift is not None else (),
        prose(column.note, 300),
    )


def _what(column: ColumnRow) -> Line:
    """Return the kind of change and whether the values drifted."""
    drift: tuple[Inline, ...] = (Mark(tone="bad", text="drifted", is_state=False),) if column.has_drifted else ()
    if column.change == "same":
        return drift
    change = Mark(tone="warn", text="type changed", is_state=False)
    schema = change if column.change == "changed" else change_mark(column.change)
    return (schema, " ", *drift) if drift else (schema,)


def _type(column: ColumnRow) -> Line:
    names = [name for name in dict.fromkeys((column.old_type, column.new_type)) if name is not None]
    if not names:
        return ()
    return name_cell(names[-1], names[0] if len(names) > 1 else None)


def _missing(column: ColumnRow) -> Line:
    old, new = (None if share is None else percent(share) for share in (column.old_missing, column.new_missing))
    if old is None and new is None:
        return ()
    return (new or ABSENT,) if old == new else (f"{old or ABSENT} → {new or ABSENT}",)
