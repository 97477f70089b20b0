"""The picture of a graph that notebooks and the page ``/docs`` show: an SVG with nothing to download. Pure.

``cards.py`` says what is in the boxes, ``layers.py`` and ``places.py`` where they go, ``scene.py`` puts these together,
``drawing.py`` paints with the colours of ``palette.py``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ci_core.serving.picture.drawing import draw
from ci_core.serving.picture.scene import compose
from ci_core.serving.spec import ANSWER
from ci_core.serving.words import arrows, kind_text, visible

if TYPE_CHECKING:
    from ci_core.errors import GraphshipError
    from ci_core.serving.spec import GraphSpec

_MOST_ARROWS_TOLD = 60


def svg(spec: GraphSpec) -> str:
    """Return the graph as one ``<svg>`` element, the request left, the answer right, in light and in dark colours.

    Raises:
        GraphshipError: the graph makes no sense; see ``topology.check``.
    """
    return _drawn(spec, may_scroll=False)


def html(spec: GraphSpec) -> str:
    """Return the picture for a page: where it is too narrow to shrink the picture any further, one can scroll."""
    return f'<div class="graphship-picture" style="overflow-x:auto">{_drawn(spec, may_scroll=True)}</div>'


def html_of_mistake(error: GraphshipError) -> str:
    """Return why there is no picture yet: a graph is often looked at before it is finished."""
    lines = [f"no picture yet: {error.fact}", *error.known, *([f"hint: {error.hint}"] if error.hint else [])]
    return f"<pre>{escape(chr(10).join(map(visible, lines)))}</pre>"


def _drawn(spec: GraphSpec, *, may_scroll: bool) -> str:
    title = f"Serving graph {visible(spec.name)}"
    return draw(compose(spec), title=title, description=_in_words(spec), may_scroll=may_scroll)


def _in_words(spec: GraphSpec) -> str:
    """Return what leads where, for those who do not see the picture."""
    kinds = {step.name: kind_text(step) for step in spec.steps}
    models = {step.name: ", ".join(route.key for route in step.routes) for step in spec.steps if step.routes}
    told = [
        f"{name} is a {kind}{f' of {models[name]}' if name in models else ''}"
        for name, kind in kinds.items()
        if kind and next(step for step in spec.steps if step.name == name).kind != "step"
    ]
    leads = []
    for arrow in arrows(spec):
        end = "the answer" if arrow.end == ANSWER else arrow.end
        how = {"error": "on errors goes to", "back": "goes on at", "later": "later leads to"}.get(
            arrow.kind, "leads to"
        )
        value = f" ({arrow.text})" if arrow.text and arrow.kind == "flow" else ""
        leads.append(f"{arrow.start} {how} {end}{value}")
    if len(leads) > _MOST_ARROWS_TOLD:
        leads = [*leads[:_MOST_ARROWS_TOLD], f"and {len(leads) - _MOST_ARROWS_TOLD} more"]
    return visible(". ".join([*told, "; ".join(leads)])) + "."
