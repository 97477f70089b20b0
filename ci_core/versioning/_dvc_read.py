"""Read tracked files, stages and staleness out of an open DVC repository; say where its files are.

Every function works on whatever the repository is switched to: the work tree, or a commit that is not checked out.
Paths are relative to the project's folder, which may lie below the DVC root; what lies outside the project is left
out. DVC ships no types, so its objects are ``Any`` here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ci_core.types import Digest
from ci_core.versioning.revision import StageVersion, TrackedFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ci_core.types import JsonValue

PIPELINE_FILE = "dvc.yaml"


class Hashes:
    """Hashes files as they are, each once: a folder is an output of one stage, and what the next one needs."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[Any, Any]] = {}

    def meta_and_hash(self, file: Any) -> tuple[Any, Any]:
        """Return size and number of files, and the hash, of an output or a dependency that is there."""
        key = file.protocol, file.fs_path, file.hash_name
        if key not in self._known:
            self._known[key] = file._get_hash_meta()  # noqa: SLF001 - asked one by one, DVC hashes twice
        return self._known[key]

    def is_changed(self, file: Any) -> bool:
        """Whether an output or a dependency that is there differs from what is recorded of it."""
        return bool(file.hash_info != self.meta_and_hash(file)[1])


def project_path(repo: Any, fs_path: str, prefix: str) -> str | None:
    """Return a path of DVC's file system relative to the project; None when it lies outside.

    Args:
        repo: DVC's repository, switched to some revision.
        fs_path: absolute path in the repository's present file system.
        prefix: the project's folder relative to the DVC root, with ``/``; empty when they are the same.
    """
    if not repo.fs.isin_or_eq(fs_path, repo.root_dir):
        return None
    return within(posixpath.join(*repo.fs.relparts(fs_path, repo.root_dir)), prefix)


def within(path: str, prefix: str) -> str | None:
    """Return `path` relative to the folder `prefix`; None when it lies outside."""
    if not prefix:
        return path
    return path.removeprefix(f"{prefix}/") if path.startswith(f"{prefix}/") else None


def is_at_a_commit(repo: Any) -> bool:
    """Whether the repository is switched to a commit rather than to the work tree."""
    from dvc.fs import LocalFileSystem

    return not isinstance(repo.fs, LocalFileSystem)


def repo_path(repo: Any, folder: str, name: str) -> str | None:
    """Return a path relative to the DVC root as a file in `folder` names it; None when it lies outside.

    DVC resolves this itself, but in a commit it stops at the root: there ``../x`` would pass for ``x``.
    """
    if posixpath.isabs(name):
        if is_at_a_commit(repo):
            return None
        relative = repo.fs.relpath(name, repo.root_dir)
    else:
        relative = posixpath.join(repo.fs.relpath(folder, repo.root_dir), name)
    path = posixpath.normpath(relative.replace("\\", "/"))
    return None if path == ".." or path.startswith("../") else path


def out_path(repo: Any, out: Any) -> str | None:
    """Return the path of an output or a dependency relative to the DVC root; None when it lies outside."""
    return repo_path(repo, out.stage.wdir, str(out.def_path)) if out.is_in_repo else None


def stage_name(repo: Any, stage: Any, prefix: str) -> str | None:
    """Return a stage's name as a person types it: ``train``, ``sub/dvc.yaml:train``, ``data/raw.csv.dvc``."""
    file = project_path(repo, stage.path, prefix)
    if file is None or not hasattr(stage, "name"):
        return file
    return stage.name if file == PIPELINE_FILE else f"{file}:{stage.name}"


def tracked_files(
    repo: Any, prefix: str, *, from_disk: Hashes | None = None, results: Collection[str] = ()
) -> tuple[list[TrackedFile], list[TrackedFile]]:
    """Return the files that no stage makes, and those that stages make, each sorted by path.

    Args:
        repo: DVC's repository.
        prefix: the project's folder relative to the DVC root.
        from_disk: hashes files that are there; None to take them as recorded in ``dvc.lock``.
        results: files that are metrics or plots, relative to the project.
    """
    shown = {folder for path in results for folder in (path, *_folders(path))}
    data: list[TrackedFile] = []
    outputs: list[TrackedFile] = []
    for out in repo.index.outs:
        inside = out_path(repo, out)
        path = None if inside is None else within(inside, prefix)
        if path is not None:
            (outputs if out.stage.cmd else data).append(
                _tracked_file(out, path, from_disk=from_disk, is_result=path in shown)
            )
    return sorted(data, key=_by_path), sorted(outputs, key=_by_path)


