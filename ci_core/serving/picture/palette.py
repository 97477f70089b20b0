"""The colours of pictures, in light and in dark. Pure.

Each part of a picture has a role. It is painted with attributes in the colours of light surroundings, so that it looks
right even where style sheets are taken away; the style sheet holds what is different in dark ones.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Paint(NamedTuple):
    """Colours of a part; an empty one is not painted."""

    fill: str = ""
    stroke: str = ""


LIGHT: Final[Mapping[str, Paint]] = MappingProxyType(
    {
        "sheet": Paint("#ffffff", "#d8dee4"),
        "ink": Paint("#1f2328"),
        "dim": Paint("#57606a"),
        "flow": Paint("", "#6e7781"),
        "flow-tip": Paint("#6e7781"),
        "fail": Paint("", "#cf222e"),
        "fail-tip": Paint("#cf222e"),
        "fail-ink": Paint("#b3202b"),
        "tag": Paint("#ffffff", "#d0d7de"),
        "end": Paint("#e9f7ec", "#2da44e"),
        "step": Paint("#f6f8fa", "#8c959f"),
        "router": Paint("#f5f0ff", "#8250df"),
        "router-ink": Paint("#6639ba"),
        "model": Paint("#ffffff", "#d3c2f5"),
        "choice": Paint("#fff8e0", "#bf8700"),
        "choice-ink": Paint("#7d4e00"),
        "queue": Paint("#e6f6f8", "#1b7c83"),
        "queue-ink": Paint("#0f6068"),
        "graph": Paint("#eef5fd", "#3b82d6"),
        "graph-ink": Paint("#0a58b5"),
        "handler": Paint("#fff3f2", "#cf222e"),
    }
)

DARK: Final[Mapping[str, Paint]] = MappingProxyType(
    {
        "sheet": Paint("#0d1117", "#30363d"),
        "ink": Paint("#e6edf3"),
        "dim": Paint("#a2acb7"),
        "flow": Paint("", "#8b949e"),
        "flow-tip": Paint("#8b949e"),
        "fail": Paint("", "#f85149"),
        "fail-tip": Paint("#f85149"),
        "fail-ink": Paint("#ff8f87"),
        "tag": Paint("#0d1117", "#3d444d"),
        "end": Paint("#12261a", "#2ea043"),
        "step": Paint("#1a2029", "#656d76"),
        "router": Paint("#221a38", "#986ee2"),
        "router-ink": Paint("#cbb2ff"),
        "model": Paint("#171226", "#54418a"),
        "choice": Paint("#2b2205", "#ae7c14"),
        "choice-ink": Paint("#eac54f"),
        "queue": Paint("#0b262a", "#2b9aa3"),
        "queue-ink": Paint("#76d4dc"),
        "graph": Paint("#0f1b2d", "#2f6fc4"),
        "graph-ink": Paint("#80bcff"),
        "handler": Paint("#2c1416", "#f85149"),
    }
)


def painted(role: str) -> str:
    """Return the attributes that paint an element."""
    fill, stroke = LIGHT[role]
    return f'class="gs-{role}" fill="{fill or "none"}"' + (f' stroke="{stroke}"' if stroke else "")


def style_sheet() -> str:
    """Return the rules for dark surroundings; the classes begin with ``gs-``, so that they touch nothing else."""
    return f"@media (prefers-color-scheme:dark){{{''.join(_rule(role, paint) for role, paint in DARK.items())}}}"


def _rule(role: str, paint: Paint) -> str:
    colours = [f"{name}:{value}" for name, value in zip(Paint._fields, paint, strict=True) if value]
    return f".gs-{role}{{{';'.join(colours)}}}"
