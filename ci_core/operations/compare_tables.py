"""Compare any two tables, with no project at all: ``graphship monitor --reference A --window B``."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ci_core.config.settings import MonitorSettings
from ci_core.monitoring.counting import count
from ci_core.monitoring.duckdb import open_table
from ci_core.monitoring.profile import Profile, no_rows
from ci_core.monitoring.verdict import judge
from ci_core.monitoring.windows import window_at
from ci_core.operations.monitor import judge_in_order, need_common
from ci_core.operations.reference import need_times, profile_reference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import timedelta
    from pathlib import Path

    from ci_core.monitoring.records import WindowRecord
    from ci_core.monitoring.reference import ReferenceProfile
    from ci_core.monitoring.spec import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """What comparing two tables came to."""

    verdict: Verdict
    """The worst of the windows; of equally bad ones the latest."""
    profile: Profile
    """Of the window that `verdict` is on."""
    reference: ReferenceProfile
    windows: tuple[WindowRecord, ...]
    """All windows in order of time; empty without a time column."""
    not_compared: Mapping[str, str]
    """Column → why it was left out."""


_SEVERITY = ("insufficient-data", "no-drift", "potential", "drift", "broken-data")


def compare_tables(
    reference: Path, window: Path, *, time_column: str | None, ignore: Collection[str], length: timedelta
) -> TableComparison:
    """Compare a table with a reference, with no project at all.

    Args:
        reference: the table that is right by definition.
        window: the table to judge.
        time_column: column of the events' own time in both tables. With it the reference is cut into blocks and
            `window` into windows of `length`, judged in order; without it `window` is one window, judged by bounds
            that take rows for independent, and at most ``potential``.
        ignore: columns that are not compared.
        length: of a window.

    Raises:
        UnreadableTableError: a file is not there, damaged, or of no known kind.
        UnknownTimeColumnError: a table lacks the time column, or it holds no times.
        TableMismatchError: the reference has no rows.
        NothingInCommonError: no column of the reference is in the window.
    """
    settings = MonitorSettings(
        reference=str(reference), time_column=time_column, window=length, ignore=tuple(ignore), importance="none"
    )
    profiled = profile_reference(reference, settings, None)
    with open_table(window) as table:
        need_common(profiled.layout, table, reference_name=str(reference))
        if time_column is not None:
            need_times(table, time_column)
        profiles = count(table, profiled.layout, time_column=time_column, length=length if time_column else None)
        extra = [name for name in table.columns if name not in {*profiled.layout.columns, *profiled.layout.skipped}]
    not_compared = {
        **dict.fromkeys(extra, "not in the reference"),
        **profiled.layout.skipped,
        **dict.fromkeys(ignore, "ignored"),
    }
    if time_column is not None:
        not_compared.pop(time_column, None)
    return _worst(profiled, profiles, MappingProxyType(not_compared))


def _worst(
    reference: ReferenceProfile, profiles: Mapping[int | None, Profile], not_compared: Mapping[str, str]
) -> TableComparison:
    nothing = no_rows(reference.layout)
    if reference.length is None or not any(number is not None for number in profiles):
        profile = profiles.get(0, nothing) if reference.length is None else nothing
        verdict = judge(reference, profile)
        return TableComparison(
            verdict=verdict, profile=profile, reference=reference, windows=(), not_compared=not_compared
        )
    numbers = sorted(number for number in profiles if number is not None)
    counted = [(window_at(number, reference.length), profiles[number]) for number in numbers]
    records = judge_in_order(reference, counted, importance=None, history=(), releases={})
    worst = max(records, key=lambda record: (_SEVERITY.index(record.verdict.state), record.window.start))
    return TableComparison(
        verdict=worst.verdict, profile=worst.profile, reference=reference, windows=records, not_compared=not_compared
    )
