"""What a served graph takes and answers, as an OpenAPI 3.1 document.

The schema of ``POST /`` is the one that was declared; else, where requests go to a model as they are, that of the
model's columns. In every other graph the first steps decide what a body may be, and the document says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ci_core import __version__
from ci_core.serving.protocol.metadata import DATATYPES, column_kinds
from ci_core.serving.protocol.tensors import DTYPES, TEXT
from ci_core.serving.schema import InputSchema
from ci_core.serving.signature import is_direct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci_core.serving.server import Application

Document: TypeAlias = "dict[str, Any]"

_KINDS: Mapping[str, str] = {
    "number": "number?",
    "integer": "integer?",
    "string": "string?",
    "boolean": "boolean",
    "any": "any?",
}
"""Kind of a model's column → word of a schema: a number and a text may be missing."""
_BINARY_NOTE = "The binary tensor data extension is understood in both directions."


def describe(application: Application) -> Document:
    """Return the OpenAPI document of a served graph."""
    paths: Document = {"/": {"post": _plain(application)}}
    for key in application.plan.models:
        paths |= _model(application, key)
    for path, summary in _PAGES.items():
        page = {"summary": summary, "tags": ["Service"], "responses": _responses("an answer")}
        paths[path] = paths.get(path, {}) | {"get": page}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": application.spec.name,
            "version": application.release or "unreleased",
            "description": f"A serving graph, served by graphship {__version__}.",
        },
        "paths": paths,
        "components": {"schemas": _SCHEMAS},
    }


_PAGES = {
    "/": "The name, the release and where what is; a browser is sent to the page for people",
    "/livez": "Whether the process is alive",
    "/readyz": "Whether requests are wanted, and which model is not ready",
    "/metrics": "Counters and latencies for Prometheus",
    "/graph": "The release, the models, the picture of the graph",
    "/v2": "The server, in words of the Open Inference Protocol",
    "/v2/models": "The models",
}

_SCHEMAS: Document = {
    "Error": {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {"slug": {"type": "string"}, "message": {"type": "string"}},
                "required": ["slug", "message"],
            }
        },
        "required": ["error"],
    },
    "ProtocolError": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
    "Tensor": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            "datatype": {"enum": [*DTYPES, TEXT]},
            "parameters": {"type": "object"},
            "data": {"type": "array"},
        },
        "required": ["name", "shape", "datatype"],
    },
    "InferRequest": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}, "minItems": 1},
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
                    "required": ["name"],
                },
            },
            "parameters": {"type": "object"},
        },
        "required": ["inputs"],
    },
    "InferResponse": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
        },
        "required": ["model_name", "outputs"],
    },
}


def _plain(application: Application) -> Document:
    schema, models = application.input_schema, application.plan.models
    note = "A field that is not listed is passed on to the steps."
    if schema is not None:
        return _operation("Ask the graph", note, _rows(schema.json_schema()), schema.example(), tag="Graph")
    if not models:
        return _operation("Ask the graph", "The steps decide what a body may be.", _rows(_OBJECT), {}, tag="Graph")
    key, model = next(iter(models.items()))
    columns = _schema_of(model)
    if not is_direct(application.spec) or not columns.columns:
        note = f"The steps decide what a body may be; the example has the columns that the model `{key}` reads."
        return _operation("Ask the graph", note, _rows(_OBJECT), columns.example(), tag="Graph")
    note = f"The columns are those of the model `{key}`, which answers unless another is asked for. {note}"
    row = columns.json_schema(may_lack=False)
    return _operation("Ask the graph", note, _rows(row), columns.example(), tag="Graph")


def _model(application: Application, key: str) -> Document:
    name, _, version = key.partition(":")
    base = f"/v2/models/{name}/versions/{version}" if version else f"/v2/models/{name}"
    model = application.plan.models[key]
    inputs = application.signatures.inputs(key)
    schema = InputSchema({name: _KINDS[kind] for name, kind in inputs.items()})
    infer = _operation(
        f"Ask the model {key}",
        f"One tensor a column, or all columns as one matrix. {_BINARY_NOTE}",
        {"$ref": "#/components/schemas/InferRequest"},
        {"inputs": list(_example_tensors(inputs)) or [_tensor("x", "FP64", 0.5)]},
        tag="Models",
        answer={"$ref": "#/components/schemas/InferResponse"},
    )
    by_name = _operation(
        f"Ask the model {key} with rows by name",
        "Columns in any order.",
        {"type": "array", "items": schema.json_schema(may_lack=False)},
        [schema.example()],
        tag="Models",
    )
    get = {"tags": ["Models"], "responses": _responses("an answer")}
    paths: Document = {
        f"{base}/infer": {"post": infer},
        f"{base}/infer_dict": {"post": by_name},
        base: {"get": {"summary": f"What the model {key} reads and answers", **get}},
        f"{base}/ready": {"get": {"summary": f"Whether the model {key} is ready", **get}},
    }
    for operation in model.operations:
        text = f"{operation} of the model {key}".capitalize()
        paths[f"{base}/{operation}"] = {
            "post": _operation(text, "Rows by name.", {"type": "array"}, [schema.example()], tag="Models")
        }
    return paths


def _schema_of(model: Any) -> InputSchema:
    return InputSchema({name: _KINDS[kind] for name, kind in column_kinds(model).items()})


_OBJECT: Document = {"type": "object"}


def _rows(row: Mapping[str, Any]) -> Document:
    return {"oneOf": [row, {"type": "array", "items": row}]}


def _example_tensors(inputs: Mapping[str, str]) -> Iterator[Document]:
    values = {"string": "text", "boolean": True, "integer": 1}
    for name, kind in inputs.items():
        yield _tensor(name, DATATYPES[kind], values.get(kind, 0.5))


def _tensor(name: str, datatype: str, value: Any) -> Document:
    return {"name": name, "shape": [1], "datatype": datatype, "data": [value]}


def _operation(
    summary: str, text: str, schema: Document, example: Any, *, tag: str, answer: Document | None = None
) -> Document:
    return {
        "summary": summary,
        "description": text,
        "tags": [tag],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": _responses("the answers", answer, "Error" if tag == "Graph" else "ProtocolError"),
    }


def _responses(text: str, answer: Document | None = None, error: str | None = None) -> Document:
    content: Document = {} if answer is None else {"content": {"application/json": {"schema": answer}}}
    responses: Document = {"200": {"description": text, **content}}
    if error is not None:
        schema: Document = {"$ref": f"#/components/schemas/{error}"}
        mistake: Document = {"content": {"application/json": {"schema": schema}}}
        responses["4XX"] = {"description": "the request is wrong; the message says what", **mistake}
        responses["5XX"] = {"description": "the fault is not the client's", **mistake}
    return responses
