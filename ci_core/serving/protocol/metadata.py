"""What the protocol tells about the server and its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.serving.base import Model

DATATYPES: Mapping[str, str] = {
    "number": "FP64",
    "integer": "INT64",
    "string": "BYTES",
    "boolean": "BOOL",
    "any": "FP64",
}
"""Kind of a column → datatype. A column of any kind is a number in nearly every model; text is taken all the same."""

EXTENSIONS = ("binary_tensor_data",)


def server_metadata(version: str) -> dict[str, Any]:
    """Return the body of ``GET /v2``."""
    return {"name": "graphship", "version": version, "extensions": list(EXTENSIONS)}


def model_metadata(
    name: str,
    model: Model,
    *,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    versions: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the body of ``GET /v2/models/<m>``.

    The shapes are ``[-1]``, one value a row, for each column; a model also takes all its columns as one matrix
    ``[-1, k]``. The outputs are empty where nobody says what is answered.

    Args:
        name: as the client called it.
        model: behind it.
        inputs: column of a request → kind.
        outputs: field of the answer → kind.
        versions: that can be asked for.
    """
    return {
        "name": name,
        "versions": list(versions),
        "platform": f"graphship_{platform_of(model)}",
        "inputs": [_tensor(column, DATATYPES[kind]) for column, kind in inputs.items()],
        "outputs": [_tensor(output, DATATYPES[kind]) for output, kind in outputs.items()],
    }


def platform_of(model: Any) -> str:
    """Return the name of the class that answers, in lower case and without the words model and router: ``onnx``.

    A model that runs in place of another says whose: its ``platform``.
    """
    inner = getattr(model, "model", model)  # behind what keeps its state
    stands_for: str | None = getattr(inner, "platform", None)
    return stands_for or type(inner).__name__.removesuffix("Model").removesuffix("Router").lower() or "model"


def why_unready(model: Any) -> str | None:
    """Return why a model cannot answer now, None when it can: one that loads on first use can until that failed.

    A router can when all of its models can.
    """
    members: Mapping[str, Any] | None = getattr(model, "members", None)
    if members is not None:
        reasons = {key: why_unready(member) for key, member in members.items()}
        return "; ".join(f"`{key}`: {reason}" for key, reason in reasons.items() if reason) or None
    state = getattr(model, "state", "ready")
    is_to_come = state in {"waiting", "loading"} and not getattr(model, "delays_readiness", True)
    return None if state == "ready" or is_to_come else getattr(model, "reason", "") or str(state)


def column_kinds(model: Model) -> dict[str, str]:
    """Return column → kind (``number``, ``string``, ``boolean``, ``any``) of what a model reads."""
    columns = getattr(model, "columns", ())
    # names alone, where a model learned of them when it was loaded
    kinds = {getattr(column, "name", column): getattr(column, "kind", "any") for column in columns}
    return {name: kinds.get(name, "any") for name in model.input_columns}


def _tensor(name: str, datatype: str) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1]}
