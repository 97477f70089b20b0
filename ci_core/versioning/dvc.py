"""The DVC project: params, metrics, plots, data and models at the work tree or at any commit, without checking it out.

One ``dvc.repo.Repo`` in this process, opened when it is first needed. Used by ``versioning/snapshot.py`` and by
``pipelines/dvc.py``, which runs it. While DVC works, the current folder of the process is the project's, since DVC
names everything relative to it: one thread at a time.
"""

from __future__ import annotations

import contextlib
import functools
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import MissingObjectsError, NoDataRemoteError, NoPipelineError, NotADvcProjectError
from ci_core.versioning import _dvc_artifacts, _dvc_objects, _dvc_plots, _dvc_read, _dvc_remote, _dvc_runs, _dvc_values
from ci_core.versioning._dvc_parse import old_locks_understood
from ci_core.versioning._dvc_session import open_repo, translated
from ci_core.versioning._git_process import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ci_core.types import CommitId, JsonValue
    from ci_core.versioning.plots import Plot
    from ci_core.versioning.revision import DeclaredArtifact, StageVersion, TrackedFile

_KEPT_COMMITS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DvcState:
    """What DVC knows of a project at one revision."""

    data: tuple[TrackedFile, ...]
    outputs: tuple[TrackedFile, ...]
    params: Mapping[str, JsonValue]
    metrics: Mapping[str, JsonValue]
    stages: tuple[StageVersion, ...]
    artifacts: tuple[DeclaredArtifact, ...]
    stale: tuple[StaleStage, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleStage:
    """A stage that would run again."""

    name: str
    reasons: tuple[str, ...]
    """What moved since it last ran; empty for a stage that only follows a stale one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Objects that were sent or fetched, and then seen to be there."""

    remote: str | None
    """Name and address of the remote; None when nothing had to be transferred."""
    transferred: int
    """Objects that moved."""
    verified: int
    """Objects (push) or outputs (pull) that were looked for and found."""


class DvcProject:
    """The DVC project that a folder belongs to.

    Args:
        root: the project's folder; all paths are relative to it. The DVC root may lie above.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._indexes: dict[CommitId, Any] = {}
        """What DVC collected of the commits that were read last: a report reads two, several times each."""

    @property
    def repo(self) -> Any:
        """DVC's own object.

        Raises:
            NotADvcProjectError: there is no ``.dvc`` folder here or above.
            MissingExtraError: DVC is not installed.
        """
        return self._opened[0]

    @functools.cached_property
    def _opened(self) -> tuple[Any, str]:
        repo = open_repo(self.root)
        # Read now: while DVC looks at a commit, its root is that of the commit's own file system.
        relative = self.root.relative_to(repo.root_dir).as_posix()
        return repo, "" if relative == "." else relative

    @property
    def prefix(self) -> str:
        """The project's folder relative to the DVC root, with ``/``; empty when they are the same."""
        return self._opened[1]

    @contextlib.contextmanager
    def session(self, doing: str, *, revision: CommitId | None = None, remote: str | None = None) -> Iterator[Any]:
        """Give DVC's repository, switched to `revision` (None: the work tree, locked), with errors translated.

        Args:
            doing: completes "DVC could not …".
            revision: a full commit id.
            remote: the remote that will be spoken to, for messages.

        Raises:
            DvcBusyError: another process holds the project's lock for more than three seconds.
            InvalidDvcFileError: a file of DVC's cannot be understood.
            NotADvcProjectError: there is no DVC project at that revision.
            DvcFailedError: any other refusal of DVC.
        """
        from dvc.repo import lock_repo

        repo = self.repo
        config = repo.config
        place = lock_repo(repo) if revision is None else repo.switch(revision)
        with (
            contextlib.chdir(self.root),
            translated(doing, path=str(self.root), revision=revision, remote=remote),
            place,
        ):
            if revision is not None and not repo.fs.isdir(repo.dvc_dir):
                raise NotADvcProjectError(path=str(self.root), revision=revision)
            # DVC would read a commit's own configuration: without `config.local`, where credentials are, with relative
            # addresses of remotes taken from the root of the disk.
            repo.__dict__["config"] = config
            if revision is None:
                yield repo
                return
            if revision in self._indexes:
                repo.__dict__["index"] = self._indexes[revision]
            yield repo
            if "index" in repo.__dict__:
                self._keep(revision, repo.index)

    def _keep(self, revision: CommitId, index: Any) -> None:
        # It looks into a database that a fetch empties, so that is opened anew.
        index.__dict__.pop("data", None)
        self._indexes.pop(revision, None)
        self._indexes[revision] = index
        if len(self._indexes) > _KEPT_COMMITS:
            del self._indexes[next(iter(self._indexes))]

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Take the stages of the work tree for unchanged inside the ``with`` block, so that they are collected once.

        Nobody may write a ``dvc.yaml``, a ``dvc.lock`` or a ``.dvc`` file there.

        Raises:
            as :meth:`session`.
        """
        with self.session("read the project"):
            yield

    # --- reading ---

    def read(self, revision: CommitId | None = None) -> DvcState:
        """Return everything but plots at a commit, or in the work tree.

        In the work tree, files that are there are hashed and files that are not are taken as recorded.

        Raises:
            as :meth:`session`.
        """
        with old_locks_understood(), self.session("read the project", revision=revision) as repo:
            results = _dvc_values.metric_files(repo, self.prefix) | _dvc_plots.plot_files(repo, self.prefix)
            hashes = _dvc_read.Hashes()
            from_disk = hashes if revision is None else None
            data, outputs = _dvc_read.tracked_files(repo, self.prefix, from_disk=from_disk, results=results)
            params, params_problems = _dvc_values.params(repo, self.prefix)
            metrics, metrics_problems = _dvc_values.metrics(repo, self.prefix)
            return DvcState(
                data=tuple(data),
                outputs=tuple(outputs),
                params=params,
                metrics=metrics,
                stages=tuple(_dvc_read.stages(repo, self.prefix)),
                artifacts=tuple(_dvc_artifacts.declared(repo, self.prefix)),
                stale=self._stale(repo, hashes),
                problems=tuple(dict.fromkeys((*params_problems, *metrics_problems))),
            )

    def plots(self, revision: CommitId | None = None) -> tuple[Plot, ...]:
        """Return the declared plots with their rows, sorted by id.

        Raises:
            as :meth:`session`.
        """
        with old_locks_understood(), self.session("read the plots", revision=revision) as repo:
            return _dvc_plots.plots(repo, self.prefix)

    def artifacts(self, revision: CommitId | None = None) -> tuple[DeclaredArtifact, ...]:
        """Return what the ``artifacts`` of each ``dvc.yaml`` name, sorted by folder and name.

        Raises:
            as :meth:`session`.
        """
        with self.session("read its artifacts", revision=revision) as repo:
            return tuple(_dvc_artifacts.declared(repo, self.prefix))

    def stale(self, revision: CommitId | None = None) -> tuple[StaleStage, ...]:
        """Return the stages that would run, in the order of running; with those that only follow.

        Raises:
            NoPipelineError: the project has no stage.
            and as :meth:`session`.
        """
        with (
            old_locks_understood(),
            self.session("compare the stages with their inputs", revision=revision) as repo,
        ):
            if not any(stage.cmd for stage in self._stages()):
                raise NoPipelineError(path=str(self.root))
            return self._stale(repo, _dvc_read.Hashes())

    def remote(self) -> str | None:
        """Return the name and the address of the default remote; None when there is none."""
        name = self.repo.config["core"].get("remote")
        if name is None:
            return None
        url = self.repo.config["remote"].get(name, {}).get("url", "")
        return f"{name} ({without_credentials(str(url))})"

    def missing_objects(self, revision: CommitId | None = None) -> tuple[tuple[str, int | None], ...]:
        """Return path and size of every object of a commit, or the work tree, that the remote lacks, by asking it.

        Raises:
            NoDataRemoteError: no default remote is configured, and there are objects that belong into it.
            DataRemoteError: the remote cannot be reached.
        """
        remote = self.remote()
        with self.session("open its remote", remote=remote) as repo:
            stores = _dvc_remote.stores(repo)
        with self.session("list its objects", revision=revision, remote=remote) as repo:
            needed = list(_dvc_remote.stored_objects(repo, self.prefix, stores))
            missing = _dvc_remote.missing_in_remote(repo, needed, stores) if remote else []
        if needed:
            self._need_remote()
        return tuple((lost.path, lost.size_bytes) for lost in missing)

    # --- writing ---

    def add(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Make the present content of `paths` their new version; return the files that Git must commit for it.

        Raises:
            DvcFailedError: a path is not there, is tracked by Git, or is made by a stage.
        """
        with self.session(f"add {', '.join(paths)}") as repo:
            stages = repo.add(list(paths))
            files = [_dvc_read.project_path(repo, stage.path, self.prefix) for stage in stages]
        ignores = [
            f"{folder}/.gitignore".removeprefix("/") for folder, _, _ in (path.rpartition("/") for path in paths)
        ]
        return tuple(sorted({*(file for file in files if file), *(i for i in ignores if (self.root / i).is_file())}))

    def checkout(self) -> None:
        """Make the work tree's data what its ``dvc.lock`` and ``.dvc`` files say, as far as the cache has it."""
        with self.session("put the data back") as repo:
            repo.checkout(force=True, allow_missing=True)

    def push(self) -> Transfer:
        """Send all objects and the run cache to the default remote, and look that they are there.

        Raises:
            NoDataRemoteError: no default remote is configured.
            MissingObjectsError: objects are still missing afterwards; each is named by path and size.
            DataRemoteError: the remote cannot be reached or refuses.
        """
        remote = self._need_remote()
        with self.session("send the data", remote=remote) as repo:
            needed = list(_dvc_remote.stored_objects(repo, self.prefix))
            sent = repo.push(run_cache=True) + _dvc_remote.push_outputs_kept_by_git(repo)
            missing = _dvc_remote.missing_in_remote(repo, needed)
            if missing:  # DVC believed they were there
                _dvc_remote.forget_remote_contents(repo)
                sent += repo.push(run_cache=True)
                missing = _dvc_remote.missing_in_remote(repo, needed)
            files = [(lost.path, lost.size_bytes) for lost in missing]
            files += [(f"run cache {entry}", None) for entry in _dvc_remote.missing_runs(repo)]
        if files:
            hint = (
                "they are in neither this clone nor the remote: run the stages that make them, or fetch the data again"
            )
            raise MissingObjectsError(place=f"the DVC remote `{remote}`", files=files, hint=hint)
        return Transfer(remote=remote, transferred=sent, verified=len(needed))

    def pull(self, paths: Sequence[str] | None = None) -> Transfer:
        """Fetch what `paths` need (None: all) unless it is there already, and look that it is there.

        Paths that DVC does not track, and files that were changed in the work tree, are left alone.

        Raises:
            NoDataRemoteError: something is missing and no default remote is configured.
            MissingObjectsError: something is in neither the cache nor the remote; each is named by path and size.
            DataRemoteError: the remote cannot be reached or refuses.
        """
        remote = self.remote()
        with self.session("fetch the data", remote=remote) as repo:
            return self.fetch(repo, paths)

    def fetch(self, repo: Any, paths: Sequence[str] | None) -> Transfer:
        """Do the work of :meth:`pull` inside a session that is open already."""
        from dvc.exceptions import CheckoutError, FileTransferError

        wanted = {path: out for path, out in self._outs(repo, paths) if _dvc_remote.is_incomplete(out)}
        if not wanted:
            return Transfer(remote=None, transferred=0, verified=0)
        targets = [out.fs_path for out in wanted.values()]
        repo.checkout(targets=targets, allow_missing=True)
        fetched, cause, remote = 0, None, self.remote()
        if any(_dvc_remote.is_incomplete(out) for out in wanted.values()):
            self._need_remote()
            _dvc_remote.forget_remote_contents(repo)
            try:
                fetched = repo.pull(targets=targets)["stats"]["fetched"]
            except (CheckoutError, FileTransferError) as error:
                cause = error
        lost = [file for path, out in wanted.items() for file in _dvc_remote.lost_files(out, path)]
        if lost:
            hint = "push them from a clone that has them: `dvc push`, or run the stages that make them"
            raise MissingObjectsError(place=f"the DVC remote `{remote}`", files=lost, hint=hint) from cause
        return Transfer(remote=remote if fetched else None, transferred=fetched, verified=len(wanted))

    def plan(self, repo: Any) -> list[Any]:
        """Return DVC's stages in an order in which each comes after what it needs."""
        from dvc.repo.reproduce import get_active_graph, plan_repro

        return list(plan_repro(get_active_graph(repo.index.graph)))

    def path_of(self, repo: Any, fs_path: str) -> str | None:
        """Return an absolute path of DVC's relative to the project; None for one outside."""
        return _dvc_read.project_path(repo, fs_path, self.prefix)

    def refusal(self, repo: Any, path: str) -> str | None:
        """Return why a file of the project is not read: it lies outside, is a link, …; None for one that may be."""
        inside = posixpath.normpath(posixpath.join(self.prefix, path))
        is_outside = posixpath.isabs(inside) or inside == ".." or inside.startswith("../")
        return _dvc_values.OUTSIDE if is_outside else _dvc_values.refusal(repo, inside)

    def cached(self, repo: Any, info: Mapping[str, Any]) -> Path | None:
        """Return where the cache has the content of a file, by what DVC knows of it; None when it has not."""
        oid = _dvc_objects.object_id(f"md5:{info.get('md5') or info.get('md5-dos2unix')}")
        return _dvc_objects.cached(repo, oid) if oid else None

    def run_cache_problem(self, repo: Any) -> str | None:
        """Return why the run cache of the remote is out of reach; None when it is not.

        What it holds only saves time: it can be made again.
        """
        return _dvc_runs.run_cache_problem(repo)

    def run_cache_of_remote(self, repo: Any) -> contextlib.AbstractContextManager[None]:
        """Let DVC find runs of the remote's run cache, too, inside the ``with`` block; each is fetched when it is."""
        return _dvc_runs.run_cache_of_remote(repo)

    def stage_name(self, stage: Any) -> str | None:
        """Return the name of one of DVC's stages as a person types it; None for one outside the project."""
        return _dvc_read.stage_name(self.repo, stage, self.prefix)

    def _outs(self, repo: Any, paths: Sequence[str] | None) -> list[tuple[str, Any]]:
        found = [(_dvc_read.project_path(repo, out.fs_path, self.prefix), out) for out in repo.index.outs]
        return [
            (path, out)
            for path, out in found
            if path and out.use_cache and (paths is None or any(_dvc_remote.overlap(path, wanted) for wanted in paths))
        ]

    def _stages(self) -> list[Any]:
        return [stage for stage in self.repo.index.stages if self.stage_name(stage)]

    def _stale(self, repo: Any, hashes: _dvc_read.Hashes) -> tuple[StaleStage, ...]:
        graph = repo.index.graph
        order = [stage for stage in self.plan(repo) if stage.cmd and self.stage_name(stage)]
        stale: dict[Any, StaleStage] = {}
        for stage in order:
            if stage.frozen:  # it never runs, whatever it follows
                continue
            reasons = tuple(_dvc_read.stale_reasons(repo, stage, hashes))
            if reasons or any(before in stale for before in graph.successors(stage)):
                stale[stage] = StaleStage(name=self.stage_name(stage) or "", reasons=reasons)
        return tuple(stale.values())

    def _need_remote(self) -> str:
        remote = self.remote()
        if remote is None:
            raise NoDataRemoteError(remotes=sorted(self.repo.config["remote"]))
        return remote
