"""What a run without rights hands to one that has them: a folder with two files, which is believed in nothing.

``report.json`` is the report as everywhere; ``delivery.json`` says where it belongs::

    {"format": 1, "change-request": 12, "head": "<commit>"}

A run for a fork executes the fork's code, which can write anything into that folder, whatever we wrote before. So the
side that has rights (``graphship deliver``) takes it for the text of a stranger: two plain files of bounded size, JSON
that fits the published schema and nothing beside it, no address that it did not make itself, and the commit that the
host, not the folder, says the run was about. Nothing of it is executed, imported, unpickled or unpacked to disk.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ci_core.errors import DeliveryRefusedError
from ci_core.printable import one_line
from ci_core.reports.report import Report
from ci_core.types import CommitId
from ci_core.workspace import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REPORT_FILE: Final = "report.json"
DELIVERY_FILE: Final = "delivery.json"
LARGEST_BYTES: Final[Mapping[str, int]] = {REPORT_FILE: 8 * 1024 * 1024, DELIVERY_FILE: 4 * 1024}
"""A report of a project with thousands of rows has about a megabyte."""
_DEEPEST = 64
"""Levels of JSON; the schema has fewer than ten."""
_SHOWN_MISTAKES = 5


class _Address(BaseModel):
    """``delivery.json``."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal[1]
    change_request: int = Field(alias="change-request", ge=1, le=10**9)
    head: str = Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A report and the change request that it says it is about."""

    report: Report
    number: int
    head: CommitId


def write_handover(folder: Path, report: Report, *, number: int) -> None:
    """Write both files into `folder`, which exists."""
    address = {"format": 1, "change-request": number, "head": report.head.id}
    write_whole(folder / REPORT_FILE, report.to_json())
    write_whole(folder / DELIVERY_FILE, json.dumps(address, indent=2) + "\n")


def read_handover(path: Path) -> Handover:
    """Read a folder, or a ZIP file of one, that somebody may have prepared to harm us.

    Raises:
        DeliveryRefusedError: it is not exactly what :func:`write_handover` writes.
    """
    content = _read_zip(path) if path.is_file() and not path.is_symlink() else _read_folder(path)
    try:
        address = _Address.model_validate(_json(path, DELIVERY_FILE, content))
        report = Report.model_validate_json(_text(path, REPORT_FILE, content), strict=True)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors(include_input=False)]
        raise _refused(path, *(one_line(text, max_chars=200) for text in mistakes[:_SHOWN_MISTAKES])) from None
    if report.head.id != address.head:
        raise _refused(path, f"`{REPORT_FILE}` and `{DELIVERY_FILE}` name different commits")
    return Handover(report=report, number=address.change_request, head=CommitId(address.head))


def _read_folder(path: Path) -> dict[str, bytes]:
    if path.is_symlink() or not path.is_dir():
        raise _refused(path, "it is no folder and no ZIP file")
    with os.scandir(path) as entries:  # no list of them all: there may be millions
        for entry in entries:
            _need_expected(path, [entry.name])
    return {name: _read_file(path, name) for name in LARGEST_BYTES}


def _read_file(folder: Path, name: str) -> bytes:
    """Return a plain file's bytes, without following a link and without waiting for a pipe."""
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise _refused(folder, f"`{name}` is not there") from None
    except OSError:
        raise _refused(folder, f"`{name}` is not a plain file") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(handle)
        raise _refused(folder, f"`{name}` is not a plain file")
    with os.fdopen(handle, "rb") as file:
        return _bounded(folder, name, file.read(LARGEST_BYTES[name] + 1))


def _read_zip(path: Path) -> dict[str, bytes]:
    """Return the two files of a ZIP file; never more of one is unpacked than it may have."""
    content: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            _need_expected(path, [entry.filename for entry in archive.infolist()])
            for name in LARGEST_BYTES:
                with archive.open(name) as file:
                    content[name] = _bounded(path, name, file.read(LARGEST_BYTES[name] + 1))
    except KeyError as error:
        raise _refused(path, f"{error.args[0]}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError):
        raise _refused(path, "it is no ZIP file that can be read") from None
    return content


def _need_expected(path: Path, names: list[str]) -> None:
    unexpected = [name for name in names if name not in LARGEST_BYTES]
    if unexpected:
        raise _refused(path, f"it holds `{one_line(unexpected[0], max_chars=80)}`, which does not belong there")
    if len(set(names)) != len(names):
        raise _refused(path, "it holds a name twice")


def _bounded(path: Path, name: str, data: bytes) -> bytes:
    if len(data) > LARGEST_BYTES[name]:
        raise _refused(path, f"`{name}` has more than {LARGEST_BYTES[name]:,} bytes")
    return data


def _text(path: Path, name: str, content: Mapping[str, bytes]) -> str:
    """Return a file's text, once it is known to be JSON of bounded depth without a key twice."""
    _json(path, name, content)
    return content[name].decode()


def _json(path: Path, name: str, content: Mapping[str, bytes]) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key is there twice")
        return found

    def refuse(constant: str) -> object:
        raise ValueError(f"`{constant}` is no JSON")

    try:
        text = content[name].decode()
        if _depth(text) > _DEEPEST:
            raise _refused(path, f"`{name}` is nested too deep")
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"`{name}` is no valid JSON: {one_line(str(error), max_chars=120)}") from None


def _depth(text: str) -> int:
    """Return how deep brackets are nested at most; those inside strings count too, which makes it an upper bound."""
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _refused(path: Path, *reasons: str) -> DeliveryRefusedError:
    return DeliveryRefusedError(path=str(path), reasons=reasons)
