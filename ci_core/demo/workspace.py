"""The folder that the demo lives in: a remote with its host, a person's clone, a CI runner's clone.

Layout of ``graphship-demo/``::

    .graphship-demo     marker: only a folder that carries it is ever removed
    flights.git         the remote, a bare repository            flights.host   its change requests, issues, statuses
    flights/            the person's clone                       flights-ci/    the CI runner's clone
    dvc-remote/         where DVC keeps data and models          feeds/         labels, as they arrive
    state/              the local target: releases, servers      pages/         copies of the pages to look at

Both clones lie beside ``dvc-remote``, since the project names it by a relative path: an absolute one with other letters
than English ones is more than DVC's configuration can hold in every locale.

Used by ``story.py`` and by end-to-end tests. Everything is done as a user would do it: with Git, DVC and ``graphship``.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ci_core import _process
from ci_core.demo.dataset import Period, write_labels, write_training_table, write_weather_table
from ci_core.demo.pins import pinned_requirements
from ci_core.errors import DemoFolderTakenError
from ci_core.types import EnvironmentName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.deploy.local.target import LocalTarget
    from ci_core.hosts.local import LocalHost

    OnLine = _process.OnLine

TEMPLATE: Final = Path(__file__).parent / "project"
TRAINING: Final = Period(first=date(2013, 1, 1), last=date(2013, 2, 14))
ENVIRONMENT: Final = EnvironmentName("staging")
PERSON: Final = "robin"
"""Who works on the project in the story."""

_MARKER: Final = ".graphship-demo"
_LABELS_IN_TEMPLATE: Final = "/feeds/flights/labels.parquet"
_NOT_COPIED: Final = ("__pycache__", ".graphship", "*.pyc", ".mypy_cache", ".ruff_cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where everything is, and the environment variables that programs in it get."""

    root: Path
    """Absolute."""
    env: Mapping[str, str]

    @property
    def repository(self) -> Path:
        """The bare repository that both clones have as their origin."""
        return self.root / "flights.git"

    @property
    def project(self) -> Path:
        """The person's clone."""
        return self.root / "flights"

    @property
    def ci_project(self) -> Path:
        """The CI runner's clone."""
        return self.root / "flights-ci"

    @property
    def state(self) -> Path:
        """The folder of the local target."""
        return self.root / "state" / "flights"

    @property
    def labels(self) -> Path:
        """The outcomes that have arrived so far."""
        return self.root / "feeds" / "labels.parquet"

    @property
    def pages(self) -> Path:
        """Copies of the pages that the story ends with."""
        return self.root / "pages"

    def host(self) -> LocalHost:
        """Return the host, acted on by the person."""
        from ci_core.hosts.local import LocalHost
        from ci_core.hosts.local.host import host_folder

        return LocalHost(self.repository, host_folder(self.repository), PERSON)

    def target(self) -> LocalTarget:
        """Return the target that the environments are on."""
        from ci_core.deploy.local.target import LocalTarget

        return LocalTarget(self.state, env=self.env, clock=lambda: datetime.now(UTC))

    def stop(self) -> None:
        """End every process that serves from here; nothing to end, or a folder of somebody else's, is fine."""
        if (self.root / _MARKER).is_file() and (self.state / ENVIRONMENT).is_dir():
            self.target().destroy(ENVIRONMENT)

    def run(self, *arguments: str, cwd: Path | None = None, on_line: OnLine | None = None) -> str:
        """Run a program in the person's clone, or in `cwd`, and return what it printed.

        Raises:
            ProgramFailedError: it failed; the error has its last lines.
        """
        return _process.run(arguments, cwd=cwd or self.project, env=self.env, on_line=on_line).output

    def graphship(self, *arguments: str, on_line: OnLine | None = None) -> str:
        """Run a ``graphship`` command in the person's clone, in a process of its own, as a person does."""
        return self.run(sys.executable, "-m", "ci_core", *arguments, on_line=on_line)

    def commit(self, message: str) -> None:
        """Commit all changes of the person's clone."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def push_data(self) -> None:
        """Send what DVC keeps of the person's clone to the DVC remote."""
        from ci_core.versioning.dvc import DvcProject

        DvcProject(self.project).push()


