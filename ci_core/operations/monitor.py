"""Watch live traffic: judge the windows of the captures, and hand their rows on for retraining.

Called by the scheduled run; takes settings, files and functions, and returns frozen results. Nothing is written but
compacted captures and the table that the caller asks for.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ci_core.errors import NothingInCommonError, TableMismatchError, nearest
from ci_core.monitoring import captures as capture_files
from ci_core.monitoring.captures import EVENT_ID, EVENT_TIME, RELEASE
from ci_core.monitoring.counting import count
from ci_core.monitoring.duckdb import DIALECT
from ci_core.monitoring.null import reference_null
from ci_core.monitoring.records import WindowRecord
from ci_core.monitoring.sql import block_of
from ci_core.monitoring.verdict import Preceding, judge
from ci_core.monitoring.windows import to_judge, window_index
from ci_core.operations.reference import measure_importance, profile_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from ci_core.config.settings import MonitorSettings
    from ci_core.monitoring.duckdb import Table
    from ci_core.monitoring.profile import Layout, Profile
    from ci_core.monitoring.reference import ReferenceProfile
    from ci_core.monitoring.spec import Window
    from ci_core.types import Digest

__all__ = ["judge_windows", "load_window_rows", "measure_importance", "profile_reference"]

_log = logging.getLogger(__name__)


def judge_windows(
    reference: ReferenceProfile,
    captures: Path,
    settings: MonitorSettings,
    *,
    importance: Mapping[str, float] | None,
    history: Sequence[WindowRecord],
    now: datetime,
    warn: Callable[[str], None] = _log.warning,
) -> tuple[WindowRecord, ...]:
    """Judge every complete window of the captures that has no verdict yet, in order of time.

    First compacts the captures. All models of a graph are looked at together; an event that arrives after its window
    was judged is kept for retraining and not judged again.

    Args:
        reference: what the windows are compared with.
        captures: the captures folder of an environment.
        settings: the window's length.
        importance: column → share of the model's importance; None when not known.
        history: windows that were judged before, in any order.
        now: the present, aware; a window is complete when its end has passed.
        warn: told of each capture segment that could not be read.

    Returns:
        One record a window, oldest first; none when there is nothing new.

    Raises:
        UnreadableTableError: a compacted file is damaged.
        NothingInCommonError: the captures have none of the reference's columns.
    """
    for line in capture_files.compact(captures).set_aside:
        warn(f"capture segment set aside: {line}")
    length = settings.window
    with capture_files.open_captures(captures) as table:
        if table is None:
            return ()
        block = block_of(DIALECT, EVENT_TIME, length)
        numbers = [number for (number,) in table.query(f"SELECT DISTINCT {block} FROM {table.relation}")]  # noqa: S608 - our own text
        windows = to_judge(numbers, length, judged=[record.window for record in history], now=now)
        if not windows:
            return ()
        need_common(reference.layout, table, reference_name="the reference")
        chosen = table.where(f"{block} IN ({', '.join(str(window_index(window.start, length)) for window in windows)})")
        profiles = count(chosen, reference.layout, time_column=EVENT_TIME, length=length)
        releases = _releases(chosen, block)
    counted = [(window, profiles[window_index(window.start, length)]) for window in windows]
    return judge_in_order(
        reference,
        counted,
        importance=importance,
        history=history,
        releases={window.start: releases[window_index(window.start, length)] for window in windows},
    )


def _releases(table: Table, block: str) -> dict[int, tuple[Any, ...]]:
    found = table.query(
        f"SELECT {block}, list_sort(list(DISTINCT {RELEASE})) FROM {table.relation} GROUP BY 1"  # noqa: S608 - ours
    )
    return {number: tuple(release for release in releases if release) for number, releases in found}


def judge_in_order(
    reference: ReferenceProfile,
    counted: Iterable[tuple[Window, Profile]],
    *,
    importance: Mapping[str, float] | None,
    history: Sequence[WindowRecord],
    releases: Mapping[datetime, tuple[Any, ...]],
) -> tuple[WindowRecord, ...]:
    """Judge windows that are counted already, each with the one before in mind.

    Args:
        reference: what the windows are compared with.
        counted: windows in order of time, with their profiles.
        importance: column → share of the model's importance; None when not known.
        history: windows that were judged before, in any order.
        releases: start of a window → releases that answered in it.
    """
    null = reference_null(reference)
    known = list(history)
    records = []
    for window, profile in counted:
        verdict = judge(
            reference,
            profile,
            window=window,
            importance=importance,
            preceding=_preceding(known, window, reference.digest),
            null=null,
        )
        record = WindowRecord(
            window=window,
            verdict=verdict,
            releases=releases.get(window.start, ()),
            rows=profile.rows,
            profile=profile,
            reference=reference.digest,
        )
        records.append(record)
        known.append(record)
    return tuple(records)


def _preceding(history: Sequence[WindowRecord], window: Window, reference: Digest) -> Preceding | None:
    """Return the latest window before `window` that has enough rows, if it was judged against the same reference.

    Nights and weekends without traffic do not break a row of two: what counts is the window looked at before. A
    verdict on another reference (before a retrain) does, for it was an answer to another question.
    """
    before = [
        record
        for record in history
        if record.window.end <= window.start and record.verdict.state != "insufficient-data"
    ]
    if not before:
        return None
    last = max(before, key=lambda record: record.window.end)
    if last.reference != reference:
        return None
    sound = (column.name for column in last.verdict.columns if column.drifted and not column.quality)
    return Preceding(profile=last.profile, drifted=frozenset(sound))


def load_window_rows(captures: Path, windows: Iterable[Window], columns: Sequence[str], to: Path) -> int:
    """Write the captured rows of some windows as one Parquet table, for retraining.

    Args:
        captures: the captures folder of an environment; published segments are compacted first.
        windows: half-open intervals of the events' own time.
        columns: model inputs to take; one that was never captured is an error.
        to: file to write, in an existing folder; appears by rename.

    Returns:
        The number of rows. The columns are ``_event_id``, ``_event_time`` and `columns`; one row per event, though
        several models may have answered it; sorted by time and id.

    Raises:
        UnreadableTableError: a compacted file is damaged.
        TableMismatchError: there are no captures, or they lack a column.
    """
    capture_files.compact(captures)
    with capture_files.open_captures(captures) as table:
        if table is None:
            raise TableMismatchError(table=str(captures), problems=["it holds no captured events"])
        absent = [column for column in columns if column not in table.columns]
        if absent:
            problems = [_absent_from_captures(column, table.columns) for column in absent]
            raise TableMismatchError(table=str(captures), problems=problems, known_columns=list(table.columns))
        inside = " OR ".join(
            f"(epoch_us({EVENT_TIME}) >= {_microseconds(window.start)} "
            f"AND epoch_us({EVENT_TIME}) < {_microseconds(window.end)})"
            for window in windows
        )
        return _write_rows(table.where(inside or "FALSE"), columns, to)


def _absent_from_captures(column: str, known: Collection[str]) -> str:
    close = nearest(column, known)
    return f"`{column}` was never captured" + (f"; did you mean `{close}`?" if close else "")


def _microseconds(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _write_rows(table: Table, columns: Sequence[str], to: Path) -> int:
    names = ", ".join([EVENT_ID, EVENT_TIME, *(DIALECT.name(column) for column in columns)])
    temporary = to.with_name(f".{to.name}.part")
    once = f"SELECT DISTINCT ON ({EVENT_ID}) {names} FROM {table.relation} ORDER BY {EVENT_ID}, {EVENT_TIME}"  # noqa: S608 - quoted
    ((rows,),) = table.query(
        f"COPY (SELECT * FROM ({once}) AS once ORDER BY {EVENT_TIME}, {EVENT_ID}) "  # noqa: S608 - quoted
        f"TO {DIALECT.string(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
    )
    temporary.replace(to)
    return int(rows)


def need_common(layout: Layout, table: Table, *, reference_name: str) -> None:
    """Make sure that a table has at least one column to compare.

    Raises:
        NothingInCommonError: it has none.
    """
    if not set(layout.columns) & set(table.columns):
        raise NothingInCommonError(
            reference=reference_name,
            window=table.path,
            reference_columns=list(layout.columns),
            window_columns=list(table.columns),
        )
