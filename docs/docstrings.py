"""Docstrings and signatures as Markdown, for the pages that ``generate.py`` writes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from types import MappingProxyType
from typing import Any, get_args

from ci_core.serving import spec

_SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Example")
_LINE_CHARS = 96
_GIVEN = {("Remote", "context")}
"""Arguments that users never give."""


def block(title: str, value: Any, *, level: int, called: str = "") -> str:
    """Return a heading, the signature where there is one, and the docstring.

    Args:
        title: of the heading.
        value: a class, function, method or property.
        level: of the heading.
        called: name shown in the signature; without it none is shown.
    """
    parts = [f"{'#' * level} {title}"]
    if called:
        parts.append(f"```text\n{signature(called, value)}\n```")
    return "\n\n".join([*parts, markdown(inspect.getdoc(value) or "")])


def signature(name: str, value: Any) -> str:
    """Return how something is called, one argument a line where one line is too short."""
    found = inspect.signature(value)
    shown: list[str] = []
    for one in found.parameters.values():
        if one.name in {"self", "cls"}:
            continue
        if one.kind is one.KEYWORD_ONLY and not any(text.startswith("*") for text in shown):
            shown.append("*")
        shown.append(_parameter(one))
    answer = "" if found.return_annotation in {found.empty, "None", None} else f" -> {_type(found.return_annotation)}"
    line = f"{name}({', '.join(shown)}){answer}"
    if len(line) <= _LINE_CHARS:
        return line
    return f"{name}(\n" + "".join(f"    {one},\n" for one in shown) + f"){answer}"


def _parameter(one: inspect.Parameter) -> str:
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    text = f"{stars}{one.name}"
    if one.annotation is not one.empty:
        text += f": {_type(one.annotation)}"
    if one.default is not one.empty:
        text += f" = {_shown(one.default)}"
    return text


def _shown(value: Any) -> str:
    """Return a default as it would be typed."""
    if isinstance(value, str):
        return f'"{value}"'
    return repr(dict(value)) if isinstance(value, MappingProxyType) else repr(value)


def _type(annotation: Any) -> str:
    """Return an annotation as it was written, with the words of a choice written out."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return re.sub(r"\b(Join|Load|Switch)\b", lambda found: _choices(found[0]), text.replace("'", '"'))


def _choices(name: str) -> str:
    return "Literal[" + ", ".join(f'"{one}"' for one in get_args(getattr(spec, name))) + "]"


def markdown(docstring: str) -> str:
    """Return a docstring in Google's style as Markdown."""
    parts: list[str] = []
    heading, lines = "", list[str]()
    for line in [*docstring.splitlines(), "End:"]:
        section = line[:-1] if line.endswith(":") and line[:-1] in {*_SECTIONS, "End"} else None
        if section is None:
            lines.append(line)
            continue
        parts += _section(heading, lines)
        heading, lines = section, []
    return "\n\n".join(parts)


def _section(heading: str, lines: list[str]) -> list[str]:
    text = textwrap.dedent("\n".join(lines)).strip("\n")
    if not text.strip():
        return []
    if heading == "Example":
        return _example(text)
    if heading in {"Args", "Attributes", "Raises"}:
        kind = {"Args": "argument", "Attributes": "attribute", "Raises": "raised"}[heading]
        rows = [f"| `{name}` | {cell(meaning)} |" for name, meaning in _entries(text)]
        return ["\n".join([f"| {kind} | {'when' if heading == 'Raises' else 'meaning'} |", "|---|---|", *rows])]
    return [f"{'Returns: ' if heading == 'Returns' else ''}{inline(_paragraphs(text))}"]


def _example(text: str) -> list[str]:
    """Return an example: a session, or words around indented code."""
    if text.startswith(">>>"):
        return [f"```pycon\n{text}\n```"]
    before, _, code = text.partition("::\n")
    return [f"{inline(before)}:", f"```python\n{textwrap.dedent(code).strip()}\n```"]


def _entries(text: str) -> list[tuple[str, str]]:
    """Return the names of a section with their meanings, which may go on in indented lines."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        name, colon, meaning = line.partition(": ")
        if line[:1].strip() and colon:
            found.append((name, meaning))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return found


def _paragraphs(text: str) -> str:
    """Return text whose paragraphs are lines of their own; lists and code stay as they are."""
    return re.sub(r"::\n\n((?:    .*\n?|\n)+)", lambda code: _fence(code[1]), text)


def _fence(code: str) -> str:
    return f":\n\n```text\n{textwrap.dedent(code).strip()}\n```\n"


def inline(text: str) -> str:
    """Return text with its references and literals as code."""
    text = re.sub(r":(?:class|meth|attr|func|mod|data):`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return inline(re.sub(r"\s+", " ", text).strip()).replace("|", "\\|")


def field_texts(cls: type) -> dict[str, str]:
    """Return field → the text under it in the source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    texts: dict[str, str] = {}
    name = ""
    for node in definition.body:  # type: ignore[attr-defined]  # the body of a class
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            texts[name] = str(node.value.value)
    return texts


def field_table(cls: type, *, head: str = "field") -> str:
    """Return the documented fields of a class: name, type, default, meaning."""
    lines = [f"| {head} | type | default | meaning |", "|---|---|---|---|"]
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    texts = field_texts(cls)
    for node in definition.body:  # type: ignore[attr-defined]  # the body of a class
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in texts:
            name = node.target.id
            if (cls.__name__, name) in _GIVEN:
                continue
            default = _default(node.value)
            kind = _type(ast.unparse(node.annotation)).replace("|", "\\|")
            lines.append(f"| `{name}` | `{kind}` | {default} | {cell(texts[name])} |")
    return "\n".join(lines)


def _default(value: ast.expr | None) -> str:
    if value is None or (isinstance(value, ast.Call) and ast.unparse(value.func) == "field"):
        return ""
    return f"`{_shown(value.value) if isinstance(value, ast.Constant) else ast.unparse(value)}`"
