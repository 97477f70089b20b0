"""What pictures of a graph say: the words on its boxes and its arrows. Pure.

Whatever draws a graph takes its words from here: ``render.py``, ``picture`` and the report on a change request.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ci_core.serving.spec import ANSWER, LOCAL_PREFIX, thaw
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec
    from ci_core.types import JsonValue

_MOST_LETTERS = 60
"""Of a setting that is a whole table, this much is told."""
_NO_GLYPH: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that show nothing, or turn the letters around them: control, format, surrogates, unassigned."""

ArrowKind = Literal["flow", "later", "error", "back"]


class Arrow(NamedTuple):
    """One arrow of a picture."""

    start: str
    end: str
    text: str = ""
    """What is written on it, such as the values that a choice takes it for."""
    kind: ArrowKind = "flow"
    """``later``: out of a queue; ``error``: to an error handler; ``back``: from one into the flow."""

    @property
    def is_error(self) -> bool:
        """Whether it leads to an error handler, or back from one."""
        return self.kind in {"error", "back"}


def visible(text: str) -> str:
    """Return `text` on one line, a ``�`` for each character that shows nothing or turns the letters around it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if char in "\n\r\t" else "�" if unicodedata.category(char) in _NO_GLYPH else char for char in text
    )


def kind_text(step: StepSpec) -> str:
    """Return what a step is (``vote router``, ``choice by kind``, ``m:function``); never what its name says."""
    if step.router is not None:
        return f"{reference(step.router)} router"
    if step.choice is not None:
        return f"choice by {reference(step.choice)}"
    if step.queue is not None:
        return f"queue {step.queue}" if step.queue != step.name else "queue"
    if step.graph is not None:
        return f"graph {step.graph.name}" if step.graph.name != step.name else "graph"
    named = reference(step.step)
    return named if named != step.name else ""


def reference(named: str) -> str:
    """Return what a step refers to; of an object that only this process has, its own name."""
    if not named.startswith(LOCAL_PREFIX):
        return named
    return named.removeprefix(LOCAL_PREFIX).rpartition(".")[2].strip("<>")


def settings(step: StepSpec, *, leave_out: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the settings of a step, one a line: its arguments, and how it is called.

    Args:
        step: whose settings.
        leave_out: names of arguments that are shown elsewhere.
    """
    arguments = [f"{key}={value_text(value)}" for key, value in step.arguments.items() if key not in leave_out]
    return (*arguments, *_calling(step))


def _calling(step: StepSpec) -> Iterator[str]:
    """Yield how a step is called, as far as it is not called as most steps are."""
    join = f"by key {step.join_key}" if step.join == "key" else step.join
    yield from (f"{word} {value}" for word, value in (("method", step.handler), ("join", join)) if value is not None)
    if step.several:
        yield "may choose several"
    yield from _passing(step)
    if step.retries:
        yield f"{step.retries} {'retry' if step.retries == 1 else 'retries'} from {seconds(step.retry_wait_s)}"
    if step.timeout_s is not None:
        yield f"timeout {seconds(step.timeout_s)}"
    if step.blocking:
        yield "in a thread"
    if step.function is not None:
        yield f"in function {step.function}"


def _passing(step: StepSpec) -> Iterator[str]:
    """Yield what a step gets, and where its result goes."""
    if step.full_event:
        yield "gets the event"
    if step.input_path is not None:
        yield f"gets {step.input_path}"
    if step.result_path is not None:
        yield f"puts result into {step.result_path}"


def seconds(value: float) -> str:
    """Return a time as people write it: ``1.5 s``, ``200 ms``."""
    return f"{value * 1000:g} ms" if 0 < value < 1 else f"{value:g} s"


def value_text(value: JsonValue) -> str:
    """Return a JSON value as it is written in YAML's short form; long ones end in ``…``."""
    plain = thaw(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"


MODEL_SETTINGS: Final = frozenset({"weights", "live"})
"""Arguments of a router that :func:`share_text` tells model by model."""


def share_text(step: StepSpec, route: RouteSpec) -> str:
    """Return what part a model has in its router: ``90 %``, ``weight 2``, ``live``, ``shadow``, ``default``."""
    if step.router == "shadow":
        return "live" if route.key == step.arguments.get("live", step.routes[0].key) else "shadow"
    if step.router == "single":
        return "default" if len(step.routes) > 1 and route is step.routes[0] else ""
    weights = _weights(step.arguments.get("weights"))
    if route.key not in weights:
        return ""
    if step.router == "weighted" and sum(weights.values()) > 0:
        return f"{100 * weights[route.key] / sum(weights.values()):.3g} %"
    return f"weight {weights[route.key]:g}"


def _weights(given: object) -> Mapping[str, float]:
    """Return the weights as far as they are any: routers check theirs when they are built, not here."""
    named = thaw(given) if given is not None else None  # type: ignore[arg-type]  # a JSON value
    if not isinstance(named, dict):
        return {}
    return {key: float(one) for key, one in named.items() if isinstance(one, int | float) and one >= 0}


def route_settings(route: RouteSpec) -> tuple[str, ...]:
    """Return how a model is loaded and called, as far as it is not as most models are."""
    told = {
        "loads in the background": route.load == "background",
        "loads at first use": route.load == "first-use",
        f"batching {route.batch}": route.batch != "auto",
        "not lowered": route.lower == "off",
        "lowered": route.lowered is not None,
    }
    arguments = [f"{key}={value_text(value)}" for key, value in route.arguments.items()]
    return (*arguments, *(text for text, is_so in told.items() if is_so))


def route_text(step: StepSpec, route: RouteSpec) -> str:
    """Return one line about a model of a router: ``m1:2: models/m1.onnx (90 %)``."""
    share = share_text(step, route)
    return f"{route.key}: {reference(route.model)}{f' ({share})' if share else ''}"


def handles_all(spec: GraphSpec, step: StepSpec) -> str:
    """Return what is to be said of the handler of the whole graph; nothing of any other step."""
    return "handles every other error" if step.name == spec.on_error else ""


def arrows(spec: GraphSpec) -> Iterator[Arrow]:
    """Yield every arrow, the request and the answer among the ends.

    Raises:
        GraphshipError: the graph makes no sense; see ``topology.check``.
    """
    topology = check(spec)
    steps = {step.name: step for step in spec.steps}
    for step in spec.steps:
        yield from (_into(step, steps.get(one), one) for one in dict.fromkeys(step.after))
    for step in spec.steps:
        if step.on_error is not None:
            yield Arrow(step.name, step.on_error, "error", "error")
        if step.back_to is not None:
            yield Arrow(step.name, step.back_to, "goes on", "back")
    yield from (Arrow(responder, ANSWER) for responder in topology.answers)
    if not topology.answers:  # all ends lie behind queues: the answer tells under which id the event went there
        first = [name for name in topology.order if steps[name].queue is not None]
        yield from (Arrow(name, ANSWER, "its id") for name in first if name not in topology.behind_queue)


def _into(step: StepSpec, before: StepSpec | None, name: str) -> Arrow:
    """Return the arrow to `step` from the one before it, called `name`; None: from the request."""
    if before is None:
        return Arrow(name, step.name)
    if before.queue is not None:
        return Arrow(name, step.name, "later", "later")
    return Arrow(name, step.name, _branch(before, step.name))


def _branch(choice: StepSpec, step: str) -> str:
    """Return the values that a choice takes the arrow to `step` for."""
    values = [value for value, name in choice.branches.items() if name == step]
    return ", ".join([*values, *(["otherwise"] if choice.otherwise == step else [])])
