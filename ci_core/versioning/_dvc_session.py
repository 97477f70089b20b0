"""Open DVC inside this process, keep it quiet, and turn its exceptions into ours.

Used by ``versioning/dvc.py`` and its parts. DVC is written as a program: on import it hangs handlers that print to
standard output on its loggers and wraps the standard streams; it also names stages and files relative to the current
folder. All three are dealt with here, once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.errors import (
    DataRemoteError,
    DvcBusyError,
    DvcFailedError,
    GraphshipError,
    InvalidDvcFileError,
    MissingExtraError,
    NoDataRemoteError,
    NotADvcProjectError,
)
from ci_core.versioning._dvc_parse import bound_parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS = ("dvc", "dvc_objects", "dvc_data")
_STUMBLERS = frozenset(
    {*_LOGGERS, "dpath", "funcy", "networkx", "pygtrie", "ruamel", "scmrepo", "tomlkit", "voluptuous"}
)
"""Packages whose own mistakes, on files of a shape they did not expect, are refusals of DVC's to our users."""


def open_repo(root: Path) -> Any:
    """Return DVC's repository object for the project that `root` lies in.

    Raises:
        MissingExtraError: DVC is not installed.
        NotADvcProjectError: there is no ``.dvc`` folder here or above.
    """
    # A stage may call `dvc` itself; that process must not call home either.
    os.environ.setdefault("DVC_NO_ANALYTICS", "true")
    streams = sys.stdout, sys.stderr
    try:
        from dvc.repo import Repo
    except ImportError as error:
        raise MissingExtraError(extra="dvc", module="dvc") from error
    finally:
        sys.stdout, sys.stderr = streams  # importing DVC wraps them to take colours out
    _quieten()
    bound_parsers()
    with translated("open the project", path=str(root)):
        # What is committed, and when, is for the caller to say: DVC never adds to Git's index.
        return Repo(str(root), config={"core": {"autostage": False}})


@contextlib.contextmanager
def translated(doing: str, *, path: str, revision: str | None = None, remote: str | None = None) -> Iterator[None]:
    """Turn DVC's exceptions inside the ``with`` block into ours.

    Args:
        doing: completes "DVC could not …".
        path: the project's folder.
        revision: the revision that is read, for the message.
        remote: the remote that is spoken to; then an operating system error is a remote's, too.
    """
    from dvc.exceptions import DvcException

    try:
        yield
    except GraphshipError:
        raise
    except DvcException as error:
        raise _translate(error, doing=doing, path=path, revision=revision, remote=remote) from error
    except Exception as error:
        if remote is None and _is_of_dvc(error):
            raise DvcFailedError(doing=doing, message=f"{type(error).__name__}: {error}") from error
        if remote is None or not is_of_a_remote(error):
            raise
        raise DataRemoteError(doing=doing, remote=remote, message=str(error) or type(error).__name__) from error


def is_of_a_remote(error: BaseException) -> bool:
    """Whether an error comes from the system or from a remote's own library, rather than from a mistake in code.

    Each kind of remote raises what its library raises (botocore, aiohttp, google-auth, …), and DVC lets it through.
    """
    from dvc.exceptions import DvcException

    package = type(error).__module__.partition(".")[0]
    # ImportError: DVC has an extra library for each kind of remote, and says which is missing.
    return isinstance(error, OSError | ImportError | DvcException) or package not in {"builtins", "ci_core", *_LOGGERS}


def _is_of_dvc(error: Exception) -> bool:
    """Whether code of DVC's, rather than ours, raised an error: on some file whose shape it did not expect."""
    if isinstance(error, RecursionError):
        return True
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    module = last.tb_frame.f_globals.get("__name__", "") if last is not None else ""
    return module.partition(".")[0] in _STUMBLERS


def _translate(error: Exception, *, doing: str, path: str, revision: str | None, remote: str | None) -> GraphshipError:
    from dvc.config import NoRemoteError
    from dvc.exceptions import FileTransferError, NotDvcRepoError
    from dvc.lock import LockError
    from dvc.utils.serialize import ParseError
    from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

    # In a commit DVC names files as if they lay at the root of the disk, seen from the project's folder.
    upwards = "" if revision is None else "../" * (len(Path(path).parts) - 1)

    def own(text: str) -> str:
        return text.replace(upwards, "") if upwards else text

    message = own("\n".join(dict.fromkeys(_causes(error))))
    reason = re.sub(r"^(.*\n)??unable to read: '.*?', ", "", message)
    translation: GraphshipError
    match error:
        case NotDvcRepoError():
            translation = NotADvcProjectError(path=path, revision=revision)
        case LockError():
            holders = [line.strip() for line in message.splitlines() if line.startswith("  (PID ")]
            translation = DvcBusyError(path=path, holders=list(dict.fromkeys(holders)))
        case NoRemoteError():
            translation = NoDataRemoteError()
        case YAMLSyntaxError():
            translation = InvalidDvcFileError(
                file=posixpath.normpath(error.relpath),
                message=reason,
                revision=revision,
                is_conflict=bool(error.hint),
            )
        case YAMLValidationError():
            mistakes = "\n".join(str(mistake) for mistake in error.exc.errors)
            translation = InvalidDvcFileError(file=posixpath.normpath(error.path), message=mistakes, revision=revision)
        case ParseError():
            reason = re.sub(r"^unable to read: '.*?', ", "", message)
            translation = InvalidDvcFileError(
                file=own(posixpath.normpath(error.path)), message=reason, revision=revision
            )
        case FileTransferError() if remote is not None:
            translation = DataRemoteError(doing=doing, remote=remote, message=message)
        case _:
            translation = DvcFailedError(doing=doing, message=message)
    return translation


def _causes(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield str(error)
        error = error.__cause__


def _quieten() -> None:
    """Take DVC's words off standard output. Progress bars stay: on standard error, on a terminal only."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.ERROR)
