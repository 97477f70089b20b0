"""The releases that an environment keeps, unpacked and ready to be started: a rollback needs no build."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.deploy.bundle import unpack_bundle
from ci_core.deploy.spec import ReleaseRecord
from ci_core.types import ReleaseId

if TYPE_CHECKING:
    from collections.abc import Collection

    from ci_core.deploy.local.paths import EnvironmentFolder

KEPT_RELEASES = 5
"""The live one and four to go back to."""
_RECORD = "record.json"


class ReleaseStore:
    """``releases/<id>/``: ``release.json``, ``record.json`` and ``bundle/``; each appears complete or not at all."""

    def __init__(self, folder: EnvironmentFolder) -> None:
        self._folder = folder

    def put(self, record: ReleaseRecord, bundle: Path) -> None:
        """Keep a release; one that is kept already is not unpacked again.

        Raises:
            BundleDamagedError: the archive is not the release's bundle.
        """
        target = self._folder.release(record.release.id)
        if self.get(record.release.id) is not None:
            _write_json(target / _RECORD, record.to_dict())
            target.touch()
            return
        with tempfile.TemporaryDirectory(prefix=".release-", dir=self._folder.releases) as scratch:
            fresh = Path(scratch) / "release"
            unpack_bundle(bundle, record.release.bundle, fresh / "bundle")
            _write_json(fresh / "release.json", record.release.to_dict())
            _write_json(fresh / _RECORD, record.to_dict())
            shutil.rmtree(target, ignore_errors=True)
            fresh.rename(target)

    def get(self, release: ReleaseId) -> ReleaseRecord | None:
        """Return what is known of a kept release; None when it is not kept, or was damaged."""
        folder = self._folder.release(release)
        try:
            record = ReleaseRecord.from_dict(json.loads((folder / _RECORD).read_bytes()))
        except (OSError, ValueError):
            return None
        return record if record.release.id == release and (folder / "bundle").is_dir() else None

    def kept(self) -> tuple[ReleaseId, ...]:
        """Return the ids of the kept releases, the one used last first."""
        folders = [place for place in self._folder.releases.glob("[0-9a-f]*") if place.is_dir()]
        folders.sort(key=lambda place: place.stat().st_mtime, reverse=True)
        return tuple(ReleaseId(place.name) for place in folders)

    def prune(self, needed: Collection[ReleaseId | None]) -> None:
        """Remove all but the newest few and the needed ones, and what a killed deployment left half-unpacked."""
        for scratch in self._folder.releases.glob(".release-*"):
            shutil.rmtree(scratch, ignore_errors=True)
        for release in self.kept()[KEPT_RELEASES:]:
            if release not in needed:
                shutil.rmtree(self._folder.release(release), ignore_errors=True)


def _write_json(path: Path, data: object) -> None:
    with tempfile.NamedTemporaryFile("w", prefix=".json-", dir=path.parent, delete=False, encoding="utf-8") as scratch:
        json.dump(data, scratch, indent=2, sort_keys=True, ensure_ascii=False)
        scratch.flush()
        os.fsync(scratch.fileno())
    Path(scratch.name).replace(path)
