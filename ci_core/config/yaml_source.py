"""YAML text → plain values and the line of every key, strictly (pure).

Differences from ``yaml.safe_load``, each with its reason:

- The scalars of YAML 1.2's core schema, not of 1.1: ``on`` and ``no`` are text (``retrain.on`` is one of our keys),
  ``1e-3`` is a number, ``12:30`` and ``2013-01-01`` are text.
- A key given twice is a mistake; ``safe_load`` lets the last one win in silence.
- Keys are text as written: ``2024:`` under ``environments`` is the name ``2024``.
- Any tag that a file could use to make objects (``!!python/…``, ``!own``) is a mistake; so are ``!!set``,
  ``!!binary`` and the like, which no setting needs.
- Aliases are followed, but the whole may not grow beyond :data:`MAX_NODES` values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from ci_core.errors import Location, Problem
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci_core.types import JsonValue

MAX_BYTES = 256 * 1024
"""Longer files are refused unread: the largest configuration seen in the wild is below 10 KiB."""

MAX_NODES = 20_000
"""Values in the file after aliases are followed; bounds what a few nested aliases can grow to."""

_TAG = "tag:yaml.org,2002:"
_MERGE_KEY = "<<"


class _CoreLoader(yaml.SafeLoader):
    """Parses and composes only; values are built by :class:`_Builder`."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - shape set by PyYAML


