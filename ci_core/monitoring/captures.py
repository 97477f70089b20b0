# ruff: noqa: S608 - identifiers and literals are quoted by Dialect.name, .string and .number; nothing else is pasted in
"""From the segments that serving processes write to one Parquet file a day, each event once.

Layout of a captures folder::

    20261122/4711-3.arrow          segments by day of arrival, Arrow IPC streams, published by rename
    compacted/2013-06-15.parquet   all calls of one day of the events' own time (UTC), written by this file
    set-aside/20261122-4711-4.arrow  a segment that cannot be read (cut short by a full disk, say)

Compaction is safe to stop at any point: a day's file is replaced by rename, segments are removed only after that, and a
segment that is met again changes nothing, since an event (``_event_id`` and ``_model``) is kept once, the first time.
"""

from __future__ import annotations

import logging
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.monitoring.duckdb import DIALECT, Table, connect, describe, first_line, parquet_relation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_log = logging.getLogger(__name__)

COMPACTED, SET_ASIDE = "compacted", "set-aside"
EVENT_ID, EVENT_TIME, RELEASE, MODEL = "_event_id", "_event_time", "_release", "_model"
ROLE = "_role"
_REQUIRED = (EVENT_ID, EVENT_TIME, RELEASE, MODEL)
_CONSTANTS = (RELEASE, MODEL, ROLE)
_ARRIVAL_DAY = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What one compaction did."""

    segments: int
    """Segments that were taken in and removed."""
    set_aside: tuple[str, ...] = ()
    """``20261122/4711-4.arrow: reason`` of the segments that could not be read."""


@contextmanager
def open_captures(captures: Path) -> Iterator[Table | None]:
    """Open the compacted captures as one table for the ``with`` block; None when there are none.

    One row stands for one row of one event: what members of ensembles and shadows said (``_role``) is kept, and left
    out here, else an ensemble of three would make of every event four.

    Raises:
        UnreadableTableError: a compacted file is damaged.
    """
    files = sorted(str(path) for path in (captures / COMPACTED).glob("[!.]*.parquet"))
    with connect() as connection:
        yield _answers(describe(connection, parquet_relation(files), str(captures / COMPACTED))) if files else None


def _answers(table: Table) -> Table:
    if ROLE not in table.columns:
        return table
    relation = f"(SELECT * EXCLUDE ({ROLE}) FROM {table.relation} WHERE {ROLE} IS NULL)"
    return describe(table.connection, relation, table.path)


def compact(captures: Path) -> Compaction:
    """Take all published segments into the days' Parquet files.

    Args:
        captures: the folder; one that does not exist has no segments.

    Returns:
        How many segments were taken, and which could not be read. Those are moved to ``set-aside``.

    Raises:
        UnreadableTableError: a compacted file is damaged; the segments are left where they are.
    """
    segments = _segments(captures)
    if not segments:
        return Compaction(segments=0)
    from filelock import FileLock

    (captures / COMPACTED).mkdir(exist_ok=True)
    # Two runs at once would each write a day without the other's segments.
    with FileLock(captures / COMPACTED / ".lock"):
        return _compact(captures, _segments(captures))


def _segments(captures: Path) -> list[Path]:
    """Return the published segments in the order of their arrival."""
    found = [path for path in captures.glob("*/[!.]*.arrow") if _ARRIVAL_DAY.fullmatch(path.parent.name)]
    return sorted(found, key=lambda path: (path.parent.name, path.stat().st_mtime_ns, path.name))


def _compact(captures: Path, segments: Sequence[Path]) -> Compaction:
    taken: list[Path] = []
    refused: list[str] = []
    with connect() as connection, tempfile.TemporaryDirectory(prefix="graphship-") as scratch:
        for index, segment in enumerate(segments):
            try:
                # The number in the name keeps the order of arrival, which decides between two rows of one event.
                _convert(connection, segment, Path(scratch) / f"{index:09}.parquet")
                taken.append(segment)
            except _UnusableSegmentError as error:
                refused.append(f"{segment.parent.name}/{segment.name}: {error}")
                _set_aside(captures, segment)
        if taken:
            _write_days(connection, captures, sorted(str(path) for path in Path(scratch).glob("*.parquet")))
    for segment in taken:
        segment.unlink(missing_ok=True)
    for line in refused:
        _log.warning("capture segment set aside segment=%s", line)
    return Compaction(segments=len(taken), set_aside=tuple(refused))


class _UnusableSegmentError(Exception):
    """A segment cannot be read; the text says why."""


def _convert(connection: Any, segment: Path, to: Path) -> None:
    """Write a segment as Parquet; reading it whole also proves that it is whole."""
    import duckdb
    import nanoarrow

    try:
        stream = nanoarrow.ArrayStream.from_path(str(segment))
        constants = _constants(stream.schema.metadata or {})
        names = {*constants, *(field.name for field in stream.schema.fields)}
        if lacking := [name for name in _REQUIRED if name not in names]:
            msg = f"has no column {', '.join(lacking)}"
            raise _UnusableSegmentError(msg)
        connection.register("segment", stream)
        # A text column that is missing throughout arrives as NaN, which would turn into the text `nan` beside others.
        columns = [
            f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END AS {name}" if is_double else name
            for name, is_double in _doubles(connection)
        ]
        columns += [f"{value} AS {DIALECT.name(name)}" for name, value in constants.items()]
        target = DIALECT.string(str(to))
        connection.execute(f"COPY (SELECT {', '.join(columns)} FROM segment) TO {target} (FORMAT parquet)")
    except (duckdb.Error, RuntimeError, ValueError, OSError) as error:  # nanoarrow's own error is a RuntimeError
        to.unlink(missing_ok=True)
        raise _UnusableSegmentError(first_line(error)) from error


def _constants(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return what the metadata of a segment's schema say of all its rows, as SQL; see ``serving/segments.py``."""
    known = {name.decode(): DIALECT.string(value.decode()) for name, value in metadata.items()}
    constants = {name: known[name] for name in _CONSTANTS if name in known}
    # a server that serves no release names none
    return {RELEASE: "CAST(NULL AS VARCHAR)", **constants} if MODEL in constants else {}


