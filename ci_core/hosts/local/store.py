"""JSON files in a folder, one an object, safe to read while another process writes.

A file appears by rename, so a reader sees the old object or the new one. Everything that reads in order to write does
so inside :meth:`Store.writing`, which holds the folder's lock. Layout, version 1::

    host.json                        {"format": 1, "repository": "flights.git"}
    counters.json                    {"topics": 4, "comments": 12, "deployments": 3}: the last number given out
    change-requests/<number>.json    numbers are shared with issues
    issues/<number>.json
    comments/<topic>/<id>.json
    statuses/<commit>/<context>.json the context percent-encoded
    deployments/<id>.json
    pages/<number>.html              renderings for people, made anew at each change
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ci_core.errors import HostBusyError, HostDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1

Record = dict[str, Any]
"""What one file holds."""

_LOCK_WAIT_S = 60.0
"""A merge holds the lock for a clone and a push: seconds in a large repository."""


class Store:
    """The files of one local host.

    Args:
        folder: where they are; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / ".lock", timeout=_LOCK_WAIT_S)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers away; may be nested.

        Raises:
            HostBusyError: another process held the lock for a minute.
        """
        try:
            self._lock.acquire()
        except Timeout as error:
            raise HostBusyError(lock=str(self.folder / ".lock"), waited_s=_LOCK_WAIT_S) from error
        try:
            yield
        finally:
            self._lock.release()

    def next_number(self, counter: str) -> int:
        """Give out the next number; one is never given twice, even when what got it was deleted."""
        with self.writing():
            counters = self.read("counters.json") or {}
            number = int(counters.get(counter, 0)) + 1
            self.write("counters.json", {**counters, counter: number})
        return number

    def read(self, name: str) -> Record | None:
        """Return the object in the file `name`; None when there is no such file.

        Raises:
            HostDataError: the file holds something else than a JSON object.
        """
        path = self.folder / name
        try:
            value = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise HostDataError(file=str(path), reason=str(error)) from error
        if not isinstance(value, dict):
            raise HostDataError(file=str(path), reason="a JSON object was expected")
        return value

    def read_all(self, folder: str) -> Iterator[Record]:
        """Yield the objects in `folder` by ascending number, or by name where names are no numbers."""
        names = [path.stem for path in (self.folder / folder).glob("*.json")]
        for name in sorted(names, key=lambda name: (int(name), "") if name.isascii() and name.isdigit() else (0, name)):
            record = self.read(f"{folder}/{name}.json")
            if record is not None:  # deleted since the folder was listed
                yield record

    def write(self, name: str, record: Record) -> None:
        """Put `record` into the file `name`, whole or not at all."""
        self.write_text(name, json.dumps(record, indent=2, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Put `text` into the file `name`, whole or not at all."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
                file.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def delete(self, name: str) -> bool:
        """Remove the file `name` and say whether it was there."""
        try:
            (self.folder / name).unlink()
        except FileNotFoundError:
            return False
        return True
