"""The one place that starts a program.

Adapters call it with argument lists; there is no shell anywhere. Every start is echoed, quoted, before it happens, and
what the program says is handed on line by line and kept, so that a failure can show its last lines. Knows nothing of
what the programs mean: callers translate :class:`~ci_core.errors.ProgramFailedError` into their own words.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from ci_core.errors import ProgramFailedError, ProgramNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    OnLine = Callable[[str], None]

_logger = logging.getLogger(__name__)

LAST_LINES = 20
"""Lines of output that a failure shows: a traceback's end or a compiler's message, and still one screen."""
_PATIENCE_S = 5.0
"""For a program that was asked to end, and for all that it started."""
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A program that ended."""

    arguments: tuple[str, ...]
    exit_code: int
    """What the program returned; negative is the signal that ended it."""
    output: str
    """Standard output, and standard error mixed in when they were merged. Not masked: it is for parsing."""
    errors: str = ""
    """Standard error when it was kept apart."""

    def last_lines(self, count: int = LAST_LINES) -> tuple[str, ...]:
        """Return the last `count` lines of standard error, or of the output when there is none."""
        return tuple((self.errors or self.output).splitlines()[-count:])


def quote(arguments: Sequence[str]) -> str:
    """Return the command as a person would type it."""
    return shlex.join(arguments)


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    on_line: OnLine | None = None,
    echo: OnLine | None = None,
    check: bool = True,
    merge_errors: bool = True,
    timeout_s: float | None = None,
) -> Finished:
    """Run a program to its end and return what it said.

    The program gets a process group of its own: when we are interrupted or the time is over, it ends with everything
    it started.

    Args:
        arguments: program and arguments.
        cwd: folder it runs in.
        env: its whole environment; None is ours.
        on_line: told each line of output, without its end, as it comes. Called from this thread for standard output
            and from another one for standard error that is kept apart.
        echo: told the quoted command before it starts; without it the command goes to the log.
        check: whether an exit code other than 0 raises.
        merge_errors: whether standard error is mixed into the output; otherwise it is kept apart.
        timeout_s: the longest it may take, in seconds.

    Raises:
        ProgramNotFoundError: there is no such program.
        ProgramFailedError: it ended with another code than 0 and `check` is set, or it took too long.
    """
    command = quote(arguments)
    (echo or _log_start)(command)
    process = _start(arguments, cwd=cwd, env=env, merge_errors=merge_errors)
    is_late = threading.Event()
    watchdog = _start_watchdog(process, timeout_s, is_late)
    with process:
        try:
            output, errors = _read(process, on_line)
            exit_code = process.wait()
        except BaseException:
            _end_group(process)
            raise
        finally:
            if watchdog is not None:
                watchdog.cancel()
    finished = Finished(arguments=tuple(arguments), exit_code=exit_code, output=output, errors=errors)
    if is_late.is_set() or (check and exit_code != 0):
        raise ProgramFailedError(
            command=command,
            exit_code=exit_code,
            last_lines=finished.last_lines(),
            timeout_s=timeout_s if is_late.is_set() else None,
        )
    return finished


def start_detached(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> int:
    """Start a daemon and return its process id.

    It has its own session, so neither Ctrl-C nor the end of our terminal reaches it, and appends what it says to `log`.

    Raises:
        ProgramNotFoundError: there is no such program.
    """
    _log_start(quote(arguments))
    with log.open("ab") as log_file, _translated(arguments):
        process = subprocess.Popen(  # noqa: S603 - an argument list, never a shell
            list(arguments),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Somebody must collect the exit code of a daemon that ends before we do, or it stays a zombie.
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process.pid


async def start_child(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path
) -> asyncio.subprocess.Process:
    """Start a child of this event loop that appends what it says to `log`.

    It leads a session and process group of its own (their id is the child's), so that it can be ended with all it
    started.

    Raises:
        ProgramNotFoundError: there is no such program.
    """
    _log_start(quote(arguments))
    with log.open("ab") as log_file, _translated(arguments):
        return await asyncio.create_subprocess_exec(
            *arguments,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # rather than process_group, which uvloop does not know
        )


@contextlib.contextmanager
def companion(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program beside us for the ``with`` block; it is spoken with over its standard input and output, unbuffered.

    It has a process group of its own, which ends with the block, and appends its standard error to `log`.

    Raises:
        ProgramNotFoundError: there is no such program.
    """
    _log_start(quote(arguments))
    with log.open("ab") as log_file, _translated(arguments):
        process = subprocess.Popen(  # noqa: S603 - an argument list, never a shell
            list(arguments),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            bufsize=0,
            process_group=0,
        )
    try:
        yield process
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        _end_group(process)


def _log_start(command: str) -> None:
    _logger.info("program start command=%s", command)


@contextlib.contextmanager
def _translated(arguments: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if str(error.filename) != str(arguments[0]):
            raise  # the folder it should run in is what is missing
        raise ProgramNotFoundError(program=arguments[0]) from error


def _start(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None, merge_errors: bool
) -> subprocess.Popen[str]:
    with _translated(arguments):
        return subprocess.Popen(  # noqa: S603 - an argument list, never a shell
            list(arguments),
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge_errors else subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )


def _read(process: subprocess.Popen[str], tell: OnLine | None) -> tuple[str, str]:
    """Return all of standard output and standard error, telling each line on the way."""
    if process.stderr is None:
        return _drain(process.stdout, tell), ""
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.append(_drain(process.stderr, tell)), daemon=True)
    reader.start()
    output = _drain(process.stdout, tell)
    reader.join()
    return output, "".join(errors)


def _drain(stream: IO[str] | None, tell: OnLine | None) -> str:
    kept: list[str] = []
    for line in stream or ():
        kept.append(line)
        if tell is not None:
            tell(line.rstrip("\r\n"))
    return "".join(kept)


def _start_watchdog(
    process: subprocess.Popen[str], timeout_s: float | None, is_late: threading.Event
) -> threading.Timer | None:
    if timeout_s is None:
        return None

    def end() -> None:
        is_late.set()
        _end_group(process)

    watchdog = threading.Timer(timeout_s, end)
    watchdog.daemon = True
    watchdog.start()
    return watchdog


def _end_group(process: subprocess.Popen[Any]) -> None:
    """End a program and what it started: politely first, so that it can remove its lock files."""
    deadline = time.monotonic() + _PATIENCE_S
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
        # A member that does not listen outlives the leader, and holds the pipe that we read.
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(_POLL_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
