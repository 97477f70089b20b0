"""Read which models and other results the ``dvc.yaml`` files name, out of an open DVC repository."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from ci_core.versioning._dvc_read import project_path
from ci_core.versioning.revision import DeclaredArtifact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def declared(repo: Any, prefix: str) -> Iterator[DeclaredArtifact]:
    """Yield the artifacts of the project, sorted by folder and name.

    Args:
        repo: DVC's repository, switched to some revision.
        prefix: the project's folder relative to the DVC root.
    """
    # `repo.artifacts.read()` would say the same, and print a warning for a name that GTO does not take.
    for file, named in sorted(repo.index._artifacts.items()):  # noqa: SLF001 - the only place that has them
        path = project_path(repo, file, prefix)
        if path is not None:
            folder = posixpath.dirname(path)
            yield from (_artifact(name, folder, value) for name, value in sorted((named or {}).items()))


def _artifact(name: str, folder: str, value: Mapping[str, Any]) -> DeclaredArtifact:
    return DeclaredArtifact(
        name=name,
        folder=folder,
        path=posixpath.normpath(posixpath.join(folder, value["path"])),
        type=value.get("type"),
        description=value.get("desc"),
        labels=tuple(value.get("labels") or ()),
    )
