"""The lists in which DVC keeps what is in a folder, and how two of them differ.

A list is a JSON array, ``[{"md5": "…", "relpath": "a/b.csv"}, …]``, which DVC sorts by path. It may have millions of
entries, so both lists are read side by side, a megabyte at a time; of what differs little more than a number is kept.
A list that is not sorted (other programs write such, too) is sorted first, in memory.

Paths in a list are text of a stranger: they are told, and never opened.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Literal

from ci_core.versioning.difference import FolderDiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

MOST_EXAMPLES = 10
_CHUNK = 1 << 20
_KEPT_NAMES = 10_000
"""Differing files of each kind whose names are remembered, to choose examples from."""

Entry = tuple[str, str]
"""Path relative to the folder, with ``/``, and md5, 32 hexadecimal digits."""

_LAST: Entry = ("\U0010ffff" * 2, "")
"""Sorts behind every path."""
_is_oid = re.compile(r"[0-9a-f]{32}").fullmatch


class UnreadableListError(Exception):
    """A list is damaged; the text says how."""


class _UnsortedListError(Exception):
    """A list is not sorted by path."""


def entries(path: Path) -> Iterator[Entry]:
    """Yield what a list holds, in its order.

    Raises:
        UnreadableListError: it is not such a list.
        OSError: it cannot be read.
    """
    for part in _parts(path):
        try:
            found = [(one["relpath"], one["md5"]) for one in part]
            is_good = all(isinstance(name, str) and _is_oid(oid) for name, oid in found)
        except (TypeError, KeyError):
            is_good = False
        if not is_good:
            raise UnreadableListError("its list of files has an entry without a path or an md5")
        yield from found


def _parts(path: Path) -> Iterator[list[Any]]:
    """Yield the entries of a list some thousand at a time."""
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        text = file.read(_CHUNK).lstrip()
        if not text.startswith("["):
            raise UnreadableListError("its list of files is no list")
        text = text[1:]
        while more := file.read(_CHUNK):
            # Here one entry ends and the next begins. Inside of a name this cannot stand: a quote is escaped there.
            end = text.rfind('}, {"')
            if end >= 0:
                yield _decoded(f"[{text[: end + 1]}]")
                text = text[end + 2 :]
            text += more
        yield _decoded(f"[{text}")


def _decoded(text: str) -> list[Any]:
    try:
        found: list[Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableListError("its list of files is cut short or damaged") from error
    return found


def changes(
    old: Path, new: Path, read: Callable[[Path], Iterator[Entry]]
) -> Iterator[tuple[Literal["+", "-", "~"], str, str]]:
    """Yield what differs between two lists, in the order of paths: added, removed or changed, path, md5."""
    before, after = read(old), read(new)
    one, other = next(before, _LAST), next(after, _LAST)
    while True:
        if one == other:
            if one is _LAST:
                return
            one, other = next(before, _LAST), next(after, _LAST)
        elif one[0] < other[0]:
            yield "-", *one
            one = next(before, _LAST)
        elif other[0] < one[0]:
            yield "+", *other
            other = next(after, _LAST)
        else:
            yield "~", *other
            one, other = next(before, _LAST), next(after, _LAST)


def _in_order(path: Path) -> Iterator[Entry]:
    last = ""
    for entry in entries(path):
        if entry[0] < last:
            raise _UnsortedListError
        last = entry[0]
        yield entry


def _sorted(path: Path) -> Iterator[Entry]:
    return iter(sorted(entries(path)))


def folder_difference(
    old: Path, new: Path, *, old_bytes: int | None = None, new_bytes: int | None = None
) -> FolderDiff:
    """Return how two folders differ, from their lists.

    A file whose content was removed under one path and appears under another was renamed.

    Args:
        old: base's list.
        new: head's list.
        old_bytes: size of base's folder, where it is known.
        new_bytes: likewise.

    Raises:
        UnreadableListError: a list is damaged.
        OSError: a list cannot be read.
    """
    try:
        found = _Tally(changes(old, new, _in_order))
    except _UnsortedListError:
        found = _Tally(changes(old, new, _sorted))
    renamed = sum((found.contents["+"] & found.contents["-"]).values())
    return FolderDiff(
        added=found.number["+"] - renamed,
        removed=found.number["-"] - renamed,
        changed=found.number["~"],
        renamed=renamed,
        old_bytes=old_bytes,
        new_bytes=new_bytes,
        examples=found.examples(),
    )


class _Tally:
    """What of all differences is kept."""

    def __init__(self, differences: Iterable[tuple[Literal["+", "-", "~"], str, str]]) -> None:
        self.number = Counter[str]()
        self.contents: dict[str, Counter[int]] = {"+": Counter(), "-": Counter(), "~": Counter()}
        self._names: dict[str, list[tuple[str, int]]] = {"+": [], "-": [], "~": []}
        for kind, path, oid in differences:
            content = int(oid, 16)
            self.number[kind] += 1
            if kind != "~":
                self.contents[kind][content] += 1
            if self.number[kind] <= _KEPT_NAMES:
                self._names[kind].append((path, content))

    def examples(self) -> tuple[str, ...]:
        """Return some differences: what is gone or was changed says more than what came."""
        moving = self.contents["+"] & self.contents["-"]
        left, gone, former = Counter(moving), [], defaultdict[int, list[str]](list)
        for path, content in self._names["-"]:
            if left[content]:
                left[content] -= 1
                former[content].append(path)
            else:
                gone.append(f"- {path}")
        left, came, moved = Counter(moving), [], []
        for path, content in self._names["+"]:
            if not left[content]:
                came.append(f"+ {path}")
                continue
            left[content] -= 1
            if former[content]:
                moved.append(f"{former[content].pop(0)} → {path}")
        changed = [f"~ {path}" for path, _ in self._names["~"]]
        return _examples([gone, changed, moved, came])


def _examples(kinds: Sequence[list[str]]) -> tuple[str, ...]:
    """Return the first of each kind, in equal parts as far as there are enough."""
    turns = sorted((place, index) for index, kind in enumerate(kinds) for place in range(len(kind[:MOST_EXAMPLES])))
    chosen = Counter(index for _, index in turns[:MOST_EXAMPLES])
    return tuple(example for index, kind in enumerate(kinds) for example in kind[: chosen[index]])
