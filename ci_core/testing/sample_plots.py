"""One plot of every kind and shape that is drawn in a way of its own, for tests and for looking at."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

from ci_core.reports.report import ConfusionMatrix, Image, Plot, Series

if TYPE_CHECKING:
    from ci_core.reports.report import Side

_SIDES: tuple[tuple[Side, float], ...] = (("base", 1.0), ("head", 0.8))
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def plots_of_all_kinds() -> dict[str, Plot]:
    """Return the plots by a name for each."""
    return {
        "line": Plot(name="loss.tsv", kind="line", x_label="step", y_label="loss", series=_curves("")),
        "two-lines": Plot(
            name="log.csv", kind="line", x_label="step", series=(*_curves("train"), *_curves("test", 0.2))
        ),
        "many-lines": Plot(
            name="recall",
            kind="line",
            x_label="step",
            series=tuple(s for n in range(4) for s in _curves(f"class {n}", n)),
        ),
        "time": Plot(
            name="arrivals",
            kind="line",
            change="removed",
            x_type="time",
            x_label="day",
            y_label="arrivals",
            series=(Series(side="base", x=(0.0, 864e3, 1728e3), y=(120_000.0, 250_000.0, 90_000.0), sampled_from=90),),
        ),
        "scatter": Plot(
            name="residuals",
            kind="scatter",
            x_label="predicted",
            y_label="residual",
            series=tuple(
                Series(
                    side=side,
                    x=tuple(n / 10 for n in range(40)),
                    y=tuple(round(scale * math.sin(n * n), 4) for n in range(40)),
                )
                for side, scale in _SIDES
            ),
        ),
        "bars": Plot(
            name="animals",
            kind="bar",
            x_type="name",
            x_label="kind",
            y_label="count",
            series=(
                Series(side="base", x=("cat", "dog"), y=(3.0, 5.0)),
                Series(side="head", x=("dog", "cow"), y=(4.0, 1.5)),
            ),
        ),
        "lying-bars": Plot(
            name="importance",
            kind="bar",
            x_type="name",
            x_label="feature",
            y_label="gain",
            is_horizontal=True,
            series=(
                Series(side="base", x=("humidity", "wind"), y=(0.3, -0.1)),
                Series(side="head", x=("humidity", "wind"), y=(0.2, 0.15)),
            ),
        ),
        "histogram": Plot(
            name="scores",
            kind="histogram",
            x_label="score",
            series=(
                Series(side="base", x=(0.0, 1.0, 2.0, 3.0), y=(1.0, 4.0, 3.0)),
                Series(side="head", x=(0.0, 1.0, 2.0, 3.0), y=(2.0, 2.0, 4.0)),
            ),
        ),
        "confusion": Plot(
            name="confusion",
            kind="confusion",
            matrices=(
                ConfusionMatrix(side="base", classes=("late", "on time"), counts=((48, 6), (9, 87))),
                ConfusionMatrix(side="head", classes=("late", "on time"), counts=((50, 4), (12, 84))),
            ),
        ),
        "normalized": Plot(
            name="confusion",
            kind="confusion",
            is_normalized=True,
            matrices=(ConfusionMatrix(side="head", classes=("a", "b"), counts=((3, 1), (0, 2))),),
        ),
        "image": Plot(
            name="shot.png",
            kind="image",
            change="changed",
            images=(_image("base", _PIXEL), _image("head", None)),
            notes=("head: `shot.png` is not shown: SVG files can hold scripts",),
        ),
        "unread": Plot(name="gone.csv", kind="line", change="changed", problems=("head: `gone.csv`: it is not there",)),
    }


def _curves(label: str, above: float = 0.0) -> tuple[Series, ...]:
    steps = tuple(float(step) for step in range(12))
    return tuple(
        Series(side=side, label=label, x=steps, y=tuple(round(above + pace * 2 ** (-x / 3), 4) for x in steps))
        for side, pace in _SIDES
    )


def _image(side: Side, content: bytes | None) -> Image:
    return Image(
        side=side,
        path="shot.png",
        media_type="image/png" if content else None,
        digest=f"sha256:{side}",
        size_bytes=len(content) if content else 2_400,
        data=base64.b64encode(content).decode() if content else "",
    )
