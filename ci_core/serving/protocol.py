"""The Open Inference Protocol, version 2, over REST: tensors to rows and back.

Specification: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md.
Tensors are JSON here; the binary extension is not announced in the server's metadata, so clients do not use it.

A request's tensors become the rows that a graph gets at ``/``: one field a tensor of shape ``[n]`` or ``[n, 1]``. A
tensor ``[n, k]`` becomes k fields: those that the model reads, in its order. The answers, one object a row, become one
tensor ``[n]`` a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.serving.base import Model, Row

_MATRIX = 2
_DATATYPES: dict[type, str] = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}
_KINDS = {"number": "FP64", "string": "BYTES", "boolean": "BOOL", "any": "BYTES"}
_DATATYPE_NAMES = frozenset(
    {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"}
)


class InferTensor(msgspec.Struct):
    """One tensor of a request; `data` is flat in row-major order, or nested."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferRequest(msgspec.Struct):
    """The body of ``POST /v2/models/<m>/infer``; other fields are allowed and ignored."""

    inputs: list[InferTensor]
    id: str | None = None


_decoder = msgspec.json.Decoder(InferRequest)


def decode_request(body: bytes) -> InferRequest:
    """Return the request that `body` spells.

    Raises:
        RequestError: it is no such request; the message names the field.
    """
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise RequestError(f"no inference request: {error}") from error
    except RecursionError:
        raise RequestError("no inference request: nested too deeply") from None


def rows_of(request: InferRequest, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a request.

    Args:
        request: as decoded.
        columns: that the model reads, for tensors of several columns.

    Raises:
        RequestError: shapes, data and types do not fit together.
    """
    if not request.inputs:
        raise RequestError("no inference request: `inputs` is empty")
    fields: dict[str, list[Any]] = {}
    for tensor in request.inputs:
        fields.update(_fields(tensor, columns))
    lengths = {len(values) for values in fields.values()}
    if len(lengths) > 1:
        raise RequestError("the tensors of a request must have the same first dimension")
    return [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]


def _fields(tensor: InferTensor, columns: Sequence[str]) -> dict[str, list[Any]]:
    name, shape = tensor.name, tensor.shape
    if tensor.datatype not in _DATATYPE_NAMES:
        raise RequestError(f"tensor `{name}`: there is no datatype `{tensor.datatype}`")
    if not 1 <= len(shape) <= _MATRIX or any(size < 0 for size in shape):
        raise RequestError(f"tensor `{name}`: expected the shape [n] or [n, k], found {shape}")
    width = shape[1] if len(shape) == _MATRIX else 1
    data = _flat(tensor.data, len(shape))
    if len(data) != shape[0] * width:
        raise RequestError(f"tensor `{name}`: the shape {shape} needs {shape[0] * width} values, found {len(data)}")
    if width == 1:
        return {name: data}
    if width != len(columns):
        raise RequestError(f"tensor `{name}`: the model reads {len(columns)} columns, found {width}")
    return {column: data[index::width] for index, column in enumerate(columns)}


def _flat(data: list[Any], depth: int) -> list[Any]:
    """Return the data as one list; the protocol allows it nested like the shape."""
    if depth == _MATRIX and data and all(isinstance(row, list) for row in data):
        return [value for row in data for value in row]
    return data


def encode_answer(model: str, request: InferRequest, answers: Any) -> dict[str, Any]:
    """Return the body of the answer: one output tensor a field of the answers.

    Args:
        model: name of the route that was asked.
        request: that is answered.
        answers: what the graph answered: one object, number or text a row.
    """
    rows = answers if isinstance(answers, list) else [answers]
    objects = [row if isinstance(row, dict) else {"output": row} for row in rows]
    names = dict.fromkeys(name for row in objects for name in row)
    outputs = [_output(name, [row.get(name) for row in objects]) for name in names]
    body: dict[str, Any] = {"model_name": model, "outputs": outputs}
    return body if request.id is None else {**body, "id": request.id}


def _output(name: str, values: list[Any]) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    datatype = _DATATYPES.get(kinds.pop(), "BYTES") if len(kinds) == 1 else "FP64" if kinds <= {int, float} else "BYTES"
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": values}


def model_metadata(name: str, model: Model) -> dict[str, Any]:
    """Return the body of ``GET /v2/models/<m>``."""
    kinds: Mapping[str, str] = {column.name: column.kind for column in getattr(model, "columns", ())}
    return {
        "name": name,
        "versions": [],
        "platform": type(model).__name__,
        "inputs": [
            {"name": column, "datatype": _KINDS[kinds.get(column, "any")], "shape": [-1]}
            for column in model.input_columns
        ],
        "outputs": [],
    }


def server_metadata(version: str) -> dict[str, Any]:
    """Return the body of ``GET /v2``."""
    return {"name": "graphship", "version": version, "extensions": []}
