"""Requests to the models of a graph: which one, what is asked of it, and with which rows.

Operations of every model: ``infer`` (MLRun's ``predict`` is the same) and ``infer_dict`` (``predict_dict``), rows by
name. Others (``explain``, a class's own) are the model's; the router finds them in the event's path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci_core.serving.model_path import BY_NAME, BY_TENSOR, INFER, MODELS_PREFIX, ModelPath, parse_model_path
from ci_core.serving.problems import UnknownModelError, UnknownPathError
from ci_core.serving.protocol import Reply, body_of, read_either, read_objects, read_request
from ci_core.serving.protocol.answers import HEADER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.base import Model, Row
    from ci_core.serving.plan import Plan
    from ci_core.serving.protocol import InferRequest
    from ci_core.serving.signature import Signatures
    from ci_core.serving.table import Table

_READY = "ready"
_REMEMBERED_PATHS = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """What a path asks for."""

    path: ModelPath
    key: str
    """What the graph knows the model by."""
    operation: str
    """Empty for the metadata."""
    event_path: str
    """Of the event: the operations of every model are all ``infer`` to the graph."""
    version: str | None
    """Of the model that answers, when it has one, asked for or not."""


class Inference:
    """Finds models and reads requests to them.

    Args:
        plan: with the models.
        is_direct: whether requests go to the models as they are; see ``signature.is_direct``.
        signatures: of the models.
    """

    def __init__(self, plan: Plan, *, is_direct: bool, signatures: Signatures) -> None:
        self._models: Mapping[str, Any] = plan.models
        self._is_direct = is_direct
        self._signatures = signatures
        self._found: dict[str, Asked] = {}

    def find(self, path: str) -> Asked:
        """Return what a path below ``/v2/models/`` asks for.

        Raises:
            UnknownModelError: there is no such model, or not in this version.
            UnknownPathError: the model has no such operation.
        """
        found = self._found.get(path)
        if found is None:
            found = self._find(path)
            if len(self._found) < _REMEMBERED_PATHS:
                self._found[path] = found
        return found

    def _find(self, path: str) -> Asked:
        parsed = parse_model_path(path)
        if parsed is None:
            raise UnknownModelError(path[len(MODELS_PREFIX) :], tuple(self._models))
        key, operation = parsed.find(self._models), parsed.operation
        event_path = path
        if operation in BY_NAME or operation == "predict":
            event_path = f"{path.rpartition('/')[0]}/{INFER}"
        elif operation not in {"", INFER, _READY}:
            own: tuple[str, ...] = self._models[key].operations
            if operation not in own:
                known = ", ".join(f"`{one}`" for one in (INFER, "infer_dict", *own, _READY))
                raise UnknownPathError(f"the model `{key}` has no operation `{operation:.100}`; operations: {known}")
        version = key.partition(":")[2] if parsed.version is None else parsed.version
        return Asked(parsed, key, operation, event_path, version or None)

    def read(
        self, asked: Asked, body: bytes, headers: Mapping[str, str]
    ) -> tuple[InferRequest, Table | list[Row], Reply]:
        """Return a request, the rows that the graph gets, and how its answer is written.

        Raises:
            RequestError: the body is no such request.
        """
        model: Model = self._models[asked.key]
        by_name, is_infer = asked.operation in BY_NAME, asked.operation in BY_TENSOR
        if by_name:
            request = read_objects(body)
        else:
            request = (read_request if is_infer else read_either)(body, headers.get(HEADER_LENGTH))
        known = self._signatures.known(asked.key)
        if is_infer and request.outputs is not None:
            known.check_outputs(request.outputs)
        as_table = self._is_direct and is_infer and getattr(model, "takes_tables", False)
        rows = body_of(request, model.input_columns, as_table=as_table, is_direct=self._is_direct, known=known)
        outputs = known.outputs if is_infer or by_name else None
        return request, rows, Reply(asked.path.model, asked.version, request, outputs)
