"""Find out why DVC could not do something, where its exception does not say.

When files of a folder cannot be stored or transferred, DVC writes the reason of each to its log and goes on, or raises
a count. So its log is kept, and a full or read-only disk is told as that rather than as a remote's or a stage's fault.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import DataRemoteError, DvcFailedError, FileNotWritableError, GraphshipError, MissingObjectsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci_core.versioning.dvc import DvcProject

_LOGGERS: Final = ("dvc", "dvc_data", "dvc_objects")
_REFUSALS: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.ENOTDIR}
)
_SHOWN: Final = 5
"""Reasons that a message shows; usually all files fail for the same one."""


class DvcCauses(logging.Handler):
    """What DVC wrote to its log as an error, while this was its handler.

    Args:
        project: whose disk is ours.
        sends: whether objects go to the remote, so that a disk that refuses without a file's name is the remote's.
    """

    def __init__(self, project: DvcProject, *, sends: bool) -> None:
        super().__init__(logging.ERROR)
        self._project, self._sends = project, sends
        self._errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception of a record."""
        if record.exc_info and record.exc_info[1] is not None and len(self._errors) < _SHOWN:
            self._errors.append(record.exc_info[1])

    @property
    def messages(self) -> list[str]:
        """The reasons, each once."""
        return list(dict.fromkeys(str(error) or type(error).__name__ for error in self._errors))

    def insist_on_cache(self, stage: Any) -> None:
        """Make sure that what a stage made is in the cache; DVC does not look.

        Raises:
            FileNotWritableError: the disk of the cache is full or read-only.
            DvcFailedError: it is not there for another reason.
        """
        lost = [out for out in stage.outs if out.use_cache and out.is_in_repo and out.changed_cache()]
        if lost:
            ours = self._of_our_disk(self._errors)
            if ours is not None:
                raise ours
            doing = f"keep {', '.join(str(out) for out in lost)} in the cache"
            raise DvcFailedError(doing=doing, message="\n".join(self.messages))

    def better(self, error: BaseException) -> GraphshipError | None:
        """Return what to raise instead of an error that ended a transfer or a run; None when it says enough."""
        ours = self._of_our_disk([error, *self._errors])
        if ours is not None:
            return ours
        if isinstance(error, DataRemoteError) and self._errors:
            message = "\n".join(dict.fromkeys([*error.message.splitlines(), *self.messages]))
            return DataRemoteError(doing=error.doing, remote=error.remote, message=message)
        return None

    def _of_our_disk(self, errors: Sequence[BaseException]) -> FileNotWritableError | None:
        for error in errors:
            if isinstance(error, OSError) and error.errno in _REFUSALS and self._is_here(error):
                reason = error.strerror or str(error)
                return FileNotWritableError(path=str(_written(error) or self._project.root), reason=reason)
        return None

    def _is_here(self, error: OSError) -> bool:
        path = _written(error)
        if path is None:  # a write into a file that was open
            return not self._sends
        repo = self._project.repo
        places = (repo.root_dir, repo.cache.local.path, repo.tmp_dir)
        return any(place and repo.fs.overlaps(path, place) for place in places)


def _written(error: OSError) -> str | None:
    """Return the file that an error is about; of a copy, the new one."""
    path = error.filename2 or error.filename
    return path if isinstance(path, str) else None


@contextlib.contextmanager
def causes_told(project: DvcProject, *, sends: bool = False) -> Iterator[DvcCauses]:
    """Let errors that leave the ``with`` block say what DVC knew.

    Args:
        project: that DVC works on.
        sends: as for :class:`DvcCauses`.

    Raises:
        FileNotWritableError: a file of the project or of its cache could not be written.
        GraphshipError: as inside, with more in it.
    """
    causes = DvcCauses(project, sends=sends)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addHandler(causes)
    try:
        yield causes
    except (OSError, MissingObjectsError, DataRemoteError) as error:
        better = causes.better(error)
        if better is None:
            raise
        raise better from error
    finally:
        for logger in loggers:
            logger.removeHandler(causes)