def open_workspace(root: Path, env: Mapping[str, str]) -> Workspace:
    """Return the workspace at `root`, which need not exist yet.

    Args:
        root: the demo's folder.
        env: our environment; programs get it with the tools of this Python in front, and without what would make them
            believe that they run in somebody's CI job or hook.
    """
    tools = str(Path(sys.executable).parent)
    kept = {
        name: value
        for name, value in env.items()
        if not name.startswith(("GIT_", "GRAPHSHIP_", "CI_", "GITHUB_", "GITLAB_", "JENKINS_")) and name != "CI"
    }
    kept["PATH"] = tools + (f":{env['PATH']}" if env.get("PATH") else "")
    kept |= {"DVC_NO_ANALYTICS": "true", "GIT_TERMINAL_PROMPT": "0", "GRAPHSHIP_STATE_DIR": str(root / "state")}
    return Workspace(root=root, env=kept)


def make_workspace(root: Path, env: Mapping[str, str], *, on_line: OnLine = lambda _line: None) -> Workspace:
    """Make the folder with the project in its first version: trained, committed and pushed.

    An earlier demo at the same place is ended and removed first.

    Args:
        root: the demo's folder.
        env: our environment, see :func:`open_workspace`.
        on_line: told what the pipeline prints.

    Raises:
        DemoFolderTakenError: `root` holds something that no demo made.
    """
    workspace = open_workspace(root.absolute(), env)
    _clear(workspace)
    _make_remote(workspace)
    _write_project(workspace)
    _track_data(workspace)
    workspace.commit("Flights: pipeline, serving graph and data")
    workspace.graphship("run", on_line=on_line)
    workspace.commit("The first model")
    workspace.push_data()
    workspace.run("git", "push", "--quiet", "--set-upstream", "origin", "main")
    return workspace


def checkout_for_ci(workspace: Workspace, branch: str) -> Path:
    """Bring the CI runner's clone to the newest commit of `branch`, as a CI system does before a job; return it."""
    clone = workspace.ci_project
    if not clone.exists():
        workspace.run("git", "clone", "--quiet", "--", str(workspace.repository), str(clone), cwd=workspace.root)
    workspace.run("git", "fetch", "--quiet", "--prune", "origin", cwd=clone)
    workspace.run("git", "checkout", "--quiet", "--force", "-B", branch, f"origin/{branch}", cwd=clone)
    # What an earlier job left behind goes, as GitLab does it; DVC's cache stays, as a cache of the CI system would.
    workspace.run("git", "clean", "--quiet", "-ffdx", "--exclude=.dvc/cache", cwd=clone)
    return clone


def deliver_labels(workspace: Workspace, *periods: Period) -> int:
    """Let the outcomes of the flights of some periods arrive; return how many have arrived by then."""
    workspace.labels.parent.mkdir(exist_ok=True)
    return write_labels(workspace.labels, *periods)


def _clear(workspace: Workspace) -> None:
    root = workspace.root
    if (root / _MARKER).is_file():
        workspace.stop()
        shutil.rmtree(root)
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DemoFolderTakenError(path=str(root))
    root.mkdir(parents=True, exist_ok=True)
    (root / _MARKER).write_text("made by `graphship demo`, which removes this folder when it runs again\n", "utf-8")


def _make_remote(workspace: Workspace) -> None:
    from ci_core.hosts.local import create_local_host

    create_local_host(workspace.repository, login=PERSON)
    clone = str(workspace.project)
    workspace.run("git", "init", "--quiet", "--initial-branch=main", clone, cwd=workspace.root)
    workspace.run("git", "remote", "add", "origin", str(workspace.repository))
    for key, value in {
        "user.name": PERSON,
        "user.email": f"{PERSON}@example.org",
        # Whatever the user's own configuration says, the demo's commits need no key and run no hook of theirs.
        "commit.gpgsign": "false",
        "core.hooksPath": "/dev/null",
        "core.autocrlf": "false",
    }.items():
        workspace.run("git", "config", key, value)


def _write_project(workspace: Workspace) -> None:
    project = workspace.project
    shutil.copytree(TEMPLATE, project, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    config = project / "graphship.yaml"
    labels = json.dumps(str(workspace.labels), ensure_ascii=False)
    config.write_text(config.read_text("utf-8").replace(_LABELS_IN_TEMPLATE, labels), "utf-8")
    (project / "serving" / "requirements.txt").write_text(pinned_requirements(), "utf-8")
    (project / "data").mkdir(exist_ok=True)
    write_training_table(project / "data" / "train.parquet", TRAINING)
    write_weather_table(project / "data" / "weather.npz")


def _track_data(workspace: Workspace) -> None:
    from ci_core.versioning.dvc import DvcProject

    DvcProject(workspace.project).add(["data/train.parquet", "data/weather.npz"])
