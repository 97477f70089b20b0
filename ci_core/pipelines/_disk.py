"""Tell a full or read-only disk as that, rather than as a remote's or a stage's fault."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Final

from ci_core.errors import FileNotWritableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.versioning.dvc import DvcProject

_REFUSALS: Final = frozenset({errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})


@contextlib.contextmanager
def disk_errors_told(project: DvcProject) -> Iterator[None]:
    """Turn refusals of the project's own disk inside the ``with`` block into ours.

    Raises:
        FileNotWritableError: a file of the project or of its cache could not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS or not _is_here(error, project):
            raise
        reason = error.strerror or str(error)
        raise FileNotWritableError(path=str(error.filename or project.root), reason=reason) from error


def _is_here(error: OSError, project: DvcProject) -> bool:
    if not isinstance(error.filename, str):
        return True  # a write into an open file; remotes of other kinds raise what their library raises
    repo = project.repo
    places = (repo.root_dir, repo.cache.local.path, repo.tmp_dir)
    return any(place and repo.fs.isin_or_eq(error.filename, place) for place in places)
