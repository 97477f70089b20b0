"""Fetch from the remote's run cache what a stage asks for, when it asks.

DVC copies all of it, which is every run that anybody ever pushed, each time.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ci_core.versioning._dvc_session import is_of_a_remote

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_cache_problem(repo: Any) -> str | None:
    """Return why the default remote is out of reach; None when it is not."""
    try:
        store = _store(repo)
        store.fs.exists(store.path)
    except Exception as error:
        if not is_of_a_remote(error):
            raise
        return str(error) or type(error).__name__
    return None


@contextlib.contextmanager
def run_cache_of_remote(repo: Any) -> Iterator[None]:
    """Let DVC find runs of the default remote's run cache, too, inside the ``with`` block.

    A remote that cannot list its files (HTTP) has none.
    """
    cache = repo.stage_cache
    load = cache._load  # noqa: SLF001 - where DVC looks a stage up

    def fetch_and_load(stage: Any) -> Any:
        _fetch(repo, stage)
        return load(stage)

    cache._load = fetch_and_load  # noqa: SLF001 - as above
    try:
        yield
    finally:
        cache._load = load  # noqa: SLF001 - as above


def _fetch(repo: Any, stage: Any) -> None:
    from dvc.stage.cache import _get_stage_hash
    from dvc_objects.fs.generic import copy

    remote, local = _store(repo), repo.cache.legacy
    key = _get_stage_hash(stage)
    if not key or remote.fs.protocol in {"http", "https"}:
        return
    there, here = (store.fs.join(store.path, "runs", key[:2], key) for store in (remote, local))
    if not remote.fs.exists(there):
        return
    for run in remote.fs.find(there):
        target = local.fs.join(here, remote.fs.name(run))
        if not local.fs.exists(target):
            local.makedirs(here)
            copy(remote.fs, run, local.fs, target)


def _store(repo: Any) -> Any:
    return repo.cloud.get_remote_odb(None, "fetch --run-cache", hash_name="md5-dos2unix")
