"""What ``register`` and ``promote`` print."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, echo_text
from ci_core.printable import one_line
from ci_core.versioning.plain import to_plain

if TYPE_CHECKING:
    from ci_core.operations.promote import Promotion
    from ci_core.operations.registry import RegistryChange

_SAID = {"written": "wrote the tag", "unchanged": "it stands already, as the tag", "planned": "would write the tag"}


def echo_change(change: RegistryChange, *, as_json: bool) -> None:
    """Print a registered version."""
    if as_json:
        echo_json(to_plain(change))
        return
    echo_text(one_line(f"{change.name} {change.version} is {change.commit[:12]}: {_tag(change)}"))
    _tell_how_to_push(change)


def echo_promotion(promotion: Promotion, *, as_json: bool) -> None:
    """Print a promotion."""
    change = promotion.change
    if as_json:
        echo_json({"from": promotion.source, "to": promotion.to, "known_by": promotion.known_by, **_plain(change)})
        return
    version = f"{change.version} " if change.version else ""
    what = f"{version}({change.commit[:12]}, {promotion.known_by})"
    echo_text(one_line(f"{promotion.source} → {promotion.to}: {change.name} {what}: {_tag(change)}"))
    _tell_how_to_push(change)


def _plain(change: RegistryChange) -> dict[str, object]:
    plain = to_plain(change)
    return dict(plain) if isinstance(plain, dict) else {}


def _tag(change: RegistryChange) -> str:
    return f"{_SAID[change.outcome]} {change.tag}" + (f", {change.pushed_to} has it" if change.pushed_to else "")


def _tell_how_to_push(change: RegistryChange) -> None:
    if change.outcome == "written" and change.pushed_to is None:
        click.echo(f"to share it: git push origin {shlex.quote(change.tag)}", err=True)