# YAML 1.2.2, section 10.3.2, in its order.
_CoreLoader.add_implicit_resolver(f"{_TAG}null", re.compile(r"^(?:null|Null|NULL|~|)$"), ["n", "N", "~", ""])
_CoreLoader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_CoreLoader.add_implicit_resolver(
    f"{_TAG}int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_CoreLoader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


_SCALARS: dict[str, Callable[[str], JsonValue]] = {
    "str": str,
    "null": lambda _text: None,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": lambda text: int(text, 0) if text.startswith(("0o", "0x")) else int(text),
    "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a YAML file said."""

    value: JsonValue
    """None for an empty file, and when it cannot be parsed at all."""
    lines: dict[str, int] = field(default_factory=dict)
    """Key path → 1-based line; items of a list are ``ignore.0``, ``ignore.1``."""
    problems: tuple[Problem, ...] = ()


def parse_yaml(data: bytes, *, file: str) -> Document:
    """Return what `data` says, with all mistakes of form.

    Args:
        data: the file's bytes; UTF-8, a byte order mark is allowed.
        file: how the file is called in messages.

    Returns:
        The value without the parts that are mistakes, so that the rest can be checked further.
    """
    if len(data) > MAX_BYTES:
        return _failed(file, f"is {len(data):,} bytes long; at most {MAX_BYTES:,} are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _failed(file, f"byte 0x{data[error.start]:02x} is not UTF-8", line=line, hint="save the file as UTF-8")
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
    except yaml.YAMLError as error:
        return Document(value=None, problems=tuple(_syntax_problems(error, text, file)))
    except RecursionError:
        return _failed(file, "is nested too deeply")
    return _Builder(file).build(node)


def _failed(file: str, fact: str, *, line: int | None = None, hint: str | None = None) -> Document:
    return Document(value=None, problems=(Problem(fact=fact, location=Location(file=file, line=line), hint=hint),))


def _syntax_problems(error: yaml.YAMLError, text: str, file: str) -> Iterator[Problem]:
    """Name the cause of a syntax error; of tabs, every line that has one."""
    if "\\t" in str(error):
        for number, line in enumerate(text.splitlines(), start=1):
            if "\t" in line[: len(line) - len(line.lstrip())]:
                yield Problem(
                    fact="the line is indented with a tab, which YAML does not allow",
                    location=Location(file=file, line=number),
                    hint="use two blanks instead",
                )
        return
    if isinstance(error, yaml.reader.ReaderError):
        line_number = text.count("\n", 0, int(error.position)) + 1
        fact = f"the character {chr(int(error.character))!a} is not allowed in YAML"
        yield Problem(fact=fact, location=Location(file=file, line=line_number))
        return
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    parts = [getattr(error, "context", None), getattr(error, "problem", None)]
    reason = one_line(", ".join(part for part in parts if part) or str(error))
    yield Problem(
        fact=f"not valid YAML: {reason}", location=Location(file=file, line=mark.line + 1 if mark is not None else None)
    )


class _Builder:
    """Walks the composed nodes once; collects values, lines and mistakes."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[str, int] = {}
        self._problems: list[Problem] = []
        self._open: set[int] = set()
        """Nodes between the root and where we are: meeting one again means an alias inside its own anchor."""
        self._visited = 0

    def build(self, root: yaml.Node | None) -> Document:
        if root is None:
            return Document(value=None)
        try:
            value = self._value(root, ())
        except _TooLargeError:
            return _failed(self._file, f"grows to more than {MAX_NODES:,} values through its aliases")
        return Document(value=value, lines=self._lines, problems=tuple(self._problems))

    def _value(self, node: yaml.Node, path: tuple[str, ...]) -> JsonValue:
        self._visited += 1
        if self._visited > MAX_NODES:
            raise _TooLargeError
        if id(node) in self._open:
            self._complain(node, path, "an alias is used inside the value that it names")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
                return [self._item(item, (*path, str(index))) for index, item in enumerate(node.value)]
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node, path)
        finally:
            self._open.discard(id(node))
        self._refuse_tag(node, path)
        return None

    def _item(self, node: yaml.Node, path: tuple[str, ...]) -> JsonValue:
        self._lines[".".join(path)] = _line(node)
        return self._value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, JsonValue]:
        values: dict[str, JsonValue] = {}
        merged: dict[str, JsonValue] = {}
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(key_node, path, "a key must be text, not a list or a mapping")
                continue
            key = key_node.value
            if key == _MERGE_KEY and key_node.style is None:
                merged = {**self._merge(value_node, path), **merged}
                continue
            here = (*path, key)
            if key in first_lines:
                self._complain(key_node, here, f"the key `{one_line(key)}` is already given in line {first_lines[key]}")
                continue
            first_lines[key] = _line(key_node)
            self._lines[".".join(here)] = _line(key_node)
            values[key] = self._value(value_node, here)
        return {**merged, **values}

    def _merge(self, node: yaml.Node, path: tuple[str, ...]) -> dict[str, JsonValue]:
        """Return the mapping(s) that ``<<:`` names; of several the first wins, as the YAML merge type says."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, JsonValue] = {}
        for part in nodes:
            value = self._value(part, path)
            if isinstance(value, dict):
                merged = {**value, **merged}
            else:
                self._complain(part, path, "`<<` merges mappings only")
        return merged

    def _scalar(self, node: yaml.ScalarNode, path: tuple[str, ...]) -> JsonValue:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind not in _SCALARS:
            self._refuse_tag(node, path)
            return None
        try:
            return _SCALARS[kind](text)
        except (KeyError, ValueError):  # `!!int` before something else, or more digits than Python converts
            self._complain(node, path, f"`{one_line(text, max_chars=40)}` cannot be read as {kind}")
            return None

    def _refuse_tag(self, node: yaml.Node, path: tuple[str, ...]) -> None:
        shown = node.tag.replace(_TAG, "!!")
        self._complain(node, path, f"the tag `{one_line(shown)}` is not allowed here", hint="write a plain value")

    def _complain(self, node: yaml.Node, path: tuple[str, ...], fact: str, *, hint: str | None = None) -> None:
        key = one_line(".".join(path)) or None
        location = Location(file=self._file, line=_line(node), key=key)
        self._problems.append(Problem(fact=fact, location=location, hint=hint))


class _TooLargeError(Exception):
    """The walk met more nodes than it may; caught by :meth:`_Builder.build`."""


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
