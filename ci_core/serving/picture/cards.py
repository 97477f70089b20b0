"""The boxes of a picture: what is written in them, where, and how large that makes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from ci_core.serving.picture.letters import ending, fitting, width_px
from ci_core.serving.spec import LOCAL_PREFIX
from ci_core.serving.words import (
    MODEL_SETTINGS,
    handles_all,
    kind_text,
    reference,
    route_settings,
    settings,
    share_text,
    visible,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec

NAME_PX: Final = 13.0
TEXT_PX: Final = 11.0
_MOST_PX: Final = 208.0
"""Width of the text in a box, at most."""
_LEAST_PX: Final = 72.0
_PAD_X, _PAD_Y = 12.0, 10.0
_LINE_PX, _NAME_LINE_PX = 15.0, 17.0
_MODEL_PX, _MODEL_GAP_PX, _MODEL_PAD = 38.0, 6.0, 9.0
_MOST_LINES: Final = 5
"""Of settings and inputs; the tooltip has all of them."""
_MOST_MODELS: Final = 8
_SLANT_PX: Final = 10.0
"""By how much the ends of a choice and of a queue stand out."""


class Text(NamedTuple):
    """One line of text in a box, from the box's corner."""

    text: str
    x: float
    y: float
    role: str
    size_px: float = TEXT_PX
    is_bold: bool = False
    is_at_end: bool = False
    """Whether it ends at `x` instead of beginning there."""


