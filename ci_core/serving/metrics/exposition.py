"""Families as text that Prometheus reads, format 0.0.4.

Specification: https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ci_core.serving.metrics.series import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(families: Iterable[tuple[Family, Mapping[str, list[float]]]]) -> str:
    """Return the text of families and their series; a family without any is left out."""
    lines: list[str] = []
    for family, series in families:
        if not series:
            continue
        lines.append(f"# HELP {family.name} {_escape_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for labels, cells in sorted(series.items()):
            if family.kind == "histogram":
                lines += _histogram(family, labels, cells)
            else:
                lines.append(f"{family.name}{_braces(labels)} {number(cells[0])}")
    return "\n".join(lines) + "\n"


def _histogram(family: Family, labels: str, cells: list[float]) -> list[str]:
    *buckets, total = cells
    before = f"{labels}," if labels else ""
    edges = [*map(number, family.edges), "+Inf"]
    counts = list(accumulate(buckets))
    lines = [
        f'{family.name}_bucket{{{before}le="{edge}"}} {number(count)}'
        for edge, count in zip(edges, counts, strict=True)
    ]
    lines.append(f"{family.name}_sum{_braces(labels)} {number(total)}")
    lines.append(f"{family.name}_count{_braces(labels)} {number(counts[-1])}")
    return lines


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as they stand between the braces, in the order given."""
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def number(value: float) -> str:
    """Return a number as Prometheus reads it."""
    if math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape(value: str) -> str:
    # a lone surrogate has no UTF-8, which the whole text is sent in
    value = value.encode("utf-8", "replace").decode()
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
