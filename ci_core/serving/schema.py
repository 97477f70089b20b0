"""The columns of a plain body: what they must be, checked before the graph runs, and the same as JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci_core.errors import UnknownInputTypeError, nearest
from ci_core.serving.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import JsonObject

_TYPES: Mapping[str, frozenset[type]] = {
    "number": frozenset({int, float}),
    "integer": frozenset({int}),
    "string": frozenset({str}),
    "boolean": frozenset({bool}),
    "any": frozenset({int, float, str, bool}),
}
INPUT_TYPES = tuple(_TYPES)
"""The words for what a column may be."""
_EXPECTED = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "any": "a number or text",
}
_EXAMPLES: Mapping[str, Any] = {"number": 0.5, "integer": 1, "string": "text", "boolean": True, "any": 0.5}
_OPTIONAL = "?"
_OTHER_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("float", "double", "real", "numeric"), "number"),
    "int": "integer",
    **dict.fromkeys(("str", "text"), "string"),
    "bool": "boolean",
}
"""What other systems call the types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputColumn:
    """One column of the input."""

    name: str
    type: str
    """``number``, ``integer``, ``string``, ``boolean`` or ``any`` (number or text)."""
    is_optional: bool = False
    """Whether it may be missing or null."""


def is_input_type(word: object) -> bool:
    """Whether a word says what a column may be: ``number``, ``number?``."""
    return isinstance(word, str) and word.removesuffix(_OPTIONAL) in _TYPES


def meant(word: object) -> str | None:
    """Return the type that somebody meant who wrote another word, or the class of Python; None when nobody knows."""
    text = word.__name__ if isinstance(word, type) else str(word)
    stem = text.removesuffix(_OPTIONAL).lower()
    close = nearest(stem, (*INPUT_TYPES, *_OTHER_WORDS))
    found = _OTHER_WORDS.get(close, close) if close else None
    return found + _OPTIONAL if found and text.endswith(_OPTIONAL) else found


class InputSchema:
    """The columns of a body.

    Args:
        columns: name → ``number``, ``integer``, ``string``, ``boolean`` or ``any``; with ``?`` behind it when it may be
            missing or null.

    Raises:
        UnknownInputTypeError: there is no such type.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        for name, word in columns.items():
            if not is_input_type(word):
                raise UnknownInputTypeError(
                    column=str(name), found=shown(word), known_types=INPUT_TYPES, meant=meant(word)
                )
        self.columns = tuple(
            InputColumn(name=name, type=word.removesuffix(_OPTIONAL), is_optional=word.endswith(_OPTIONAL))
            for name, word in columns.items()
        )

    def check(self, body: Any) -> None:
        """Make sure that a body, an object or a list of objects, has the columns; other fields are allowed.

        Raises:
            RequestError: it has not; the message names row and column.
        """
        rows = body if isinstance(body, list) else (body,)
        for index, row in enumerate(rows):
            if type(row) is not dict:
                raise RequestError(f"row {index}: expected an object of columns, found {shown(row)}")
            for column in self.columns:
                value = row.get(column.name)
                if value is None:
                    _check_missing(index, row, column)
                elif type(value) not in _TYPES[column.type] and not _is_whole(value, column):
                    raise RequestError(
                        f"row {index}, column `{column.name}`: expected {_EXPECTED[column.type]}, found {shown(value)}"
                    )

    def json_schema(self, *, may_lack: bool = True) -> JsonObject:
        """Return the schema of one row.

        Args:
            may_lack: whether an optional column may be missing; else it may only be null.
        """
        return {
            "type": "object",
            "properties": {column.name: {"type": _json_type(column)} for column in self.columns},
            "required": [column.name for column in self.columns if not (may_lack and column.is_optional)],
        }

    def example(self) -> JsonObject:
        """Return a row that the schema allows."""
        return {column.name: _EXAMPLES[column.type] for column in self.columns}


def _check_missing(index: int, row: dict[str, Any], column: InputColumn) -> None:
    if column.is_optional:
        return
    if column.name in row:
        raise RequestError(f"row {index}, column `{column.name}`: expected {_EXPECTED[column.type]}, found null")
    raise RequestError(f"row {index} lacks the column `{column.name}`")


def _is_whole(value: Any, column: InputColumn) -> bool:
    return column.type == "integer" and type(value) is float and value.is_integer()


def _json_type(column: InputColumn) -> Any:
    types = ["number", "string", "boolean"] if column.type == "any" else [column.type]
    if column.is_optional:
        types.append("null")
    return types if len(types) > 1 else types[0]
