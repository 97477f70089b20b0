from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from ci_core.testing.projects import SampleProject
from examples.build import NAMES, Example, build
from examples.histories import HISTORIES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session", params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Each example project, built once in a run of all tests; tests clone it or leave it as it is."""
    base = tmp_path_factory.getbasetemp()
    in_one_of_several_processes = "PYTEST_XDIST_WORKER" in os.environ
    built = _build_once(request.param, (base.parent if in_one_of_several_processes else base) / "built-examples")
    return _copy(request.param, built, tmp_path_factory.mktemp("examples") / request.param)


def _build_once(name: str, folder: Path) -> Path:
    """Return where the example is, built by the first process that asks; the longest takes eight seconds."""
    folder.mkdir(exist_ok=True)
    commits = folder / f"{name}.json"
    with FileLock(folder / f"{name}.lock"):
        if not commits.exists():
            example = build(name, folder / name)
            commits.write_text(json.dumps(dict(example.commits)))
    return folder / name


def _copy(name: str, built: Path, folder: Path) -> Example:
    """Return a copy, as two processes may not work in one DVC project."""
    shutil.copytree(built, folder, symlinks=True)
    repository = SampleProject(folder=folder, root=folder / "project")
    repository.git("remote", "set-url", "origin", str(repository.git_remote))
    commits = json.loads(built.with_suffix(".json").read_text())
    return Example(name=name, repository=repository, root=repository.root / HISTORIES[name].folder, commits=commits)
