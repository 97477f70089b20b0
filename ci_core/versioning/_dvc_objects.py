"""Where objects of DVC's cache lie, and fetching a few of them from the remote.

An object's name comes from a file that anybody may write, so it is checked before it becomes part of a path, and what
lies there must be a file inside the cache and no link out of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object that a remote has."""

    size_bytes: int | None
    """As the remote says; None when it does not."""
    store: Any


def in_remote(repo: Any, oids: Iterable[str], remote: str | None) -> dict[str, RemoteObject]:
    """Return those of some objects that the remote has, in today's layout or in that of DVC 2."""
    wanted = set(oids)
    found: dict[str, RemoteObject] = {}
    for hash_name in ("md5", "md5-dos2unix"):
        if not wanted:
            break
        store = repo.cloud.get_remote_odb(remote, hash_name=hash_name)
        present = sorted(store.oids_exist(sorted(wanted)))
        for oid, info in zip(present, store.fs.info([store.oid_to_path(oid) for oid in present]), strict=True):
            size = info.get("size")
            found[oid] = RemoteObject(None if size is None else int(size), store)
        wanted -= set(present)
    return found


def fetch(repo: Any, objects: Mapping[str, RemoteObject]) -> None:
    """Copy objects, and no others, from the remote to the cache.

    What arrives damaged is removed again: DVC compares the content with its name.
    """
    places = {"md5": repo.cache.local, "md5-dos2unix": repo.cache.legacy}
    failed: list[BaseException] = []
    for hash_name, cache in places.items():
        one_layout = {oid: found.store for oid, found in objects.items() if found.store.hash_name == hash_name}
        if not one_layout:
            continue
        store = next(iter(one_layout.values()))
        paths = [store.oid_to_path(oid) for oid in one_layout]
        cache.add(paths, store.fs, list(one_layout), verify=True, on_error=lambda _, error: failed.append(error))
        if failed:
            raise failed[0]


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
