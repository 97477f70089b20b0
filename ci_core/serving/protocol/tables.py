"""From the inputs of a request to the rows that a graph gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.serving.problems import RequestError
from ci_core.serving.protocol.tensors import shown_shape
from ci_core.serving.row_maker import make_rows
from ci_core.serving.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.serving.base import Row
    from ci_core.serving.protocol.messages import InferRequest
    from ci_core.serving.protocol.tensors import Tensor
    from ci_core.serving.signature import Known
    from ci_core.serving.table import Values

_MATRIX = 2
_NUMBERS = frozenset({float, int})


def body_of(
    request: InferRequest,
    columns: Sequence[str],
    *,
    as_table: bool = False,
    is_direct: bool = True,
    known: Known | None = None,
) -> Table | list[Row]:
    """Return what the graph gets for a request.

    Args:
        request: as read.
        columns: that the model reads, in its order; empty when it does not say.
        as_table: whether tensors may stay columns; else they become rows.
        is_direct: whether the rows go to the model as they are, so that rows by name must have its columns.
        known: the tensors there may be; None: any. Rows by name may have more fields than the model reads.

    Raises:
        RequestError: the inputs do not fit together, or not to the model.
    """
    if request.rows is not None:
        return _rows(request.rows, columns, is_direct=is_direct)
    first = request.tensors[0]
    is_worth_an_array = as_table and first.shape[0] > 1
    if (
        len(request.tensors) == 1
        and not is_worth_an_array
        and isinstance(first.values, list)
        and _is_matrix(first, columns)
    ):
        # what JSON made of them already are the rows' values; the iterator is taken from once a column, row by row
        return make_rows(columns, zip(*[iter(first.values)] * len(columns), strict=True))
    table = _table(request.tensors, columns)
    if known is not None and table.matrix is None:
        known.check_tensors(table.names, columns)
    return table if as_table else table.rows()


def _table(tensors: Sequence[Tensor], columns: Sequence[str]) -> Table:
    if len(tensors) == 1 and _is_matrix(tensors[0], columns):
        matrix = _array(tensors[0])
        if matrix is not None:
            return Table.of_matrix(matrix, columns)
    fields: dict[str, Values] = {}
    for tensor in tensors:
        for name, values in _fields(tensor, columns).items():
            if name in fields:
                raise RequestError(f"tensor `{tensor.name}`: there are two tensors with the column `{name}`")
            fields[name] = values
    lengths = {tensor.shape[0] for tensor in tensors}
    if len(lengths) > 1:
        raise RequestError("the tensors of a request must have the same first dimension")
    return Table(fields, lengths.pop())


def _is_matrix(tensor: Tensor, columns: Sequence[str]) -> bool:
    """Return whether a tensor holds all columns of the model side by side."""
    return len(tensor.shape) == _MATRIX and tensor.shape[1] == len(columns) and tensor.name not in columns


def _array(tensor: Tensor) -> Any:
    """Return a tensor of numbers as an array in its shape; None when it holds text, booleans or missing values."""
    values = tensor.values
    if isinstance(values, list):
        kinds = set(map(type, values))
        if len(kinds) != 1 or not kinds <= _NUMBERS:
            return None
        values = np.array(values)
    return values.reshape(tensor.shape) if values.dtype.kind in "fiu" else None


def _fields(tensor: Tensor, columns: Sequence[str]) -> dict[str, Values]:
    name, shape, values = tensor.name, tensor.shape, tensor.values
    if _is_matrix(tensor, columns):
        return {column: values[index :: len(columns)] for index, column in enumerate(columns)}
    if len(shape) == 1 or (len(shape) == _MATRIX and shape[1] == 1):
        return {name: values}
    if columns and name not in columns:
        if len(shape) > _MATRIX:
            raise RequestError(f"tensor `{name}`: expected the shape [n] or [n, k], found {shown_shape(shape)}")
        raise RequestError(f"tensor `{name}`: the model reads {len(columns)} columns, found {shape[1]}")
    nested: list[Any] = np.array(values, dtype=object if isinstance(values, list) else None).reshape(shape).tolist()
    return {name: nested}


def _rows(rows: Sequence[Any], columns: Sequence[str], *, is_direct: bool) -> list[Row]:
    if all(type(row) is dict for row in rows):
        return [_in_order(index, row, columns) for index, row in enumerate(rows)] if is_direct else list(rows)
    if not columns:
        raise RequestError("the model does not name its columns: send objects to `infer_dict`, or tensors")
    if len(columns) == 1 and not any(type(row) is list for row in rows):
        return [{columns[0]: value} for value in rows]
    for index, row in enumerate(rows):
        if type(row) is not list or len(row) != len(columns):
            found = f"{len(row)} values" if type(row) is list else "a single value"
            raise RequestError(
                f"row {index}: the model reads {len(columns)} columns ({_order(columns)}), found {found}"
            )
    return make_rows(columns, rows)


def _in_order(index: int, row: Row, columns: Sequence[str]) -> Row:
    """Return a row with the model's columns first, in its order, and whatever else the client sent."""
    for name in columns:
        if name not in row:
            raise RequestError(
                f"row {index} lacks the column `{name}`; the model reads, in this order: {_order(columns)}"
            )
    return {name: row[name] for name in columns} | row


def _order(columns: Sequence[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)
