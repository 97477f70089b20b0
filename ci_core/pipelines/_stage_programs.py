"""Start the programs of DVC's stages: printing where we say, and ended with us.

DVC starts them on the standard streams of this process and offers no other way; turning those around would catch our
own words, too. It also leaves them running when we are told to end. So its one function that starts a program is
replaced for the time of a stage.

They stay in our process group: on a terminal Ctrl-C, Ctrl-Z and questions on ``/dev/tty`` work as with ``dvc repro``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PATIENCE_S: Final = 3.0
"""How long a program may take to end after Ctrl-C, and again after SIGTERM. Together less than the 7.5 s after which
GitHub's runner asks us a second time."""


class StageProgramError(Exception):
    """A program of a stage could not be started, or ended with another code than 0."""

    def __init__(self, reason: str, *, command: str, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.command, self.exit_code = reason, command, exit_code


@contextlib.contextmanager
def printing_to(
    descriptor: int, *, env: Mapping[str, str], on_start: Callable[[str], None], on_end: Callable[[], None]
) -> Iterator[None]:
    """Make DVC start the programs of stages on `descriptor`, with no input.

    Args:
        descriptor: gets standard output and standard error.
        env: variables beside those of this process.
        on_start: told each command before it starts.
        on_end: called when a command has ended well.
    """
    from dvc.stage import run

    def start(executable: str | None, command: str, **options: Any) -> None:
        on_start(command)
        _run(
            run._make_cmd(executable, command),  # noqa: SLF001 - the shell and its flags are DVC's choice
            command=command,
            cwd=options["cwd"],
            env={**options["env"], **env},
            descriptor=descriptor,
        )
        on_end()

    original = run._run  # noqa: SLF001 - DVC has no door for this
    run._run = start  # noqa: SLF001 - as above
    try:
        yield
    finally:
        run._run = original  # noqa: SLF001 - as above


def _run(arguments: list[str], *, command: str, cwd: str, env: Mapping[str, str], descriptor: int) -> None:
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own pipeline
            arguments, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=subprocess.STDOUT
        )
    except OSError as error:
        reason = f"`{error.filename or arguments[0]}` could not be started: {error.strerror}"
        raise StageProgramError(reason, command=command) from error
    try:
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    if status:
        reason = f"it ended with exit code {status}" if status > 0 else f"it was ended by signal {-status}"
        raise StageProgramError(reason, command=command, exit_code=status)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started: as Ctrl-C does, then by SIGTERM, then by SIGKILL."""
    import psutil  # type: ignore[import-untyped] # comes with DVC; only DVC needs its types

    family: list[Any] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(process.pid)
        family = [*leader.children(recursive=True), leader]
    try:
        for number in (None if _is_told_by_the_terminal() else signal.SIGINT, signal.SIGTERM):
            _signal(family, number)
            _, family = psutil.wait_procs(family, timeout=_PATIENCE_S)
    finally:  # also when Ctrl-C is pressed again
        _signal(family, signal.SIGKILL)
        process.wait()


def _signal(family: list[Any], number: signal.Signals | None) -> None:
    import psutil

    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            if number is not None:
                member.send_signal(number)


def _is_told_by_the_terminal() -> bool:
    """Whether Ctrl-C reaches the programs without us: then a second one would disturb their tidying up."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
