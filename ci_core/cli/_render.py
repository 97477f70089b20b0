"""Turn results and errors into text and an exit code. The one place that renders a :class:`GraphshipError`."""

from __future__ import annotations

import errno
import sys
import traceback
from typing import TYPE_CHECKING

import click

from ci_core.errors import ExitCode, FileNotWritableError, GraphshipError
from ci_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ISSUES_URL = "https://github.com/graphship/graphship/issues"
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Refusals of a disk to be written, which may meet us anywhere and are no mistake of ours."""
_INTERRUPTED = 130
"""What shells say of a program that Ctrl-C ended: 128 and the signal's number."""
_OUR_MISTAKE = 70
"""EX_SOFTWARE of sysexits.h; 1, Python's own choice, would be taken for a gate that failed."""
_NOBODY_READS = 141
"""What shells say of a program whose reader went away (SIGPIPE); 1 would be taken for a gate that failed."""


def run(command: click.Command, arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `command` and return the exit code; every error of ours becomes a message on stderr.

    Args:
        command: the root command.
        arguments: without the program's name.
        env: environment variables; ``NO_COLOR`` is respected.
    """
    color = None if "NO_COLOR" not in env else False
    code: int
    try:
        result = command.main(list(arguments), prog_name="graphship", standalone_mode=False, color=color, obj=env)
        code = result if isinstance(result, int) else ExitCode.DONE
    except GraphshipError as error:
        code = _tell(error, env, color=color, with_traceback="--debug" in arguments)
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = _INTERRUPTED
    except SystemExit:
        # Click ends so, and never else with `standalone_mode` off, when what we print is read no more.
        code = _NOBODY_READS
    except Exception as error:  # noqa: BLE001 - the last one to see it; nothing is swallowed
        code = _tell_unexpected(error, env, color=color, with_traceback="--debug" in arguments)
    return code


def _tell_unexpected(error: Exception, env: Mapping[str, str], *, color: bool | None, with_traceback: bool) -> int:
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        told = FileNotWritableError(path=str(error.filename or "unknown"), reason=str(error.strerror))
        return _tell(told, env, color=color, with_traceback=with_traceback)
    click.echo(f"graphship met a mistake of its own; the traceback below is worth a report: {_ISSUES_URL}", err=True)
    from ci_core.masking import Masker, secret_values  # as below

    click.echo(Masker(secret_values(env)).text("".join(traceback.format_exception(error))), nl=False, err=True)
    return _OUR_MISTAKE


def _tell(error: GraphshipError, env: Mapping[str, str], *, color: bool | None, with_traceback: bool) -> ExitCode:
    from ci_core.masking import Masker, secret_values  # only here: `--help` imports click and nothing else

    mask = Masker(secret_values(env)).text
    if with_traceback:
        shown = traceback.TracebackException.from_exception(error)
        shown.__notes__ = []  # they say what follows
        click.echo(mask("".join(shown.format())), nl=False, err=True)
    click.echo(mask(render_error(error, color=color is None and sys.stderr.isatty())), err=True)
    return error.exit_code


def render_error(error: GraphshipError, *, color: bool = False) -> str:
    """Return the message of `error` in the layout that ``ci_core/errors.py`` describes."""
    head = click.style(f"error[{error.slug}]", fg="red", bold=True) if color else f"error[{error.slug}]"
    lines = [f"{head}: {printable(error.fact)}"]
    lines += [f"  --> {printable(place)}" for place in error.where]
    lines += [f"  {printable(line)}" for line in error.known]
    if error.hint:
        label = click.style("hint", fg="cyan", bold=True) if color else "hint"
        lines += ["", f"{label}: {printable(error.hint)}"]
    return "\n".join(lines)
