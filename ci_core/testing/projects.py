"""A small real project for tests: a Git repository with a DVC pipeline, a bare Git remote and a local DVC remote.

``make_project(tmp_path)`` gives each test its own copy of a template that is made once per process (about two seconds)
and copied in milliseconds. The layout below the given folder::

    project/      the work tree: data/raw.csv.dvc, dvc.yaml, dvc.lock, params.yaml, metrics.json, plots/errors.csv
    remote.git/   the bare repository that ``origin`` points to; branch ``main``
    dvc-remote/   the default DVC remote, named by a relative path so that clones beside the project find it too

The pipeline is ``prepare → train → evaluate`` in plain Python: it fits ``y = slope * x`` to 40 rows. It has an output
that is a folder (``data/prepared``), a model (``models/model.json``), metrics and a plot that Git keeps. Dates and
names are fixed, so the template's commit is the same in every run.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

FILES = {
    "graphship.yaml": "name: sample\ngates:\n  metrics.json:mae: {max: 8.0, max-regression: 0.1}\n",
    "params.yaml": "prepare:\n  keep: 40\ntrain:\n  steps: 3\n  rate: 0.001\n",
    "data/raw.csv": "x,y\n" + "".join(f"{x},{3 * x + (x * 7) % 5 - 2}\n" for x in range(1, 41)),
    "src/prepare.py": """\
import csv, json, pathlib
import sys

keep = int(next(l.split(":")[1] for l in open("params.yaml") if "keep:" in l))
rows = list(csv.reader(open("data/raw.csv")))[1 : keep + 1]
folder = pathlib.Path("data/prepared")
folder.mkdir(parents=True, exist_ok=True)
for name, part in {"train": rows[::2], "test": rows[1::2]}.items():
    (folder / f"{name}.csv").write_text("".join(f"{x},{y}\\n" for x, y in part))
print("prepared", len(rows), "rows")
print("a remark on standard error", file=sys.stderr)
""",
    "src/train.py": """\
import csv, json, pathlib

params = dict(l.strip().split(": ") for l in open("params.yaml") if ": " in l)
rows = [(float(x), float(y)) for x, y in csv.reader(open("data/prepared/train.csv"))]
slope = 0.0
for step in range(int(params["steps"])):
    slope -= float(params["rate"]) * sum((slope * x - y) * x for x, y in rows) / len(rows)
print("slope", round(slope, 4))
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/model.json").write_text(json.dumps({"slope": round(slope, 6)}))
""",
    "src/evaluate.py": """\
import csv, json, pathlib

slope = json.load(open("models/model.json"))["slope"]
rows = [(float(x), float(y)) for x, y in csv.reader(open("data/prepared/test.csv"))]
errors = [(x, round(abs(slope * x - y), 6)) for x, y in rows]
pathlib.Path("plots").mkdir(exist_ok=True)
pathlib.Path("plots/errors.csv").write_text("x,error\\n" + "".join(f"{x},{e}\\n" for x, e in errors))
mae = round(sum(e for _, e in errors) / len(errors), 6)
pathlib.Path("metrics.json").write_text(json.dumps({"mae": mae, "test": {"rows": len(rows)}}))
""",
    "dvc.yaml": """\
stages:
  prepare:
    cmd: python3 src/prepare.py
    deps: [data/raw.csv, src/prepare.py]
    params: [prepare.keep]
    outs: [data/prepared]
  train:
    cmd: python3 src/train.py
    deps: [data/prepared, src/train.py]
    params: [train.steps, train.rate]
    outs: [models/model.json]
  evaluate:
    cmd: python3 src/evaluate.py
    deps: [data/prepared, models/model.json, src/evaluate.py]
    metrics: [{metrics.json: {cache: false}}]
    plots: [{plots/errors.csv: {cache: false, x: x, y: error, title: Errors}}]
""",
}
"""Path → content of the template's files, before DVC takes ``data/raw.csv`` over."""

