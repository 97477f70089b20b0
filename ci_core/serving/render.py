"""Pictures of a graph as text: Mermaid for Git hosts, DOT for Graphviz. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.serving.spec import ANSWER, REQUEST
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.serving.spec import GraphSpec, StepSpec


def labels(step: StepSpec) -> tuple[str, ...]:
    """Return the lines that a box of `step` shows: its name, then what it is."""
    if step.router is not None:
        return (step.name, f"{step.router} router", *(f"{route.name}: {route.model}" for route in step.routes))
    arguments = ", ".join(f"{key}={value}" for key, value in step.arguments.items())
    kind = step.step if step.step != step.name else ""
    return tuple(line for line in (step.name, kind, arguments) if line)


def edges(spec: GraphSpec) -> Iterator[tuple[str, str, bool]]:
    """Yield ``(from, to, is_error)`` of every arrow, the request and the answer among the ends."""
    for step in spec.steps:
        for one in step.after:
            yield one, step.name, False
    for step in spec.steps:
        if step.on_error is not None:
            yield step.name, step.on_error, True
    yield check(spec).responder, ANSWER, False


def mermaid(spec: GraphSpec) -> str:
    """Return a Mermaid flowchart, without the code fence.

    Names are escaped, so that no name of a step can end a box or start a link.
    """
    ids = {REQUEST: "request", ANSWER: "answer"}
    ids |= {step.name: f"n{index}" for index, step in enumerate(spec.steps)}
    lines = ["flowchart LR", "  request([request])"]
    for step in spec.steps:
        text = "<br/>".join(_mermaid_text(line) for line in labels(step))
        shape = '{{"%s"}}' if step.router is not None else '["%s"]'
        lines.append(f"  {ids[step.name]}{shape % text}")
    lines.append("  answer([answer])")
    for start, end, is_error in edges(spec):
        lines.append(f"  {ids[start]} {'-. error .->' if is_error else '-->'} {ids[end]}")
    return "\n".join(lines) + "\n"


def dot(spec: GraphSpec) -> str:
    """Return the graph in Graphviz' DOT language."""
    lines = [f"digraph {_dot_text(spec.name)} {{", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    ends = ((REQUEST, "request"), (ANSWER, "answer"))
    lines += [f"  {_dot_text(name)} [label={_dot_text(text)}, shape=oval];" for name, text in ends]
    for step in spec.steps:
        text = "\\n".join(_dot_text(line)[1:-1] for line in labels(step))
        shape = ", shape=hexagon" if step.router is not None else ""
        lines.append(f'  {_dot_text(f"step {step.name}")} [label="{text}"{shape}];')
    for start, end, is_error in edges(spec):
        pair = [name if name in {REQUEST, ANSWER} else f"step {name}" for name in (start, end)]
        style = " [style=dashed]" if is_error else ""
        lines.append(f"  {_dot_text(pair[0])} -> {_dot_text(pair[1])}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def _mermaid_text(text: str) -> str:
    """Return `text` with everything that means something to Mermaid or HTML as a character entity."""
    safe = {" ", "_", "-", ".", ",", ":", "/", "="}
    return "".join(char if char.isalnum() or char in safe else f"#{ord(char)};" for char in text)


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
