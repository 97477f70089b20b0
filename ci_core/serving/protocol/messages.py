"""The JSON of an inference request, checked for its form; its values are read by ``tensors`` and ``binary``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import orjson

from ci_core.serving.problems import RequestError, shown
from ci_core.serving.protocol.binary import from_bytes
from ci_core.serving.protocol.tensors import Tensor, from_json

if TYPE_CHECKING:
    from collections.abc import Sequence


class InputMessage(msgspec.Struct):
    """One tensor of a request; `data` is flat in row-major order, or nested like the shape."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET


class OutputMessage(msgspec.Struct):
    """One output that is asked for."""

    name: str
    parameters: dict[str, Any] | None = None


class RequestMessage(msgspec.Struct):
    """The body of ``POST /v2/models/<m>/infer``; other fields are allowed and ignored."""

    inputs: Annotated[list[InputMessage | list[Any] | float | str | bool | None], msgspec.Meta(min_length=1)]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[OutputMessage] | None = None


class InferRequest:
    """A request whose tensors, or rows, are read.

    Attributes:
        id: that the answer repeats, or None.
        tensors: of the protocol; empty when the request has rows.
        rows: by position or by name, else None.
        outputs: asked for, in order: name → whether its data is to be binary; None for all.
        is_binary: whether outputs that are not asked for one by one are to be binary.
    """

    __slots__ = ("id", "is_binary", "outputs", "rows", "tensors")

    def __init__(
        self,
        id: str | None,  # noqa: A002 - the protocol's word
        *,
        tensors: Sequence[Tensor] = (),
        rows: Sequence[Any] | None = None,
        outputs: dict[str, bool] | None = None,
        is_binary: bool = False,
    ) -> None:
        self.id, self.tensors, self.rows, self.outputs, self.is_binary = id, tensors, rows, outputs, is_binary


_OF_A_TENSOR = {"name", "shape", "datatype"}
"""What a tensor has, and a row hardly ever."""

_REGION = "shared_memory_region"
"""Parameter of Triton's shared memory extension: values that lie somewhere else than in the request or answer."""
_MOST_DIGITS = 20
"""Of a length in a header; Python takes long over thousands of them, and then refuses."""

_decoder = msgspec.json.Decoder(RequestMessage)


def read_request(body: bytes, header_length: str | None = None) -> InferRequest:
    """Return the request that `body` spells.

    Args:
        body: JSON, and behind it the tensors' bytes when there is a `header_length`.
        header_length: of the JSON: the header ``inference-header-content-length``.

    Raises:
        RequestError: it is no such request; the message names the field, or tensor, row and column.
    """
    n_json = _json_length(header_length, len(body))
    message = _decode(_decoder, body if n_json == len(body) else memoryview(body)[:n_json])
    is_binary = _flag(message.parameters, "binary_data_output", default=False)
    outputs = None
    if message.outputs:
        outputs = {one.name: _is_binary(one, default=is_binary) for one in message.outputs}
    if isinstance(message.inputs[0], InputMessage):
        tensors = _tensors(message.inputs, body, n_json, has_bytes=header_length is not None)
        return InferRequest(message.id, tensors=tensors, outputs=outputs, is_binary=is_binary)
    return InferRequest(message.id, rows=_plain(body)["inputs"])


def read_objects(body: bytes) -> InferRequest:
    """Return a request with rows by name: a list of objects, or ``{"inputs": [objects], "id": …}``.

    Raises:
        RequestError: it is neither; the message names the field.
    """
    value = _plain(body)
    message = value if isinstance(value, dict) else {"inputs": value}
    request_id, rows = message.get("id"), message.get("inputs")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        columns = message if rows is None else rows
        are_columns = isinstance(columns, dict) and columns and all(isinstance(one, list) for one in columns.values())
        hint = "; columns are sent to `infer`, each as a tensor" if are_columns else ""
        raise RequestError(
            f"no request by name: expected a list of objects, or an object with such a list as `inputs`{hint}"
        )
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError(f"no request by name: expected text as `id`, found {shown(request_id)}")
    return InferRequest(request_id, rows=rows)