_AUTHOR = {
    "GIT_AUTHOR_NAME": "Test Person",
    "GIT_AUTHOR_EMAIL": "person@example.org",
    "GIT_COMMITTER_NAME": "Test Person",
    "GIT_COMMITTER_EMAIL": "person@example.org",
    "GIT_AUTHOR_DATE": "2024-03-01T12:00:00+00:00",
    "GIT_COMMITTER_DATE": "2024-03-01T12:00:00+00:00",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleProject:
    """One project in a temporary folder."""

    folder: Path
    """Holds the project and its remotes."""
    root: Path
    """The work tree."""

    @property
    def git_remote(self) -> Path:
        """The bare repository that ``origin`` points to."""
        return self.folder / "remote.git"

    @property
    def dvc_remote(self) -> Path:
        """The folder of the default DVC remote."""
        return self.folder / "dvc-remote"

    def git(self, *arguments: str) -> str:
        """Run Git in the work tree and return its output without the last newline."""
        return run_git(self.root, *arguments)

    def write(self, path: str, text: str) -> Path:
        """Write a file of the work tree; its folder is made when needed."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace `old`, which must be there, by `new` in a file of the work tree."""
        text = (self.root / path).read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"{path} does not contain {old!r}")
        self.write(path, text.replace(old, new))

    def commit(self, message: str = "a change") -> str:
        """Commit everything that is not ignored; return the commit's full name."""
        self.git("add", "--all")
        self.git("commit", "-q", "-m", message)
        return self.head()

    def head(self) -> str:
        """Return the full name of the checked-out commit."""
        return self.git("rev-parse", "HEAD")

    def clone(self, name: str, *, depth: int | None = None) -> SampleProject:
        """Clone the bare remote beside this project; with `depth` the clone is shallow. DVC's cache starts empty."""
        shallow = [] if depth is None else ["--depth", str(depth)]
        run_git(self.folder, "clone", "-q", *shallow, self.git_remote.as_uri(), name)
        return SampleProject(folder=self.folder, root=self.folder / name)


def make_project(folder: Path, *, name: str = "project") -> SampleProject:
    """Copy the template into `folder`, which must not hold a project of that name yet.

    Args:
        folder: gets the project and both remotes.
        name: name of the work tree's folder; may hold blanks and any letters.
    """
    shutil.copytree(_template(), folder, dirs_exist_ok=True, symlinks=True)
    root = folder / name
    if name != "project":
        (folder / "project").rename(root)
    project = SampleProject(folder=folder, root=root)
    project.git("remote", "set-url", "origin", str(project.git_remote))
    return project


def make_plain_repository(folder: Path, files: dict[str, str] | None = None) -> SampleProject:
    """Make a Git repository without DVC and without a remote in ``folder/project``; no files, no commit."""
    root = folder / "project"
    root.mkdir(parents=True)
    run_git(root, "init", "-q", "-b", "main")
    project = SampleProject(folder=folder, root=root)
    for path, text in (files or {}).items():
        project.write(path, text)
    if files:
        project.commit("the first")
    return project


def run_git(folder: Path, *arguments: str) -> str:
    """Run Git in `folder` with a fixed author and date; return its output without the last newline."""
    command = ["git", "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(  # noqa: S603 - arguments come from a test
        command, cwd=folder, env={**os.environ, **_AUTHOR}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


@functools.cache
def _template() -> Path:
    """Make the template once per process; it is removed when the process ends."""
    from dvc.repo import Repo

    folder = Path(tempfile.mkdtemp(prefix="graphship-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run_git(folder, "init", "-q", "--bare", "-b", "main", "remote.git")
    project = make_plain_repository(folder)
    for path, text in FILES.items():
        project.write(path, text)
    logging.getLogger("dvc").setLevel(logging.ERROR)
    Repo.init(str(project.root)).close()
    project.write(".dvc/config", "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../../dvc-remote\n")
    with Repo(str(project.root)) as repo:
        before = Path.cwd()
        os.chdir(project.root)  # DVC names stages and outputs relative to the current folder
        try:
            repo.add("data/raw.csv")
            repo.reproduce()
            repo.push(run_cache=True)
        finally:
            os.chdir(before)
    project.commit("the first model")
    project.git("remote", "add", "origin", str(project.git_remote))
    project.git("push", "-q", "-u", "origin", "main")
    return folder
