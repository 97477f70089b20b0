"""Where objects of DVC's cache lie, and fetching a few of them from the remote.

An object's name comes from a file that anybody may write, so it is checked before it becomes part of a path, and what
lies there must be a file inside the cache and no link out of it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_OBJECT = re.compile(r"md5:([0-9a-f]{32}(?:\.dir)?)")


def object_id(digest: str | None) -> str | None:
    """Return the name of an object in DVC's store; None for what is no name of one."""
    found = _OBJECT.fullmatch(digest or "")
    return found[1] if found else None


def cached(repo: Any, oid: str) -> Path | None:
    """Return where an object lies in the cache, in today's layout or in that of DVC 2; None when it is not there."""
    for store in (repo.cache.local, repo.cache.legacy):
        place = Path(store.oid_to_path(oid))
        try:
            real = place.resolve(strict=True)
            if real.is_file() and real.is_relative_to(Path(store.path).resolve()):
                return real
        except OSError:
            continue
    return None


def remote_of(repo: Any, fs_path: str) -> str | None:
    """Return the remote that an output names for itself; None for the default one."""
    return next((out.remote for out in repo.index.outs if out.fs_path == fs_path and out.remote), None)


def remote_size(repo: Any, oid: str, remote: str | None) -> int | None:
    """Return how large an object is in the remote, by asking it; None when it is not there or does not say."""
    for store in _stores(repo, remote):
        try:
            size = store.fs.size(store.oid_to_path(oid))
        except FileNotFoundError:
            continue
        return None if size is None else int(size)
    return None


def fetch(repo: Any, oids: Iterable[str], remote: str | None) -> None:
    """Copy objects, and no others, from the remote to the cache; those it does not have stay missing.

    What arrives damaged is removed again: DVC compares the content with its name.
    """
    wanted = {oid for oid in oids if cached(repo, oid) is None}
    places = {"md5": repo.cache.local, "md5-dos2unix": repo.cache.legacy}
    failed: list[BaseException] = []
    for store in _stores(repo, remote):
        if not wanted:
            return
        present = sorted(store.oids_exist(sorted(wanted)))
        if present:
            paths = [store.oid_to_path(oid) for oid in present]
            cache = places[store.hash_name]
            cache.add(paths, store.fs, present, verify=True, on_error=lambda _, error: failed.append(error))
            if failed:
                raise failed[0]
        wanted -= set(present)


def _stores(repo: Any, remote: str | None) -> list[Any]:
    """Return the remote's stores, in today's layout and in that of DVC 2."""
    return [repo.cloud.get_remote_odb(remote, hash_name=name) for name in ("md5", "md5-dos2unix")]


def folder(store: Any) -> Path:
    """Return the folder of a local store."""
    return Path(store.path).resolve()


def listed_on_disk(repo: Any, fs_path: str, oid: str) -> bytes | None:
    """Return the list of a folder of the work tree, as DVC would write it; None unless that list is object `oid`."""
    from dvc_data.hashfile.build import build

    out = next((out for out in repo.index.outs if out.fs_path == fs_path), None)
    if out is None:
        return None
    tree: Any
    _, _, tree = build(out.cache, out.fs_path, out.fs, out.hash_name, ignore=out.dvcignore, dry_run=True)
    return bytes(tree.as_bytes()) if tree.hash_info.value == oid else None
