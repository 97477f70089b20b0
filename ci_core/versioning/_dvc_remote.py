"""Say which objects a project needs, and which of them a place does not have.

DVC keeps a note of what it believes a remote holds and skips looking; a pull can warn and still end well. So what was
pushed or pulled is looked for again, without that note.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ci_core.versioning._dvc_objects import cached, object_id
from ci_core.versioning._dvc_read import project_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object of DVC's store that the project needs."""

    path: str
    """The file it is the content of, relative to the project."""
    size_bytes: int | None
    hash_name: str
    """``md5``, or ``md5-dos2unix`` for files written by DVC before version 3."""
    oid: str


def stores(repo: Any) -> dict[str, Any]:
    """Return the default remote's stores by the kind of hash; empty when there is no default remote.

    They are opened in the work tree: a commit that is looked at has its own idea of the remote, and not the settings
    and passwords of this machine.
    """
    if repo.config["core"].get("remote") is None:
        return {}
    return {hash_name: repo.cloud.get_remote_odb(hash_name=hash_name) for hash_name in ("md5", "md5-dos2unix")}


def stored_objects(repo: Any, prefix: str, stores: Mapping[str, Any] | None = None) -> Iterator[StoredObject]:
    """Yield the objects that are meant to be in the default remote, folders and each file in them.

    What is imported from elsewhere, has a remote of its own or says ``push: false`` is left out.
    """
    for out in repo.index.outs:
        path = project_path(repo, out.fs_path, prefix)
        if path is not None and _belongs_to_default_remote(out):
            yield from _objects(out, path, stores)


def missing_in_remote(
    repo: Any, objects: list[StoredObject], stores: Mapping[str, Any] | None = None
) -> list[StoredObject]:
    """Return the objects that the default remote does not have, by asking it."""
    missing = []
    for hash_name in sorted({needed.hash_name for needed in objects}):
        of_kind = [needed for needed in objects if needed.hash_name == hash_name]
        store = stores[hash_name] if stores else repo.cloud.get_remote_odb(hash_name=hash_name)
        present = set(store.oids_exist({needed.oid for needed in of_kind}))
        missing += [_measured(repo, needed) for needed in of_kind if needed.oid not in present]
    return missing


def _measured(repo: Any, needed: StoredObject) -> StoredObject:
    """Return an object with its size: DVC's lists of folders have none, but the cache may have the file."""
    if needed.size_bytes is not None or object_id(f"md5:{needed.oid}") is None:
        return needed
    place = cached(repo, needed.oid)
    return needed if place is None else replace(needed, size_bytes=place.stat().st_size)


def push_outputs_kept_by_git(repo: Any) -> int:
    """Send the metrics and plots that Git keeps, too, and return how many were new.

    Without them an entry of the run cache cannot be used elsewhere, and DVC leaves them out.
    """
    digests = {
        out.hash_info
        for out in repo.index.outs
        if out.stage.cmd and not out.use_cache and out.is_in_repo and out.hash_info
    }
    present = {digest for digest in digests if repo.cache.local.exists(digest.value)}
    return len(repo.cloud.push(present).transferred) if present else 0


def forget_remote_contents(repo: Any) -> None:
    """Make DVC look at the remote again instead of at its note of what is there."""
    from dvc_data.hashfile.db import get_index

    for hash_name in ("md5", "md5-dos2unix"):
        index = get_index(repo.cloud.get_remote_odb(hash_name=hash_name))
        index.clear()
        index.close()
    repo.drop_data_index()


def missing_runs(repo: Any) -> list[str]:
    """Return the entries of the run cache that the remote does not have; empty where remotes cannot hold any."""
    store = repo.cloud.get_remote_odb(hash_name="md5-dos2unix")
    if store.fs.protocol in {"http", "https"}:
        return []
    local, remote = repo.cache.legacy, store
    return sorted(_runs(local.fs, local.path) - _runs(remote.fs, remote.path))


def is_incomplete(out: Any) -> bool:
    """Whether an output, or a file of a folder, is not in the work tree."""
    if not out.exists:
        return True
    if not out.is_dir_checksum or not out.changed_checksum():
        return False
    tree = out.get_obj()
    return tree is None or any(not out.fs.exists(out.fs.join(out.fs_path, *key)) for key, _, _ in tree)


def lost_files(out: Any, path: str) -> list[tuple[str, int | None]]:
    """Return path and size of what an output lacks and the cache cannot give; empty when it is complete."""
    if not is_incomplete(out):
        return []
    tree = _tree(out) if out.is_dir_checksum else None
    files = [
        (posixpath.join(path, *key), meta.size if meta else None)
        for key, meta, digest in tree or ()
        if not out.cache.exists(digest.value)
    ]
    return files or [(path, out.meta.size)]


def _belongs_to_default_remote(out: Any) -> bool:
    return bool(
        out.hash_info
        and out.use_cache
        and out.is_in_repo
        and out.can_push
        and not out.remote
        and not out.stage.is_repo_import
        and not out.stage.is_partial_import
    )


def overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _objects(out: Any, path: str, stores: Mapping[str, Any] | None) -> Iterator[StoredObject]:
    yield StoredObject(path=path, size_bytes=out.meta.size, hash_name=out.hash_name, oid=out.hash_info.value)
    if not out.is_dir_checksum:
        return
    for key, meta, digest in _tree(out, stores) or ():
        yield StoredObject(
            path=posixpath.join(path, *key),
            size_bytes=meta.size if meta else None,
            hash_name=out.hash_name,
            oid=digest.value,
        )


def _tree(out: Any, stores: Mapping[str, Any] | None = None) -> Any:
    """Return the list of files of a folder from the cache, else from the remote, else None."""
    from dvc_data.hashfile.tree import Tree

    tree = out.get_obj()
    if tree is not None:
        return tree
    try:
        store = stores[out.hash_name] if stores else out.repo.cloud.get_remote_odb(hash_name=out.hash_name)
        return Tree.load(store, out.hash_info)
    except FileNotFoundError:
        return None


def _runs(fs: Any, path: str) -> set[str]:
    folder = fs.join(path, "runs")
    return {"/".join(fs.relparts(file, folder)) for file in fs.find(folder)} if fs.exists(folder) else set()
