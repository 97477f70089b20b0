"""Find what looks like a secret in the lines that a change adds, as Git shows them.

Files below the project's folder count, those that the work tree has and Git does not know yet, too. Git's attributes
are not asked: one that calls a file binary would hide what is in it. At most :data:`MAX_BYTES` are read.
"""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.gates.evidence import SecretFinding, SecretScan
from ci_core.secret_shapes import kinds_of_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ci_core.types import CommitId
    from ci_core.versioning.git import GitRepository

MAX_BYTES: Final = 20_000_000
"""Of old and new content of changed files together."""
_MAX_LINE_BYTES: Final = 1_000_000
_MAX_FINDINGS: Final = 200
_FILES_AT_ONCE: Final = 500
_BINARY_PROBE: Final = 8_000
"""As Git does, a file with a NUL byte among its first ones is no text."""
_SUBMODULE: Final = "160000"
_HUNK: Final = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_HOW: Final = ("--find-renames", "--relative", "--no-ext-diff", "--no-textconv", "--no-color", "--diff-filter=ACMRT")
_PATCH: Final = ("--unified=0", "--text", "--src-prefix=a/", "--dst-prefix=b/", "--no-indent-heuristic")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedLine:
    """A line that the head's file has and the base's has not."""

    path: str
    line: int
    """1-based."""
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changed:
    """A changed file and what reading it costs."""

    path: str
    old_path: str | None
    """Its former name, or its name; None for a file that Git does not know."""
    size_bytes: int
    """Of old and new content together."""


def scan_added_lines(
    git: GitRepository, base: CommitId, head: CommitId | None, *, max_bytes: int = MAX_BYTES
) -> SecretScan:
    """Return the lines that `head` (None: the work tree) has, `base` has not, and that look like a secret.

    Raises:
        UnknownRevisionError: this clone has no such commit.
    """
    sides = (git.resolve(base), *([git.resolve(head)] if head else []))
    changed = sorted(_changed(git, sides), key=lambda file: file.size_bytes)
    if head is None:
        changed += _untracked(git)
    small: list[_Changed] = []
    unread: list[_Changed] = []
    left = max_bytes
    for file in changed:  # small files first, so that one large table does not hide the code beside it
        (small if file.size_bytes <= left else unread).append(file)
        left -= file.size_bytes if file.size_bytes <= left else 0
    findings = tuple(itertools.islice(_secrets(_lines(git, sides, small)), _MAX_FINDINGS))
    binary = _binary(git, sides, unread)
    return SecretScan(findings=findings, unread=tuple(sorted(f.path for f in unread if f.path not in binary)))


def added_lines(patch: bytes) -> Iterator[AddedLine]:
    """Yield the added lines of a patch without context, as ``git diff --unified=0`` writes it.

    What stands in a file cannot be taken for a heading of the patch: the lines of each hunk are counted.
    """
    path, number, removed, added = "", 0, 0, 0
    for line in patch.split(b"\n"):
        if line.startswith(b"\\"):  # "\\ No newline at end of file"
            continue
        if removed:
            removed -= 1
        elif added:
            yield AddedLine(path=path, line=number, text=line[1:])
            number, added = number + 1, added - 1
        elif hunk := _HUNK.match(line):
            removed, number, added = (int(part or b"1") for part in hunk.groups())
        elif line.startswith(b"+++ "):
            path = _unquoted(line[4:]).removeprefix("b/")


def _lines(git: GitRepository, sides: Sequence[str], files: Sequence[_Changed]) -> Iterator[AddedLine]:
    """Yield the added lines of `files`."""
    tracked = [file for file in files if file.old_path is not None]
    for start in range(0, len(tracked), _FILES_AT_ONCE):
        batch = tracked[start : start + _FILES_AT_ONCE]
        names = {name for file in batch for name in (file.path, file.old_path)}
        paths = [f":(literal){name}" for name in sorted(filter(None, names))]
        yield from added_lines(git.run("diff", *_HOW, *_PATCH, *sides, "--", *paths).stdout)
    for file in files:
        if file.old_path is None:
            text = _read(git.folder / file.path)
            for number, line in enumerate(text.split(b"\n"), start=1):
                yield AddedLine(path=file.path, line=number, text=line)


def _secrets(lines: Iterable[AddedLine]) -> Iterator[SecretFinding]:
    for line in lines:
        if b"\0" in line.text:  # no text
            continue
        for kind in kinds_of_secrets(line.text[:_MAX_LINE_BYTES].decode("utf-8", "replace")):
            yield SecretFinding(path=line.path, line=line.line, kind=kind)


def _changed(git: GitRepository, sides: Sequence[str]) -> Iterator[_Changed]:
    """Yield the files that differ, with the size of their content on both sides."""
    fields = list(reversed(git.run("diff", "--raw", "-z", "--abbrev=64", *_HOW, *sides, "--").names))
    found: list[tuple[str, str, str, str]] = []
    while fields:
        _old_mode, new_mode, old, new, status = fields.pop().removeprefix(":").split(" ")
        old_path = fields.pop()
        path = fields.pop() if status[0] in "RC" else old_path
        if new_mode != _SUBMODULE:
            found.append((path, old_path, old, new))
    blobs = sorted({blob for *_, old, new in found for blob in (old, new) if blob.strip("0")})
    told = git.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin="\n".join(blobs).encode()).text
    sizes = {name: int(size) for name, _, size in (line.partition(" ") for line in told.split("\n")) if size.isdigit()}
    for path, old_path, old, new in found:
        in_work_tree = not new.strip("0")
        size = _size(git.folder / path) if in_work_tree else sizes.get(new, 0)
        yield _Changed(path=path, old_path=old_path, size_bytes=size + sizes.get(old, 0))


def _untracked(git: GitRepository) -> list[_Changed]:
    names = git.run("ls-files", "--others", "--exclude-standard", "-z").names
    files = [_Changed(path=name, old_path=None, size_bytes=_size(git.folder / name)) for name in names]
    return sorted(files, key=lambda file: file.size_bytes)


def _binary(git: GitRepository, sides: Sequence[str], files: Sequence[_Changed]) -> set[str]:
    """Return those of `files` that are no text; of a great many only some are asked about."""
    tracked = [f":(literal){file.path}" for file in files if file.old_path is not None][:_FILES_AT_ONCE]
    told = (
        git.run("diff", "--numstat", "-z", "--no-renames", "--relative", *sides, "--", *tracked).names
        if tracked
        else ()
    )
    binary = {name.removeprefix("-\t-\t") for name in told if name.startswith("-\t-\t")}
    return binary | {file.path for file in files if file.old_path is None and _starts_binary(git.folder / file.path)}


def _starts_binary(path: Path) -> bool:
    return b"\0" in _read(path, _BINARY_PROBE)


def _read(path: Path, max_bytes: int = -1) -> bytes:
    """Return a file's bytes; of a link what it says, of one that is gone nothing."""
    try:
        if path.is_symlink():
            return os.fsencode(path.readlink())
        with path.open("rb") as file:
            return file.read(max_bytes)
    except OSError:
        return b""


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _unquoted(name: bytes) -> str:
    r"""Return a path of a patch's heading: Git quotes one with special characters as C does, ``"b/a\tb"``."""
    name = name.removesuffix(b"\t")  # Git's mark of a name with blanks
    if name.startswith(b'"'):
        name = name[1:-1].decode("unicode_escape").encode("latin-1")
    return name.decode("utf-8", "surrogateescape")
