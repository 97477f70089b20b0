"""Options and small helpers that several commands share."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from ci_core.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    plain = masked(value, _masker())
    click.echo(json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, default=str))


def echo_text(text: str) -> None:
    """Print what a project's files and adapters say to stdout, with secrets of the environment masked."""
    click.echo(_masker().text(text))


def masked(value: object, masker: Masker) -> object:
    """Return what will be JSON with each secret in it masked: in texts, in names, and in numbers that hold one.

    All texts are looked at together, as those of a report are: a secret of several lines may lie in a list of them.
    """
    texts = iter(masker.texts(list(_texts(value))))
    return _with_texts(value, texts)


def _masker() -> Masker:
    from ci_core.masking import Masker, secret_values

    return Masker(secret_values(click.get_current_context().obj or {}))


def _texts(value: object) -> Iterator[str]:
    """Yield each text that JSON will show, in the order of :func:`_with_texts`."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif not isinstance(value, bool | None):
        yield str(value)


def _with_texts(value: object, texts: Iterator[str]) -> object:
    """Return the same with the next of `texts` in place of each, where it differs."""
    if isinstance(value, Mapping):
        whole: dict[object, object] = {}
        for name, item in value.items():
            text = next(texts)
            new = name if text == str(name) else text
            while new in whole:  # two names that differ in their secrets alone
                new = f"{new}*"
            whole[new] = _with_texts(item, texts)
        return whole
    if isinstance(value, list | tuple):
        return [_with_texts(item, texts) for item in value]
    if isinstance(value, bool | None):
        return value
    text = next(texts)
    return value if text == str(value) else text
