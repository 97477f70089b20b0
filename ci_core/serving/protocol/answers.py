"""From the answers of a graph to the body of a reply: tensors in JSON, tensors in bytes, or a plain list."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson

from ci_core.serving.json_options import JSON_OPTIONS
from ci_core.serving.problems import RequestError
from ci_core.serving.protocol.binary import to_bytes
from ci_core.serving.protocol.metadata import DATATYPES
from ci_core.serving.protocol.tensors import TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.protocol.messages import InferRequest

HEADER_LENGTH = "inference-header-content-length"

_JSON_HEADER = ("content-type", "application/json")
_DATATYPES: dict[frozenset[type], str] = {
    frozenset({bool}): "BOOL",
    frozenset({int}): "INT64",
    frozenset({float}): "FP64",
    frozenset({float, int}): "FP64",
    frozenset({float, type(None)}): "FP64",
    frozenset({int, type(None)}): "FP64",
    frozenset({float, int, type(None)}): "FP64",
    frozenset({str}): TEXT,
    frozenset({str, type(None)}): TEXT,
}
"""Types of the values of one output → its datatype; any other mixture travels as JSON text."""

_FITTING: Mapping[str, frozenset[type]] = {
    "number": frozenset({float, int, type(None)}),
    "integer": frozenset(),
    "string": frozenset({str, type(None)}),
    "boolean": frozenset(),
}
"""Kind of an output → types of values that its datatype can say, beside those that it has anyway."""

_INT64_MAX, _INT64_MIN, _UINT64_MAX = 2**63 - 1, -(2**63), 2**64 - 1


class Reply:
    """How the answer to one inference request is written.

    Args:
        model: name of the model, as the client called it.
        version: that the client asked for, or None.
        request: that is answered.
        outputs: field of the answers → kind, as metadata tell; empty when nobody says.
    """

    __slots__ = ("_model", "_outputs", "_request", "_version")

    def __init__(
        self, model: str, version: str | None, request: InferRequest, outputs: Mapping[str, str] | None = None
    ) -> None:
        self._model, self._version, self._request, self._outputs = model, version, request, outputs or {}

    def encode(self, answers: Any) -> tuple[list[tuple[str, str]], bytes]:
        """Return headers and body.

        Args:
            answers: of the graph: one object, number or text a row.

        Raises:
            RequestError: an output is asked for that is not there.
        """
        rows = answers if isinstance(answers, list) else [answers]
        body: dict[str, Any] = {"model_name": self._model}
        if self._version is not None:
            body["model_version"] = self._version
        if self._request.id is not None:
            body["id"] = self._request.id
        if self._request.rows is not None:
            body["outputs"] = rows
            return [_JSON_HEADER], orjson.dumps(body, option=JSON_OPTIONS)
        told = self._outputs
        outputs = [_output(name, values, told.get(name)) for name, values in self._asked(_columns(rows)).items()]
        body["outputs"] = outputs
        parts = self._take_binary(outputs)
        header = orjson.dumps(body, option=JSON_OPTIONS)
        if not parts:
            return [_JSON_HEADER], header
        return (
            [("content-type", "application/octet-stream"), (HEADER_LENGTH, str(len(header)))],
            b"".join((header, *parts)),
        )

    def _asked(self, columns: Mapping[str, list[Any]]) -> Mapping[str, list[Any]]:
        asked = self._request.outputs
        if asked is None or not columns:
            return columns
        for name in asked:
            if name not in columns:
                known = ", ".join(f"`{one}`" for one in columns)
                raise RequestError(f"the model `{self._model}` has no output `{name}`; outputs: {known}")
        return {name: columns[name] for name in asked}

    def _take_binary(self, outputs: list[dict[str, Any]]) -> list[bytes]:
        """Move the data of outputs that are to be binary out of them; return it."""
        asked, default = self._request.outputs, self._request.is_binary
        parts: list[bytes] = []
        for output in outputs:
            if default if asked is None else asked[output["name"]]:
                part = to_bytes(output["datatype"], output.pop("data"))
                output["parameters"] = {"binary_data_size": len(part)}
                parts.append(part)
        return parts


def _columns(rows: list[Any]) -> dict[str, list[Any]]:
    """Return the fields of answers, field by field; an answer that is no object is the field ``output``."""
    if not rows:
        return {}
    if len(rows) == 1 and type(rows[0]) is dict:
        return {str(name): [value] for name, value in rows[0].items()}
    kinds = set(map(type, rows))
    if dict not in kinds:
        return {"output": rows}
    if kinds != {dict}:
        rows = [row if isinstance(row, dict) else {"output": row} for row in rows]
    names = tuple(rows[0])
    if set(map(len, rows)) == {len(names)}:
        try:  # the usual case: all have the same fields
            return {str(name): list(map(itemgetter(name), rows)) for name in names}
        except KeyError:
            pass
    return {str(name): [row.get(name) for row in rows] for name in dict.fromkeys(chain.from_iterable(rows))}


def _output(name: str, values: list[Any], kind: str | None = None) -> dict[str, Any]:
    datatype, shape = _datatype(values), [len(values)]
    if kind is not None and datatype != DATATYPES[kind] and _FITTING[kind].issuperset(map(type, values)):
        datatype = DATATYPES[kind]  # whole numbers, or nothing but null, of an output of numbers
    if datatype is None:
        values = [value.tolist() if hasattr(value, "tolist") else value for value in values]  # of numpy
        datatype = _datatype(values)
    if datatype is None and set(map(type, values)) == {list} and len(set(map(len, values))) == 1:
        flat = list(chain.from_iterable(values))
        datatype = _datatype(flat)
        if datatype is not None:  # a vector a row, such as probabilities
            shape.append(len(values[0]))
            values = flat
    if datatype is None:
        datatype, values = TEXT, [_text(value) for value in values]
    return {"name": name, "shape": shape, "datatype": datatype, "data": values}


def _datatype(values: list[Any]) -> str | None:
    datatype = _DATATYPES.get(frozenset(map(type, values)))
    if datatype != "INT64" or (min(values) >= _INT64_MIN and max(values) <= _INT64_MAX):
        return datatype
    return "UINT64" if min(values) >= 0 and max(values) <= _UINT64_MAX else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=JSON_OPTIONS).decode()
