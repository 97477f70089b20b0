"""Pictures of a graph as text: Mermaid for Git hosts, DOT for Graphviz. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ci_core.serving.spec import ANSWER, REQUEST
from ci_core.serving.words import MODEL_SETTINGS, arrows, handles_all, kind_text, route_text, settings, visible

if TYPE_CHECKING:
    from ci_core.serving.spec import GraphSpec, StepSpec
    from ci_core.serving.words import Arrow


def _lines(spec: GraphSpec, step: StepSpec) -> tuple[str, ...]:
    """Return the lines that a box shows: the step's name, what it is, what it holds, and its settings."""
    holds = [route_text(step, route) for route in step.routes]
    if step.graph is not None:
        holds = [inner.name for inner in step.graph.steps]
    told = settings(step, leave_out=MODEL_SETTINGS if step.routes else frozenset())
    lines = (step.name, kind_text(step), *holds, *told, handles_all(spec, step))
    return tuple(shown for line in lines if (shown := visible(line).strip())) or ("(blank)",)


def mermaid(spec: GraphSpec) -> str:
    """Return a Mermaid flowchart, without the code fence.

    Names are escaped, so that no name of a step can end a box, start a link, or be read as Markdown.

    Raises:
        GraphshipError: the graph makes no sense; see ``topology.check``.
    """
    ids = {REQUEST: "request", ANSWER: "answer"}
    ids |= {step.name: f"n{index}" for index, step in enumerate(spec.steps)}
    lines = ["flowchart LR", "  request([request])"]
    for step in spec.steps:
        text = "<br/>".join(map(mermaid_text, _lines(spec, step)))
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
    text = visible(arrow.text).strip()
    return f'-- "{mermaid_text(text)}" -->' if text else "-->"


_MERMAID_UNSAFE = re.compile(
    r"[^\w ,.:/=-]"  # all but letters, digits and plain punctuation
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis of Markdown: an underscore that is not inside a word
    r"|^[-=:.]|(?<=^\d)\.|(?<=^\d\d)\."  # its lists, rules and headings
    r"|(?<=/)/|(?<=^www)\.|(?<= www)\."  # its links
)


def mermaid_text(text: str) -> str:
    """Return `text` with everything that means something to Mermaid, HTML or Markdown as a character entity."""
    return _MERMAID_UNSAFE.sub(lambda found: f"#{ord(found.group())};", text)


def dot(spec: GraphSpec) -> str:
    """Return the graph in Graphviz' DOT language.

    Raises:
        GraphshipError: the graph makes no sense; see ``topology.check``.
    """
    lines = [f"digraph {_dot_text(visible(spec.name))} {{", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    ends = ((REQUEST, "request"), (ANSWER, "answer"))
    lines += [f"  {_dot_text(name)} [label={_dot_text(text)}, shape=oval];" for name, text in ends]
    ids = {REQUEST: _dot_text(REQUEST), ANSWER: _dot_text(ANSWER)}
    ids |= {step.name: _dot_text(f"step {index}") for index, step in enumerate(spec.steps)}
    for step in spec.steps:
        text = "\\n".join(_dot_text(line)[1:-1] for line in _lines(spec, step))
        lines.append(f'  {ids[step.name]} [label="{text}"{_DOT_SHAPES[step.kind]}];')
    for arrow in arrows(spec):
        looks = [f"label={_dot_text(visible(arrow.text))}"] if arrow.text else []
        looks += ["style=dashed"] if arrow.is_error else ["style=dotted"] if arrow.kind == "later" else []
        lines.append(f"  {ids[arrow.start]} -> {ids[arrow.end]}{_in_brackets(looks)};")
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


def _dot_text(text: str) -> str:
    """Return a quoted text; entities of HTML, which Graphviz would resolve, are no entities in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{escaped}"'
