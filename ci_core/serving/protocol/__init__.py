"""The Open Inference Protocol, version 2, over REST: requests to tables of rows, answers to tensors.

Specification: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md,
with the binary tensor data extension of Triton in both directions.

A request's tensors become the rows that a graph gets at ``/``: one field a tensor of shape ``[n]`` or ``[n, 1]``. A
tensor ``[n, k]`` becomes k fields: those that the model reads, in its order. A tensor named like a column of the model,
or of a model that names none, may have more dimensions; each row then holds a nested list. The answers, one object a
row, become one tensor ``[n]`` a field.

Beside tensors, ``infer`` takes what MLRun's clients send, ``{"inputs": [[1, 2], [3, 4]]}``: rows by position. That is a
different thing in no doubt, as a tensor is an object; the answer has the same simple form, ``{"id": …, "model_name": …,
"outputs": [answer, …]}``. ``infer_dict`` takes rows by name.

Modules: ``messages`` reads the JSON, ``tensors`` and ``binary`` the values, ``tables`` makes rows of them, ``answers``
writes, ``metadata`` describes.
"""

from __future__ import annotations

from ci_core.serving.protocol.answers import Reply
from ci_core.serving.protocol.messages import InferRequest, read_either, read_objects, read_request
from ci_core.serving.protocol.metadata import model_metadata, server_metadata, why_unready
from ci_core.serving.protocol.tables import body_of

__all__ = [
    "InferRequest",
    "Reply",
    "body_of",
    "model_metadata",
    "read_either",
    "read_objects",
    "read_request",
    "server_metadata",
    "why_unready",
]
