"""Options and small helpers that several commands share."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from ci_core.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.config.settings import Settings
    from ci_core.masking import Masker


class TerminalStyle(TypedDict):
    """Arguments of ``render_terminal``."""

    width: int
    with_colour: bool


F = TypeVar("F", bound="Callable[..., Any]")


def project_option(function: F) -> F:
    """Add ``--project DIR``."""
    return click.option(
        "--project",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        default=Path(),
        show_default="this folder",
        help="A folder of the project; graphship.yaml is looked for here and above.",
    )(function)


def json_option(function: F) -> F:
    """Add ``--json``, which every reading command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")(function)


def without_option(*parts: str) -> Callable[[F], F]:
    """Add ``--without PART``, which may be repeated."""
    return click.option(
        "--without",
        multiple=True,
        type=click.Choice(parts),
        help="Leave a part out; may be repeated. tables: what is in them. behaviour: recorded requests through both "
        "serving graphs, whose code is still loaded. graph: the serving graphs, and behaviour with them.",
    )


def dry_run_option(function: F) -> F:
    """Add ``--dry-run``, which every writing command has."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(function)


def read_settings(project: Path, env: Mapping[str, str]) -> Settings:
    """Read ``graphship.yaml`` of the project that `project` lies in."""
    need("ci", "pydantic")
    from ci_core.config.reader import read_settings as read

    return read(project, env)


def need(extra: str, *modules: str) -> None:
    """Make sure that the libraries of an extra are installed.

    Raises:
        MissingExtraError: one is not; the message names the extra.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(extra=extra, module=module)


def terminal_style(env: Mapping[str, str]) -> TerminalStyle:
    """Return how wide and whether in colour a report is printed: as a terminal has it, plain for any other reader."""
    if not sys.stdout.isatty():
        return {"width": 100, "with_colour": False}
    width = shutil.get_terminal_size(fallback=(100, 24)).columns
    return {"width": width, "with_colour": "NO_COLOR" not in env and env.get("TERM") != "dumb"}


def echo_json(value: object) -> None:
    """Print `value` as JSON to stdout, readable, in a stable order, and with secrets of the environment masked."""
    plain = masker().value(value)
    click.echo(json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, default=str))


def echo_text(text: str) -> None:
    """Print what a project's files and adapters say to stdout, with secrets of the environment masked."""
    click.echo(masker().text(text))


def echo_aside(text: str) -> None:
    """Print what is said beside the answer to stderr, with secrets of the environment masked."""
    click.echo(masker().text(text), err=True)


def masker() -> Masker:
    """Return what masks the secrets of the environment that the command was given."""
    from ci_core.masking import Masker, secret_values

    return Masker(secret_values(click.get_current_context().obj or {}))