def read_either(body: bytes, header_length: str | None = None) -> InferRequest:
    """Return the request of an operation that takes rows both ways: by tensor or position, and by name.

    Args:
        body: as of :func:`read_request` or of :func:`read_objects`.
        header_length: see :func:`read_request`.

    Raises:
        RequestError: it is neither.
    """
    return read_objects(body) if header_length is None and _is_by_name(body) else read_request(body, header_length)


def _is_by_name(body: bytes) -> bool:
    value = _plain(body)
    rows = value.get("inputs") if isinstance(value, dict) else value
    first = rows[0] if isinstance(rows, list) and rows else None
    if isinstance(first, dict):
        return not _OF_A_TENSOR.issubset(first)
    return isinstance(value, list)


def _plain(body: bytes) -> Any:
    """Return JSON as a plain body has it: whole numbers beyond 64 bits are floats, which any answer can repeat."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is no JSON: {error}") from error


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes | memoryview) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise RequestError(f"no inference request: {error}") from error
    except UnicodeDecodeError as error:
        raise RequestError("no inference request: it is not UTF-8") from error
    except RecursionError:
        raise RequestError("no inference request: nested too deeply") from None


def _json_length(header_length: str | None, n_bytes: int) -> int:
    if header_length is None:
        return n_bytes
    # `isdigit` alone would take digits of other scripts, which `int` does not
    is_number = len(header_length) <= _MOST_DIGITS and header_length.isascii() and header_length.isdigit()
    n_json = int(header_length) if is_number else n_bytes + 1
    if n_json > n_bytes:
        raise RequestError(
            f"`inference-header-content-length` must be the length of the JSON, at most {n_bytes}, "
            f"found `{header_length:.20}`"
        )
    return n_json


def _is_binary(one: OutputMessage, *, default: bool) -> bool:
    """Return whether the data of an output that is asked for is to be binary."""
    if one.parameters is not None:
        if one.parameters.get("classification"):
            raise RequestError(f"output `{one.name}`: `classification` is not supported; ask for the output as it is")
        _check_is_here("output", one.name, one.parameters)
    return _flag(one.parameters, "binary_data", default=default)


def _check_is_here(what: str, name: str, parameters: dict[str, Any]) -> None:
    if _REGION in parameters:
        raise RequestError(f"{what} `{name}`: shared memory is not supported; its values travel in JSON or as bytes")


def _flag(parameters: dict[str, Any] | None, name: str, *, default: bool) -> bool:
    value = default if parameters is None else parameters.get(name, default)
    if not isinstance(value, bool):
        raise RequestError(f"the parameter `{name}` must be true or false")
    return value


def _tensors(inputs: Sequence[Any], body: bytes, n_json: int, *, has_bytes: bool) -> list[Tensor]:
    tensors: list[Tensor] = []
    offset = n_json
    for index, one in enumerate(inputs):
        if not isinstance(one, InputMessage):
            raise RequestError(f"no inference request: expected a tensor like those before it - at `$.inputs[{index}]`")
        size = None
        if one.parameters:
            _check_is_here("tensor", one.name, one.parameters)
            size = one.parameters.get("binary_data_size")
        if size is None:
            if one.data is msgspec.UNSET:
                raise RequestError(f"tensor `{one.name}`: it has neither `data` nor the parameter `binary_data_size`")
            tensors.append(from_json(one.name, one.datatype, one.shape, one.data))
            continue
        _check_size(one, size, len(body) - offset, has_bytes=has_bytes)
        tensors.append(from_bytes(one.name, one.datatype, one.shape, body, offset=offset, size=size))
        offset += size
    if has_bytes and offset != len(body):
        raise RequestError(f"the tensors need {offset - n_json} bytes behind the JSON, found {len(body) - n_json}")
    return tensors


def _check_size(one: InputMessage, size: Any, n_left: int, *, has_bytes: bool) -> None:
    if type(size) is not int or size < 0:
        raise RequestError(f"tensor `{one.name}`: `binary_data_size` must be a number of bytes")
    if one.data is not msgspec.UNSET:
        raise RequestError(f"tensor `{one.name}`: it has both `data` and `binary_data_size`")
    if not has_bytes:
        raise RequestError(
            f"tensor `{one.name}`: binary data needs the length of the JSON in `inference-header-content-length`"
        )
    if size > n_left:
        raise RequestError(f"tensor `{one.name}`: {size} bytes are announced, and {n_left} are left")
