"""Make one of the example projects, with its history, its remotes and a change to look at.

From the root of this repository: ``python -m examples.build one-stage DESTINATION``. In Python::

    from examples.build import build
    example = build("four-stages", Path("somewhere"))

The layout below the destination is that of :class:`ci_core.testing.projects.SampleProject`: ``project/`` is the work
tree, ``remote.git/`` what ``origin`` points to, ``dvc-remote/`` the default DVC remote. ``main`` is checked out;
``change`` is the branch of a change request, and ``main`` has moved on since it began. Dates and names are fixed and
the data is made by seeded scripts: the same versions of DVC and Python make the same commits.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.testing.projects import SampleProject, run_git
from examples.histories import HISTORIES, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCES = Path(__file__).parent
NAMES = tuple(HISTORIES)
_DVC_CONFIG = "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../../dvc-remote\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An example that was built."""

    name: str
    repository: SampleProject
    """The Git work tree with its remotes; ``clone(name)`` makes a fresh clone beside it."""
    root: Path
    """The project's folder, where ``graphship.yaml`` is: the work tree's top, or a folder in it."""
    commits: Mapping[str, str]
    """Step's label → full name of its commit, in the order of their making: ``first``, …, ``change``, ``main``."""

    def at(self, repository: SampleProject) -> Path:
        """Return the project's folder in a clone."""
        return repository.root / self.root.relative_to(self.repository.root)


def build(name: str, destination: Path) -> Example:
    """Make the example `name` below `destination`, which must be empty or not there.

    Raises:
        FileExistsError: `destination` holds something.
        KeyError: there is no example of that name.
    """
    history = HISTORIES[name]
    destination = destination.resolve()
    if destination.exists() and any(destination.iterdir()):
        raise FileExistsError(f"{destination} is not empty")
    destination.mkdir(parents=True, exist_ok=True)
    (destination / "dvc-remote").mkdir()
    run_git(destination, "init", "-q", "--bare", "-b", "main", "remote.git")
    repository = SampleProject(folder=destination, root=destination / "project")
    shutil.copytree(SOURCES / name, repository.root, ignore=shutil.ignore_patterns("__pycache__", ".graphship"))
    repository.git("init", "-q", "-b", "main")
    root = repository.root / history.folder
    commits: dict[str, str] = {}
    with _dvc(repository, root) as dvc:
        for step in history.steps:
            _take(step, repository, root, dvc)
            commits[step.label] = repository.commit(step.message)
            dvc.push(run_cache=True)  # each commit by itself: with `all_commits` DVC leaves objects out
            if step.tag:
                repository.git("tag", step.tag)
    repository.git("remote", "add", "origin", str(repository.git_remote))
    repository.git("push", "-q", "--all", "origin")
    repository.git("push", "-q", "--tags", "origin")
    repository.git("fetch", "-q", "origin")
    repository.git("remote", "set-head", "origin", "main")
    return Example(name=name, repository=repository, root=root, commits=commits)


def _take(step: Step, repository: SampleProject, root: Path, dvc: Any) -> None:
    """Do what a person did before one commit."""
    if step.new_branch:
        repository.git("checkout", "-q", "-b", step.new_branch)
    elif step.branch:
        repository.git("checkout", "-q", step.branch)
        dvc.checkout(force=True)
    for path, old, new in step.replace:
        text = (root / path).read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"{path} does not contain {old!r}")
        (root / path).write_text(text.replace(old, new), encoding="utf-8")
    for path, text in step.write.items():
        (root / path).write_text(text, encoding="utf-8")
    for path in step.remove:
        (root / path).unlink()
    for command in step.commands:
        _python(root, command)
    if step.add:
        dvc.add(list(step.add))
    if step.runs:
        dvc.reproduce(pull=False, all_pipelines=True)


def _python(root: Path, command: Sequence[str]) -> None:
    subprocess.run([sys.executable, *command], cwd=root, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours


@contextlib.contextmanager
def _dvc(repository: SampleProject, root: Path) -> Iterator[Any]:
    """Give DVC's repository, with the project's folder as the current one and this Python first in the path."""
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)
    Repo.init(str(repository.root)).close()
    repository.write(".dvc/config", _DVC_CONFIG)
    path = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    try:
        with Repo(str(repository.root)) as dvc, contextlib.chdir(root), contextlib.redirect_stdout(io.StringIO()):
            yield dvc
    finally:
        os.environ["PATH"] = path


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the example that the command line names, and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m examples.build", description="Make an example project.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("destination", type=Path, help="a folder that is empty or not there yet")
    chosen = parser.parse_args(arguments)
    print(build(chosen.name, chosen.destination).root)


if __name__ == "__main__":
    main()
