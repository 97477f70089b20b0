"""Folders that Git keeps rather than DVC (``cache: false``): their files and their list at a commit.

DVC records such a folder under the hash of a list that lies nowhere. The list is made again, in DVC's form, from the
files that Git has, so that folders are compared in one way whoever keeps them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci_core.types import CommitId
    from ci_core.versioning.git import GitRepository


@dataclass(frozen=True, slots=True)
class GitFile:
    """One file of a folder."""

    blob: str
    """Git's name of the content."""
    size_bytes: int


def files_of(git: GitRepository, commit: CommitId, folder: str) -> dict[str, GitFile]:
    """Return the files of a folder at a commit, by their paths below it; links and submodules are left out.

    Returns:
        Nothing when the commit has no such folder.
    """
    said = git.run("ls-tree", "-r", "-l", "-z", "--full-tree", f"{commit}:./{folder}", check=False)
    if said.status:
        return {}
    found = {}
    for line in said.names:
        about, _, name = line.partition("\t")
        mode, _, blob, size = about.split()
        if mode in {"100644", "100755"}:
            found[name] = GitFile(blob, int(size))
    return found


def contents(git: GitRepository, files: Mapping[str, GitFile]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of some files; all of them are in memory at once."""
    if not files:
        return
    blobs = "".join(f"{file.blob}\n" for file in files.values()).encode()
    said = git.run("cat-file", "--batch=", stdin=blobs).stdout
    start = 0
    for name, file in files.items():
        start += 1  # the line of facts, of which none was asked for
        yield name, said[start : start + file.size_bytes]
        start += file.size_bytes + 1


def dvc_list(git: GitRepository, files: Mapping[str, GitFile]) -> bytes:
    """Return the list of a folder as DVC writes it."""
    hashes = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in contents(git, files)}
    return json.dumps([{"md5": hashes[name], "relpath": name} for name in sorted(hashes)]).encode()
