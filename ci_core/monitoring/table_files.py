# ruff: noqa: S608 - paths in statements are of our own making and quoted by Dialect.string; nothing else is pasted in
"""The files of one version of a table, as something DuckDB can select from.

Files lie in DVC's cache under their hash, or in the work tree under a name that a stranger chose. Both are linked to
names of our own in a scratch folder; text is converted to Parquet there, so that it is parsed once and not per column.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci_core.monitoring.duckdb import CSV_NULLS, first_line
from ci_core.monitoring.sql import DUCKDB
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci_core.monitoring.table_diff import TableFormat

_FIRST_BYTES = 65_536
_FRACTION = re.compile(r"[+-]?\d+([.,])\d+(?:[eE][+-]?\d+)?")
_REASON_CHARS = 300
_DETAILS = ("CSV Error on Line", "Expected Number of Columns", "Malformed JSON")
"""Lines of the engine's long messages that say where a file is broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFiles:
    """The files of one version of a table."""

    kind: TableFormat
    files: tuple[tuple[str, Path], ...]
    """Name inside the table's folder (the file's own name, when there is no folder), and where the content lies: a file
    and no link. At least one."""

    def relation(self, connection: Any, scratch: Path) -> str:
        """Return what to select from.

        Args:
            connection: DuckDB's, which may read the files and `scratch`.
            scratch: a folder that does not exist yet, for links and for what is converted.
        """
        keys = {tuple(key for key, _ in _partitions(name)) for name, _ in self.files}
        is_partitioned = len(keys) == 1 and keys != {()}
        links = self._linked(scratch, is_partitioned=is_partitioned)
        if self.kind == "parquet":
            return _parquet(links, is_partitioned=is_partitioned)
        if self.kind == "jsonl":
            source = f"read_json({_listed(links)}, format = 'newline_delimited', "
        else:
            shape = shape_of(self.files[0][1])
            # Nothing is left to be guessed but types: a guess at a broken file can skip all of its rows.
            source = (
                f"read_csv({_listed(links)}, header = {str(shape.has_header).lower()}, delim = '{shape.separator}', "
                f"decimal_separator = '{shape.decimal}', quote = '\"', escape = '\"', comment = '', skip = 0, "
                f"nullstr = {CSV_NULLS}, "
            )
        source += f"sample_size = -1, union_by_name = true, hive_partitioning = {str(is_partitioned).lower()})"
        converted = DUCKDB.string(str(scratch / "table.parquet"))
        connection.execute(f"COPY (SELECT * FROM {source}) TO {converted} (FORMAT parquet)")
        return f"read_parquet({converted})"

    def reason(self, error: Exception, scratch: Path) -> str:
        """Return what the engine says of these files, on one line and by their own names, or in our words."""
        if "Error when sniffing file" in str(error):
            return "it cannot be read as CSV: rows of different lengths, broken quotes, or not text in UTF-8"
        if "not utf-8 encoded" in str(error):
            return "it is not text in UTF-8"
        lines = [line.strip() for line in str(error).splitlines()]
        said = [first_line(error), *(line for line in lines[1:] if line.startswith(_DETAILS))]
        text = re.sub(r"^[A-Za-z ]+ Error: ", "", ": ".join(line.rstrip(":. ") for line in said))
        text = re.sub(rf"{re.escape(str(scratch))}/\S*?part-(\d+)[.a-z]*", self._name, text)
        return one_line(text, max_chars=_REASON_CHARS)

    def _name(self, found: re.Match[str]) -> str:
        return self.files[int(found[1])][0]

    def _linked(self, scratch: Path, *, is_partitioned: bool) -> list[str]:
        links = []
        for index, (name, path) in enumerate(self.files):
            parts = _partitions(name) if is_partitioned else []
            folder = scratch.joinpath(*(f"{key}={value}" for key, value in parts))
            folder.mkdir(parents=True, exist_ok=True)
            # The suffix tells the engine of compression, and tabs from commas it tells by itself.
            link = folder / f"part-{index}.{self.kind}{'.gz' if name.lower().endswith('.gz') else ''}"
            link.symlink_to(path)
            links.append(str(link))
        return links


@dataclass(frozen=True, slots=True, kw_only=True)
class TextShape:
    """How a CSV file is written."""

    separator: str
    """Between columns."""
    has_header: bool
    """Whether its first line names the columns."""
    decimal: str = "."
    """What stands before the fraction of a number."""


def shape_of(path: Path) -> TextShape:
    """Return how a CSV file is written, as its first 64 KB show it.

    The first line names the columns unless all it holds are numbers. Numbers that count from 0, as a data frame without
    names writes them, are names.

    Raises:
        EOFError: the file is empty, or is cut short inside its compression.
        UnicodeError: it is in UTF-16.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as stream:
        content = stream.read(_FIRST_BYTES)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        msg = "it is text in UTF-16, and only UTF-8 is read"
        raise UnicodeError(msg)
    first, _, more = content.decode("utf-8", "replace").removeprefix("\ufeff").partition("\n")
    if not content:
        raise EOFError("the file is empty")
    separator = max(";\t|,", key=first.count)  # commas last: they may be decimal ones
    cells = next(csv.reader([first.rstrip("\r")], delimiter=separator), [])
    counts_up = cells == [str(number) for number in range(len(cells))]
    decimal = "." if separator == "," else _decimal(cells + _cells(more, separator))
    is_number = _is_number if decimal == "." else lambda cell: _is_number(cell.replace(",", "."))
    return TextShape(separator=separator, has_header=counts_up or not all(map(is_number, cells)), decimal=decimal)


def _cells(text: str, separator: str) -> list[str]:
    try:
        return [cell for row in csv.reader(text.splitlines(), delimiter=separator) for cell in row]
    except csv.Error:  # the engine will say what is wrong
        return []


def _decimal(cells: Sequence[str]) -> str:
    """Return what stands before fractions: a comma where numbers are written with one, and none with a point."""
    found = {match[1] for cell in cells if (match := _FRACTION.fullmatch(cell.strip()))}
    return "," if found == {","} else "."


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parquet(links: Sequence[str], *, is_partitioned: bool) -> str:
    if len(links) == 1 and not is_partitioned:
        return f"read_parquet({DUCKDB.string(links[0])}, hive_partitioning = false)"
    return f"read_parquet({_listed(links)}, union_by_name = true, hive_partitioning = {str(is_partitioned).lower()})"


def _listed(links: Sequence[str]) -> str:
    return f"[{', '.join(DUCKDB.string(link) for link in links)}]"


def _partitions(name: str) -> list[tuple[str, str]]:
    """Return key and value of the folders that a file of a Hive-partitioned table lies in; values URL-encoded."""
    found = [folder.partition("=") for folder in name.split("/")[:-1]]
    if not all(key.isidentifier() and key.isascii() and equals for key, equals, _ in found):
        return []
    try:
        parts = [(key, urllib.parse.quote(urllib.parse.unquote(value), safe="")) for key, _, value in found]
    except UnicodeEncodeError:  # bytes that are no text
        return []
    return parts if all(len(value) < 200 for _, value in parts) else []  # noqa: PLR2004 - a file name has 255 bytes