class ModelBox(NamedTuple):
    """A model in its router's box."""

    y: float
    texts: tuple[Text, ...]
    tip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A box.

    Attributes:
        role: how it is painted, and its shape.
        texts: from its corner.
        tip: all that is to be said of it, whole.
        models: below the texts, as wide as the box but for its padding.
        is_failing: whether it is an error handler.
    """

    role: str
    width: float
    height: float
    texts: tuple[Text, ...]
    tip: str
    models: tuple[ModelBox, ...] = ()
    is_failing: bool = False


def request_card(spec: GraphSpec) -> Card:
    """Return the box where the flow begins, with the inputs that the graph asks for."""
    inputs = [f"{name}: {kind}" for name, kind in spec.inputs.items()]
    timeout = [f"timeout {spec.timeout_s:g} s"] if spec.timeout_s is not None else []
    return _card("end", "request", "", [*inputs, *timeout])


def answer_card() -> Card:
    """Return the box where the flow ends."""
    return _card("end", "answer", "", [])


def step_card(spec: GraphSpec, step: StepSpec, *, is_handler: bool) -> Card:
    """Return the box of a step that is no nested graph."""
    models = step.routes
    told = settings(step, leave_out=MODEL_SETTINGS if models else frozenset())
    ends = is_handler and step.back_to is None
    notes = [handles_all(spec, step), "its result is the answer" if ends else ""]
    return _card(step.kind, step.name, _kind(step), [*told, *filter(None, notes)], step=step, is_failing=is_handler)


def _kind(step: StepSpec) -> str:
    is_local = step.step.startswith(LOCAL_PREFIX)
    return kind_text(step) or ("a function of this process" if is_local else "")


def header(step: StepSpec) -> tuple[tuple[Text, ...], float, float, str]:
    """Return what stands above a nested graph: its texts, their width and height, and the tooltip."""
    told = settings(step)
    card = _card("graph", step.name, kind_text(step), [" · ".join(told)] if told else [])
    return card.texts, card.width, card.height, _tip([step.name, kind_text(step), *told])


def _card(
    role: str, name: str, kind: str, told: Sequence[str], *, step: StepSpec | None = None, is_failing: bool = False
) -> Card:
    slant = _SLANT_PX if role in {"choice", "queue"} else 0.0
    left = _PAD_X + slant
    kind_role = "fail-ink" if is_failing else f"{role}-ink" if role in _INKED else "dim"
    texts = [Text(_cut(name, NAME_PX, is_bold=True), left, 0, "ink", NAME_PX, is_bold=True)]
    texts += [Text(_cut(kind), left, 0, kind_role)] if kind else []
    texts += [Text(_cut(line), left, 0, "dim") for line in _few(told, _MOST_LINES)]
    routes = step.routes if step is not None else ()
    least = _LEAST_PX if role != "end" else 0.0
    inner = max(least, *(_width(text) for text in texts))
    if step is not None and routes:
        inner = max(inner, *(_model_width(step, route) for route in routes[:_MOST_MODELS]))
    placed, y = _placed(texts)
    boxes: list[ModelBox] = []
    if step is not None and routes:
        y += 5
        for route in routes[:_MOST_MODELS]:
            boxes.append(_model_box(step, route, y, inner))
            y += _MODEL_PX + _MODEL_GAP_PX
        if len(routes) > _MOST_MODELS:
            placed = (*placed, Text(f"… {len(routes) - _MOST_MODELS} more models", left, y + 10, "dim"))
            y += _LINE_PX + _MODEL_GAP_PX
        y -= _MODEL_GAP_PX
    lines = [name, kind, *told, *(_model_tip(step, route) for route in routes if step is not None)]
    return Card(
        role=role,
        width=inner + 2 * left,
        height=y + _PAD_Y,
        texts=placed,
        tip=_tip(lines),
        models=tuple(boxes),
        is_failing=is_failing,
    )


_INKED: Final = frozenset({"router", "choice", "queue", "graph"})


def _placed(texts: Iterable[Text]) -> tuple[tuple[Text, ...], float]:
    """Return the texts below each other, and where the last line ends."""
    placed, y = [], _PAD_Y
    for text in texts:
        line = _NAME_LINE_PX if text.is_bold else _LINE_PX
        placed.append(text._replace(y=y + line * 0.76))
        y += line
    return tuple(placed), y


def _model_width(step: StepSpec, route: RouteSpec) -> float:
    first = width_px(_cut(route.key, 12, is_bold=True), 12, is_bold=True) + width_px(share_text(step, route), TEXT_PX)
    gap = 14 if share_text(step, route) else 0
    second = min(width_px(_second(route), 10.5), _MOST_PX)
    return min(max(first + gap, second), _MOST_PX) + 2 * _MODEL_PAD


def _model_box(step: StepSpec, route: RouteSpec, y: float, width: float) -> ModelBox:
    share = share_text(step, route)
    left = width - 2 * _MODEL_PAD
    room = left - (width_px(share, TEXT_PX) + 14 if share else 0)
    name = fitting(visible(route.key), room, 12, is_bold=True)
    texts = [
        Text(name, _MODEL_PAD, y + 15.5, "ink", 12, is_bold=True),
        Text(ending(_second(route), left, 10.5), _MODEL_PAD, y + 30, "dim", 10.5),
    ]
    if share:
        texts.append(Text(share, width - _MODEL_PAD, y + 15.5, "router-ink", is_at_end=True))
    return ModelBox(y, tuple(texts), _model_tip(step, route))


def _second(route: RouteSpec) -> str:
    return visible(" · ".join([*route_settings(route), reference(route.model)]))


def _model_tip(step: StepSpec, route: RouteSpec) -> str:
    columns = f"columns: {', '.join(route.columns)}" if route.columns else ""
    told = [f"model {route.key}", share_text(step, route), reference(route.model), *route_settings(route), columns]
    return ", ".join(filter(None, told))


def _few(lines: Sequence[str], most: int) -> Iterable[str]:
    if len(lines) <= most:
        return lines
    return chain(lines[: most - 1], [f"… {len(lines) - most + 1} more"])


def _cut(text: str, size_px: float = TEXT_PX, *, is_bold: bool = False) -> str:
    return fitting(visible(text), _MOST_PX, size_px, is_bold=is_bold)


def _width(text: Text) -> float:
    return width_px(text.text, text.size_px, is_bold=text.is_bold)


def _tip(lines: Iterable[str]) -> str:
    return "\n".join(visible(line) for line in lines if line)
