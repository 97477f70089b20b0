"""The local host passes the host contract: on a real bare repository, and on branches in memory."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ci_core.hosts.local import LocalHost, create_local_host
from ci_core.hosts.local.host import host_folder
from ci_core.testing.fake_repository import FakeRepository
from ci_core.testing.host_contract import HostContract
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class _MemoryKit:
    """A local host whose branches are in memory: no program is started."""

    def __init__(self, folder: Path) -> None:
        self._repository = folder / "flights.git"
        self._folder = host_folder(self._repository)
        self._folder.mkdir(parents=True)
        self._git = FakeRepository()
        self._git.push("main", {"readme.md": "hello\n"})

    def host(self, login: str = "graphship-bot") -> LocalHost:
        return LocalHost(self._repository, self._folder, login, git=self._git)

    def push(self, branch: str, files: Mapping[str, str]) -> CommitId:
        return self._git.push(branch, files, start="main")

    def merge(self, number: int) -> CommitId:
        merged = self.host("ada").merge(number).merge_commit
        assert merged is not None
        return merged


class _GitKit:
    """A real bare repository in a path with a blank and an umlaut, and a work tree that pushes to it."""

    def __init__(self, folder: Path) -> None:
        self._repository = folder / "Bücher und Regale" / "flights.git"
        create_local_host(self._repository)
        self._work = folder / "work"
        self._git("init", "--quiet", "--initial-branch=main", str(self._work), cwd=folder)
        self._git("remote", "add", "origin", str(self._repository))
        self.push("main", {"readme.md": "hello\n"})

    def host(self, login: str = "graphship-bot") -> LocalHost:
        return LocalHost(self._repository, host_folder(self._repository), login)

    def push(self, branch: str, files: Mapping[str, str]) -> CommitId:
        if self._branches():
            is_new = branch not in self._branches()
            self._git("checkout", "--quiet", *(["-b", branch, "main"] if is_new else [branch]))
        for name, text in files.items():
            file = self._work / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "-m", "change")
        self._git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return CommitId(self._git("rev-parse", "HEAD"))

    def merge(self, number: int) -> CommitId:
        merged = self.host("ada").merge(number).merge_commit
        assert merged is not None
        return merged

    def _branches(self) -> list[str]:
        return self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=cwd or self._work, check=True, capture_output=True, text=True)
        return done.stdout.strip()


class TestLocalHostInMemory(HostContract):
    @pytest.fixture
    def remote(self, tmp_path: Path) -> _MemoryKit:
        return _MemoryKit(tmp_path)


@pytest.mark.e2e
class TestLocalHostOnGit(HostContract):
    @pytest.fixture
    def remote(self, tmp_path: Path) -> _GitKit:
        return _GitKit(tmp_path)
