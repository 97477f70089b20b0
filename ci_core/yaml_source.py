"""YAML text → plain values and the line of every key, strictly and within bounds (pure).

Read so: ``graphship.yaml``, graphs in YAML, and DVC's files. They come from change requests of strangers, so neither a
short file nor a long one may take more than about a second or some megabytes. Imports nothing of ours but ``errors``
and ``printable``.

Differences from ``yaml.safe_load``, each with its reason:

- The scalars of YAML 1.2's core schema, not of 1.1: ``on`` and ``no`` are text (``retrain.on`` is one of our keys, NO
  a country), ``1e-3`` is a number, ``12:30`` and ``2013-01-01`` are text.
- A key given twice is a mistake; ``safe_load`` lets the last one win in silence.
- Keys are text as written: ``2024:`` under ``environments`` is the name ``2024``; ``True:`` and ``~:`` are the texts
  that JSON has for them, ``true`` and ``null``.
- Any tag that a file could use to make objects (``!!python/…``, ``!own``) is a mistake; so are ``!!set``,
  ``!!binary`` and the like, which no setting needs.
- Aliases are followed, but the whole may neither grow beyond :data:`MAX_NODES` values nor be nested deeper than
  :data:`MAX_DEPTH`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
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

MAX_CHARS = 4 * MAX_BYTES
"""Of all keys and texts after aliases are followed: what is read is also written, into releases and reports."""

MAX_DEPTH = 100
"""Lists and mappings in one another, after aliases are followed; far below what Python can recurse."""

MAX_PATH_CHARS = 1_000
"""Of a key path: every value below has its own, so long keys would multiply."""

MAX_PROBLEMS = 100
"""Mistakes of form that are told; nobody reads more."""

_MAX_TAG_CHARS = 100
_MAX_DIGITS = 250
"""Of a whole number, so that each can be shown, and be taken for a float."""

_SHOWN_CHARS = 200
_TAG = "tag:yaml.org,2002:"
_MERGE_KEY = "<<"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a YAML file said."""

    value: JsonValue
    """None for an empty file, and when it cannot be parsed at all."""
    lines: dict[str, int] = field(default_factory=dict)
    """Key path → 1-based line; items of a list are ``ignore.0``, ``ignore.1``, or ``ignore[0]`` when asked for."""
    problems: tuple[Problem, ...] = ()


def parse_yaml(data: bytes, *, file: str, brackets: bool = False) -> Document:
    """Return what `data` says, with all mistakes of form.

    Args:
        data: the file's bytes; UTF-8, a byte order mark is allowed. Of a longer file :data:`MAX_BYTES` and one more are
            enough.
        file: how the file is called in messages.
        brackets: whether key paths have items of lists as ``steps[0]`` rather than ``steps.0``.

    Returns:
        The value without the parts that are mistakes, so that the rest can be checked further.
    """
    if len(data) > MAX_BYTES:
        return _failed(file, f"is longer than {MAX_BYTES:,} bytes, which is what is read at most")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _failed(file, f"byte 0x{data[error.start]:02x} is not UTF-8", line=line, hint="save the file as UTF-8")
    loader: _CoreLoader | None = None
    try:
        loader = _CoreLoader(text)
        node = loader.get_single_node()
        return _Builder(file, brackets=brackets).build(node)
    except _BoundError as error:
        return _failed(file, error.fact, line=error.line)
    except yaml.YAMLError as error:
        return Document(value=None, problems=tuple(islice(_syntax_problems(error, text, file), MAX_PROBLEMS)))
    except (
        OverflowError,
        ValueError,
    ) as error:  # numbers that PyYAML reads without a look: `"\UFFFFFFFF"`, `%YAML 1e…`
        return _failed(file, f"not valid YAML: {_cut(str(error))}", line=loader.line + 1 if loader else None)


def _failed(file: str, fact: str, *, line: int | None = None, hint: str | None = None) -> Document:
    return Document(value=None, problems=(Problem(fact=fact, location=Location(file=file, line=line), hint=hint),))


class _BoundError(Exception):
    """There is more in a file than is read; caught by :func:`parse_yaml`."""

    def __init__(self, fact: str, line: int) -> None:
        super().__init__(fact)
        self.fact, self.line = fact, line


