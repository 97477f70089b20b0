"""How the content of two versions of a table differs, as data (pure). Made by ``table_rules.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TableFormat = Literal["parquet", "csv", "jsonl"]

_FORMATS: dict[str, TableFormat] = {
    "parquet": "parquet", "pq": "parquet", "csv": "csv", "tsv": "csv", "jsonl": "jsonl", "ndjson": "jsonl",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDiff:
    """One column, before and after."""

    name: str
    change: Literal["added", "removed", "changed", "same"]
    """``changed`` is about name and type: a column whose values moved is ``same`` and says so by `distance`."""
    old_type: str | None = None
    new_type: str | None = None
    """As DuckDB calls it: ``DOUBLE``, ``VARCHAR``."""
    old_missing: float | None = None
    new_missing: float | None = None
    """Share of the rows, 0 to 1."""
    distance: float | None = None
    """Jensen-Shannon distance of head's values from base's, base 2, 0 to 1; None when it cannot be had."""
    shift: float | None = None
    """Wasserstein-1 distance in standard deviations of base; numeric columns alone."""
    has_drifted: bool | None = None
    """Whether the difference is more than chance and more than nothing, by the rule of monitoring; None: not judged."""
    note: str = ""
    """What the numbers do not say: ``new values: `EWR`, `JFK```."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDiff:
    """One table, before and after."""

    path: str
    old_rows: int | None = None
    new_rows: int | None = None
    columns: tuple[ColumnDiff, ...] = ()
    """All columns of both sides: head's in its order, then those that are gone."""
    note: str = ""
    """What holds for all of its columns: ``fewer than 500 rows, so drift is not judged``."""
    problem: str | None = None
    """Why the content could not be compared: ``the base's version is in neither cache nor remote (12.3 MB)``."""


def table_format(path: str) -> TableFormat | None:
    """Return the format that a file's name promises; None when it promises no table.

    >>> table_format("data/train.csv.gz"), table_format("model.pkl")
    ('csv', None)
    """
    name = path.rpartition("/")[2].lower().removesuffix(".gz")
    return _FORMATS.get(name.rpartition(".")[2]) if "." in name else None
