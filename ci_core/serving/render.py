"""Pictures of a graph as text: Mermaid for Git hosts, DOT for Graphviz. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from ci_core.serving.spec import ANSWER, REQUEST
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.serving.spec import GraphSpec, StepSpec

_SETTING_LETTERS: Final = 40
"""Of a setting that is a whole table, this much is shown."""


class Arrow(NamedTuple):
    """One arrow of a picture."""

    start: str
    end: str
    text: str = ""
    """What is written on it: the values that a choice takes it for, or ``error``."""

    @property
    def is_error(self) -> bool:
        """Whether it leads to an error handler, or back from one."""
        return self.text in {_ERROR, _BACK}


_ERROR, _BACK = "error", "goes on"


def labels(step: StepSpec) -> tuple[str, ...]:
    """Return the lines that a box of `step` shows: its name, what it is, what it holds, and its settings."""
    holds = [f"{route.key}: {route.model}" for route in step.routes]
    if step.graph is not None:
        holds = [inner.name for inner in step.graph.steps]
    return tuple(line for line in (step.name, kind_text(step), *holds, *settings(step)) if line)


def kind_text(step: StepSpec) -> str:
    """Return what a step is (``vote router``, ``choice by kind``, ``m:function``); never what its name says."""
    texts = {
        "step": step.step if step.step != step.name else "",
        "router": f"{step.router} router",
        "choice": f"choice by {step.choice}",
        "queue": f"queue {step.queue}",
        "graph": f"graph {step.graph.name}" if step.graph is not None else "",
    }
    return texts[step.kind]


def settings(step: StepSpec) -> tuple[str, ...]:
    """Return the settings of a step as lines: its arguments, and the function it runs in."""
    arguments = ", ".join(f"{key}={_short(value)}" for key, value in step.arguments.items())
    function = f"in function {step.function}" if step.function is not None else ""
    return tuple(line for line in (arguments, function) if line)


def _short(value: object) -> str:
    text = str(dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= _SETTING_LETTERS else f"{text[: _SETTING_LETTERS - 1]}…"


def arrows(spec: GraphSpec) -> Iterator[Arrow]:
    """Yield every arrow, the request and the answer among the ends."""
    steps = {step.name: step for step in spec.steps}
    for step in spec.steps:
        for one in step.after:
            yield Arrow(one, step.name, _branch(steps[one], step.name) if one in steps else "")
    for step in spec.steps:
        if step.on_error is not None:
            yield Arrow(step.name, step.on_error, _ERROR)
        if step.back_to is not None:
            yield Arrow(step.name, step.back_to, _BACK)
    for responder in check(spec).answers:
        yield Arrow(responder, ANSWER)


def _branch(choice: StepSpec, step: str) -> str:
    """Return the values that a choice takes the arrow to `step` for."""
    values = [value for value, name in choice.branches.items() if name == step]
    return ", ".join([*values, *(["otherwise"] if choice.otherwise == step else [])])


def mermaid(spec: GraphSpec) -> str:
    """Return a Mermaid flowchart, without the code fence.

    Names are escaped, so that no name of a step can end a box or start a link.
    """
    ids = {REQUEST: "request", ANSWER: "answer"}
    ids |= {step.name: f"n{index}" for index, step in enumerate(spec.steps)}
    lines = ["flowchart LR", "  request([request])"]
    for step in spec.steps:
        text = "<br/>".join(_mermaid_text(line) for line in labels(step))
        lines.append(f"  {ids[step.name]}{_MERMAID_SHAPES[step.kind] % text}")
    lines.append("  answer([answer])")
    lines += [f"  {ids[arrow.start]} {_mermaid_arrow(arrow)} {ids[arrow.end]}" for arrow in arrows(spec)]
    return "\n".join(lines) + "\n"


_MERMAID_SHAPES = {
    "step": '["%s"]',
    "router": '{{"%s"}}',
    "choice": '{"%s"}',
    "queue": '[("%s")]',
    "graph": '[["%s"]]',
}


def _mermaid_arrow(arrow: Arrow) -> str:
    if arrow.is_error:
        return f"-. {arrow.text} .->"
    return f'-- "{_mermaid_text(arrow.text)}" -->' if arrow.text else "-->"


def dot(spec: GraphSpec) -> str:
    """Return the graph in Graphviz' DOT language."""
    lines = [f"digraph {_dot_text(spec.name)} {{", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    ends = ((REQUEST, "request"), (ANSWER, "answer"))
    lines += [f"  {_dot_text(name)} [label={_dot_text(text)}, shape=oval];" for name, text in ends]
    for step in spec.steps:
        text = "\\n".join(_dot_text(line)[1:-1] for line in labels(step))
        lines.append(f'  {_dot_text(f"step {step.name}")} [label="{text}"{_DOT_SHAPES[step.kind]}];')
    for arrow in arrows(spec):
        start, end = (name if name in {REQUEST, ANSWER} else f"step {name}" for name in (arrow.start, arrow.end))
        looks = [f"label={_dot_text(arrow.text)}"] if arrow.text else []
        looks += ["style=dashed"] if arrow.is_error else []
        lines.append(f"  {_dot_text(start)} -> {_dot_text(end)}{_in_brackets(looks)};")
    return "\n".join([*lines, "}"]) + "\n"


def _in_brackets(looks: list[str]) -> str:
    return f" [{', '.join(looks)}]" if looks else ""


_DOT_SHAPES = {
    "step": "",
    "router": ", shape=hexagon",
    "choice": ", shape=diamond",
    "queue": ", shape=cylinder",
    "graph": ", shape=box3d",
}


def _mermaid_text(text: str) -> str:
    """Return `text` with everything that means something to Mermaid or HTML as a character entity."""
    safe = {" ", "_", "-", ".", ",", ":", "/", "="}
    return "".join(char if char.isalnum() or char in safe else f"#{ord(char)};" for char in text)


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