def _doubles(connection: Any) -> list[tuple[str, bool]]:
    """Return the quoted names of the registered segment's columns, and whether each holds floats."""
    relation = connection.table("segment")
    return [
        (DIALECT.name(name), str(kind) == "DOUBLE") for name, kind in zip(relation.columns, relation.types, strict=True)
    ]


def _set_aside(captures: Path, segment: Path) -> None:
    folder = captures / SET_ASIDE
    folder.mkdir(exist_ok=True)
    segment.replace(folder / f"{segment.parent.name}-{segment.name}")


def _write_days(connection: Any, captures: Path, files: Sequence[str]) -> None:
    """Merge converted segments into the days' files, one day after the other."""
    new = describe(connection, parquet_relation(files), str(captures))
    days = new.query(
        f"SELECT DISTINCT strftime({EVENT_TIME}, '%Y-%m-%d') FROM {new.relation} "
        f"WHERE {EVENT_TIME} IS NOT NULL ORDER BY 1"
    )
    for (day,) in days:
        _write_day(connection, captures / COMPACTED / f"{day}.parquet", day, files)


def _write_day(connection: Any, target: Path, day: str, files: Sequence[str]) -> None:
    # Names of converted segments sort in the order of arrival; what was compacted before comes first.
    sources = [str(target)] if target.exists() else []
    table = describe(connection, parquet_relation([*sources, *files], filename="_file"), str(target.parent))
    known = DIALECT.string(str(target))
    temporary = target.with_name(f".{target.name}.part")
    table.query(f"""
        COPY (
          SELECT * EXCLUDE (_file, _turn) FROM (
            SELECT *, row_number() OVER (
              PARTITION BY {EVENT_ID}, {MODEL} ORDER BY _file <> {known}, _file, {EVENT_TIME}
            ) AS _turn
            FROM {table.relation} AS rows WHERE strftime({EVENT_TIME}, '%Y-%m-%d') = {DIALECT.string(day)}
          ) AS turns
          WHERE _turn = 1 ORDER BY {EVENT_TIME}, {EVENT_ID}, {MODEL}
        ) TO {DIALECT.string(str(temporary))} (FORMAT parquet, COMPRESSION zstd)
    """)
    temporary.replace(target)