def stages(repo: Any, prefix: str) -> list[StageVersion]:
    """Return the stages that run a command, as they are declared, sorted by name."""
    found = [
        StageVersion(
            name=name,
            command="\n".join([stage.cmd] if isinstance(stage.cmd, str) else stage.cmd),
            needs=_paths(repo, stage.deps, prefix),
            params=tuple(sorted(key for dependency in stage.params for key in _param_keys(repo, dependency, prefix))),
            makes=_paths(repo, stage.outs, prefix),
        )
        for stage in repo.index.stages
        if stage.cmd and (name := stage_name(repo, stage, prefix))
    ]
    return sorted(found, key=lambda stage: stage.name)


def _paths(repo: Any, files: Iterable[Any], prefix: str) -> tuple[str, ...]:
    from dvc.dependency.param import ParamsDependency

    paths = {_path_or_own(repo, file, prefix) for file in files if not isinstance(file, ParamsDependency)}
    return tuple(sorted(paths))


def _path_or_own(repo: Any, file: Any, prefix: str) -> str:
    """Return a path relative to the project, or what DVC calls a file outside: a URL, ``../shared/x.csv``."""
    inside = out_path(repo, file)
    return (None if inside is None else within(inside, prefix)) or str(file.def_path)


def _param_keys(repo: Any, dependency: Any, prefix: str) -> list[str]:
    path = _path_or_own(repo, dependency, prefix)
    return [f"{path}:{name}" for name in dependency.params] or [path]


def flatten(value: object, prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Yield ``a.b`` → leaf of nested mappings; an empty mapping and a list are leaves."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, plain(value)


def plain(value: object) -> JsonValue:
    """Return a value from YAML, TOML or JSON as JSON knows it; a date becomes ISO 8601 text. NaN stays NaN."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def stale_reasons(repo: Any, stage: Any, hashes: Hashes) -> list[str]:
    """Return why a stage would run again, one phrase each; empty when it would not.

    Data that was not fetched does not make a stage stale: then the recorded hashes of what it needs and of what the
    stages before it made are compared.
    """
    if stage.frozen:
        return []
    if not any(file.hash_info for file in (*stage.deps, *stage.outs)):
        return ["it has never run"]
    reasons = ["its command changed"] if stage.changed_stage() else []
    if stage.always_changed or stage.is_callback:
        reasons.append("it is declared to run always")
    recorded = {out.fs_path: out.hash_info for out in repo.index.outs}
    for dependency in stage.deps:
        reasons += _dependency_reasons(dependency, recorded, hashes)
    for out in stage.outs:
        if not out.hash_info:
            reasons.append(f"`{out.def_path}` was never made")
        elif not out.use_cache and out.exists and hashes.is_changed(out):
            reasons.append(f"`{out.def_path}` was changed by hand")
        elif out.use_cache and out.exists and hashes.is_changed(out):
            reasons.append(f"`{out.def_path}` is not what the stage made")
    return reasons


def _dependency_reasons(dependency: Any, recorded: Mapping[str, Any], hashes: Hashes) -> list[str]:
    from dvc.dependency.base import Dependency
    from dvc.dependency.param import ParamsDependency

    if type(dependency) is Dependency and dependency.exists and not dependency.fs.version_aware:
        return [f"`{dependency.def_path}` changed"] if hashes.is_changed(dependency) else []
    states = dependency.status().values()
    if isinstance(dependency, ParamsDependency):
        keys = [key for state in states for key in (state if isinstance(state, dict) else [dependency.def_path])]
        return [f"param `{key}` changed" for key in keys]
    if not states:
        return []
    if "deleted" in states:
        if dependency.fs_path not in recorded:
            return [f"`{dependency.def_path}` is not there"]
        if recorded[dependency.fs_path] == dependency.hash_info:
            return []
    return [f"`{dependency.def_path}` changed"]


def _folders(path: str) -> list[str]:
    """Return the folders that a path lies in, without the project's own."""
    return [str(folder) for folder in PurePosixPath(path).parents if folder.name]


def _tracked_file(out: Any, path: str, *, from_disk: Hashes | None, is_result: bool) -> TrackedFile:
    meta, digest = out.meta, out.hash_info
    is_unrecorded = from_disk is not None and out.exists and from_disk.is_changed(out)
    if from_disk is not None and is_unrecorded:
        meta, digest = from_disk.meta_and_hash(out)
    return TrackedFile(
        path=path,
        digest=Digest(f"{digest.name.removesuffix('-dos2unix')}:{digest.value}") if digest else None,
        size_bytes=meta.size if digest else None,
        files=meta.nfiles if digest else None,
        is_unrecorded=is_unrecorded,
        is_result=is_result or bool(out.metric or out.plot),
    )


def _by_path(file: TrackedFile) -> str:
    return file.path