class _CoreLoader(yaml.SafeLoader):
    """Parses and composes only, within the bounds; values are built by :class:`_Builder`."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - shape set by PyYAML

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._n_nodes = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose the next node, unless there are too many around it or before it."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        line = event.start_mark.line + 1
        self._n_nodes += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _too_deep(line)
        if self._n_nodes > 2 * MAX_NODES:  # keys are nodes, too
            raise _BoundError(f"holds more than {MAX_NODES:,} values", line)
        if len(getattr(event, "tag", None) or "") > _MAX_TAG_CHARS:  # `%TAG` makes long ones of a few characters
            raise _BoundError(f"a tag is longer than {_MAX_TAG_CHARS} characters", line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _too_deep(line: int) -> _BoundError:
    return _BoundError(f"is nested more than {MAX_DEPTH} levels deep", line)


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


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(text[:_MAX_DIGITS])
    return int(text, 0 if text.startswith(("0o", "0x")) else 10)


_SCALARS: dict[str, Callable[[str], JsonValue]] = {
    "str": str,
    "null": lambda _text: None,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": _whole,
    "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
}


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
    location = Location(file=file, line=mark.line + 1 if mark is not None else None)
    problem = getattr(error, "problem", None) or ""
    if problem.endswith("but got '?'"):
        fact, hint = "`?` stands in braces without quotes", 'write `"number?"`, or one key a line'
        yield Problem(fact=fact, location=location, hint=hint)
        return
    parts = [getattr(error, "context", None), problem]
    reason = _cut(", ".join(part for part in parts if part) or str(error))
    if problem == "mapping values are not allowed here":
        reason = f"{problem}: a text with `: ` in it has no quotes"
    yield Problem(fact=f"not valid YAML: {reason}", location=location)


class _Builder:
    """Walks the composed nodes once; collects values, lines and mistakes."""

    def __init__(self, file: str, *, brackets: bool) -> None:
        self._file = file
        self._brackets = brackets
        self._lines: dict[str, int] = {}
        self._problems: list[Problem] = []
        self._open: set[int] = set()
        """Nodes between the root and where we are: meeting one again means an alias inside its own anchor."""
        self._visited = self._chars = 0

    def build(self, root: yaml.Node | None) -> Document:
        value = self._value(root, "") if root is not None else None
        return Document(value=value, lines=self._lines, problems=tuple(self._problems[:MAX_PROBLEMS]))

    def _value(self, node: yaml.Node, path: str) -> JsonValue:
        self._visited += 1
        if self._visited > MAX_NODES:
            raise _BoundError(f"grows to more than {MAX_NODES:,} values", _line(node))
        if id(node) in self._open:
            self._complain(node, path, "an alias is used inside the value that it names")
            return None
        if len(self._open) >= MAX_DEPTH:  # by aliases
            raise _too_deep(_line(node))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
                return [self._item(item, path, index) for index, item in enumerate(node.value)]
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node, path)
        finally:
            self._open.discard(id(node))
        self._refuse_tag(node, path)
        return None

    def _item(self, node: yaml.Node, path: str, index: int) -> JsonValue:
        here = f"{path}[{index}]" if self._brackets else _below(path, str(index))
        self._lines[here] = _line(node)
        return self._value(node, here)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, JsonValue]:
        values: dict[str, JsonValue] = {}
        merged: dict[str, JsonValue] = {}
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(key_node, path, "a key must be text, not a list or a mapping")
                continue
            if key_node.value == _MERGE_KEY and key_node.style is None:
                self._merge(value_node, path, merged)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            here = _below(path, key)
            if key in first_lines:
                self._complain(key_node, here, f"the key `{_cut(key)}` is already given in line {first_lines[key]}")
                continue
            self._lines[here] = first_lines[key] = _line(key_node)
            values[key] = self._value(value_node, here)
        return {**merged, **values}

    def _key(self, node: yaml.ScalarNode, path: str) -> str | None:
        """Return the text of a key; None when it is none."""
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if len(path) + len(text) > MAX_PATH_CHARS:
            fact = f"the key `{_cut(text, 40)}` makes a key path of more than {MAX_PATH_CHARS:,} characters"
            self._complain(node, path, fact)
        elif kind not in _SCALARS:
            self._refuse_tag(node, path)
        elif self._is_text(node, path):
            return text.lower() if kind == "bool" else "null" if kind == "null" and text else text
        return None

    def _merge(self, node: yaml.Node, path: str, merged: dict[str, JsonValue]) -> None:
        """Add the mapping(s) that ``<<:`` names; of several the first wins, as the YAML merge type says."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for part in nodes:
            value = self._value(part, path)
            if isinstance(value, dict):
                for key, one in value.items():
                    merged.setdefault(key, one)
            else:
                self._complain(part, path, "`<<` merges mappings only")

    def _scalar(self, node: yaml.ScalarNode, path: str) -> JsonValue:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind not in _SCALARS:
            self._refuse_tag(node, path)
            return None
        if not self._is_text(node, path):
            return None
        try:
            return _SCALARS[kind](text)
        except (KeyError, ValueError):  # `!!int` before something else, or too many digits
            self._complain(node, path, f"`{_cut(text, 40)}` cannot be read as {kind}")
            return None

    def _is_text(self, node: yaml.ScalarNode, path: str) -> bool:
        self._chars += len(node.value)
        if self._chars > MAX_CHARS:
            raise _BoundError(f"grows to more than {MAX_CHARS:,} characters", _line(node))
        try:
            str(node.value).encode()
        except UnicodeEncodeError:  # "\uD800"
            self._complain(node, path, f"`{_cut(str(node.value), 40)}` holds half a character")
            return False
        return True

    def _refuse_tag(self, node: yaml.Node, path: str) -> None:
        shown = node.tag.replace(_TAG, "!!")
        self._complain(node, path, f"the tag `{_cut(shown)}` is not allowed here", hint="write a plain value")

    def _complain(self, node: yaml.Node, path: str, fact: str, *, hint: str | None = None) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            location = Location(file=self._file, line=_line(node), key=_cut(path) or None)
            self._problems.append(Problem(fact=fact, location=location, hint=hint))


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _cut(text: str, max_chars: int = _SHOWN_CHARS) -> str:
    return one_line(text[: max_chars + 1], max_chars=max_chars)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
