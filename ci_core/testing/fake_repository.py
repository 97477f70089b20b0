"""Branches and commits in memory, for tests of what stands on a :class:`~ci_core.hosts.local.repository.Repository`.

Passes the host contract together with :class:`~ci_core.hosts.local.LocalHost`, without starting Git.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ci_core.errors import NotFoundOnHostError
from ci_core.hosts.local.repository import ConflictError
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Commit:
    parents: tuple[CommitId, ...]
    files: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class FakeRepository:
    """A history of whole-file changes; two sides conflict when both changed one file differently."""

    branches: dict[str, CommitId] = field(default_factory=dict)
    commits: dict[CommitId, _Commit] = field(default_factory=dict)

    def push(self, branch: str, files: Mapping[str, str], *, start: str | None = None) -> CommitId:
        """Commit `files` on top of a branch; a new branch begins at the head of `start`."""
        parent = self.branches.get(branch) or (self.branches[start] if start else None)
        before = self.commits[parent].files if parent else {}
        return self._commit(branch, (parent,) if parent else (), {**before, **files})

    def default_branch(self) -> str:
        """Return ``main``."""
        return "main"

    def head(self, branch: str) -> CommitId | None:
        """Return the newest commit of a branch."""
        return self.branches.get(branch)

    def is_ancestor(self, commit: CommitId, of: CommitId) -> bool:
        """Say whether `of` has `commit` in its history."""
        return commit in set(self._history(of))

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        """Return the newest common commit."""
        known = set(self._history(other))
        return next((commit for commit in self._history(one) if commit in known), None)

    def read_file(self, commit: CommitId, path: str) -> bytes | None:
        """Return a file as it is in a commit."""
        if commit not in self.commits:
            raise NotFoundOnHostError(host="memory", kind="commit", name=commit)
        text = self.commits[commit].files.get(path)
        return None if text is None else text.encode()

    def entry(self, commit: CommitId, into: CommitId) -> CommitId:
        """Return the first-parent commit that brought `commit`; itself after a fast-forward."""
        brought = into
        while self.is_ancestor(commit, self.commits[brought].parents[0]):
            brought = self.commits[brought].parents[0]
        return commit if self.commits[brought].parents[0] == commit else brought

    def merge(self, source: CommitId, *, into: str, message: str, author: str, at: datetime) -> CommitId:  # noqa: ARG002
        """Merge whole files."""
        target = self.branches[into]
        base = self.merge_base(source, target)
        old = self.commits[base].files if base else {}
        ours, theirs = self.commits[target].files, self.commits[source].files
        changed = {name for name in theirs if theirs[name] != old.get(name)}
        conflicts = sorted(name for name in changed if ours.get(name) not in {old.get(name), theirs[name]})
        if conflicts:
            raise ConflictError(tuple(conflicts))
        return self._commit(into, (target, source), {**ours, **{name: theirs[name] for name in changed}})

    def _history(self, commit: CommitId) -> Iterator[CommitId]:
        waiting = [commit]
        while waiting:
            current = waiting.pop(0)
            if current in self.commits:
                yield current
                waiting += self.commits[current].parents

    def _commit(self, branch: str, parents: tuple[CommitId, ...], files: Mapping[str, str]) -> CommitId:
        content = json.dumps([len(self.commits), parents, dict(files)], sort_keys=True)
        name = CommitId(hashlib.sha256(content.encode()).hexdigest()[:40])
        self.commits[name] = _Commit(parents=parents, files=files)
        self.branches[branch] = name
        return name
