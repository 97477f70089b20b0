"""GitHub's own description of its interface (OpenAPI), cut to the addresses that we use, to judge requests and answers.

The description comes from npm (``@octokit/openapi``, MIT, 29 MB to fetch) into a folder that Git ignores. The package
unfolds to 400 MB, so one file is taken out of it, cut to about a megabyte, and all the rest is deleted.

What is judged: a request's query and body, and an answer's body. Unknown names of a body count as mistakes although the
description allows them: GitHub ignores what it does not know, and a misspelt option would do nothing.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import referencing
from filelock import FileLock
from referencing.jsonschema import DRAFT202012

from tests.servers.npm import FOLDER, LOCK, run_npm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.http_server import Request

Json = dict[str, Any]

PACKAGE: Final = "@octokit/openapi@23.0.2"
_INTEGRITY: Final = "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
"""SHA-512 of the package, as npm names it."""
_MEMBER: Final = "package/generated/api.github.com.json"
_SUBJECTS: Final = (
    "branches|check-runs|collaborators|commits|compare|contents|deployments|environments|git|"
    "issues|labels|pulls|statuses"
)
_WANTED: Final = re.compile(
    rf"/repos/{{owner}}/{{repo}}(/({_SUBJECTS})(/.*)?)?|/user|/users/{{username}}|/installation/repositories|/rate_limit"
)
_UNWANTED: Final = re.compile(r"protection|secrets|variables|codespaces|reactions|sub_issue|dependencies|field-values")
_PROSE: Final = frozenset({"description", "example", "examples", "externalDocs", "summary", "x-multi-segment"})
_FILE: Final = FOLDER / "openapi" / "github.json"
_ROOT: Final = "urn:github"
_ITEMS_JUDGED: Final = 3
"""Of a list, which comes in one shape: judging a hundred comments would take longer than all else."""


def installed_description() -> Path:
    """Fetch and cut the description, unless that was done; return the file.

    Raises:
        RuntimeError: the package is not what it was when this was written.
    """
    wanted = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    stamp = _FILE.with_suffix(".stamp")
    if not (stamp.exists() and stamp.read_text() == wanted):
        with FileLock(LOCK):
            if not (stamp.exists() and stamp.read_text() == wanted):
                _FILE.parent.mkdir(exist_ok=True)
                _FILE.write_text(json.dumps(_cut(_fetched())))
                stamp.write_text(wanted)
    return _FILE


def _fetched() -> Json:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_npm(["pack", PACKAGE, "--ignore-scripts", "--pack-destination", str(folder)], cwd=folder)
        (package,) = folder.glob("*.tgz")
        if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != _INTEGRITY:
            raise RuntimeError(f"{PACKAGE} is not the package that was pinned")
        with tarfile.open(package) as archive:
            member = archive.extractfile(_MEMBER)
            assert member is not None
            found: Json = json.load(member)
            return found


def _cut(whole: Json) -> Json:
    """Return the operations that we use and what they refer to, as JSON Schema."""
    paths: Json = {}
    for path, item in whole["paths"].items():
        if _WANTED.fullmatch(path) and not _UNWANTED.search(path):
            paths[path] = {method: _operation(whole, one) for method, one in item.items()}
    schemas: Json = {}
    _collect(whole, paths, schemas)
    return {"paths": paths, "components": {"schemas": schemas}}


def _operation(whole: Json, operation: Json) -> Json:
    parameters = [_resolved(whole, parameter) for parameter in operation.get("parameters", ())]
    answers = {}
    for status, answer in operation["responses"].items():
        schema = _resolved(whole, answer).get("content", {}).get("application/json", {}).get("schema")
        if status.startswith("2") and schema is not None:
            answers[status] = _schema(schema)
    content = operation.get("requestBody", {}).get("content", {})
    return {
        "query": {one["name"]: _schema(one["schema"]) for one in parameters if one["in"] == "query"},
        "body": _schema(content["application/json"]["schema"]) if "application/json" in content else None,
        "answers": answers,
    }


def _resolved(whole: Json, value: Json) -> Json:
    while "$ref" in value:
        value = functools.reduce(lambda inner, name: inner[name], value["$ref"].removeprefix("#/").split("/"), whole)
    return value


def _schema(value: Any) -> Any:
    """Return OpenAPI 3.0's dialect as JSON Schema, without prose."""
    if isinstance(value, list):
        return [_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _named(name, one) for name, one in value.items() if name not in _PROSE}
    if found.pop("nullable", False) is True:
        return {"anyOf": [{"type": "null"}, found]}
    return found


def _named(name: str, value: Any) -> Any:
    if name == "properties":  # here the keys are GitHub's words: one of them may be `description`
        return {key: _schema(one) for key, one in value.items()}
    return value if name in {"enum", "default"} else _schema(value)


def _collect(whole: Json, value: Any, schemas: Json) -> None:
    """Put all that `value` refers to into `schemas`."""
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            name = reference.rpartition("/")[2]
            if name not in schemas:
                schemas[name] = _schema(whole["components"]["schemas"][name])
                _collect(whole, schemas[name], schemas)
        for one in value.values():
            _collect(whole, one, schemas)
    elif isinstance(value, list):
        for one in value:
            _collect(whole, one, schemas)


class Description:
    """The description, ready to judge."""

    def __init__(self, content: Json) -> None:
        self._paths: Json = content["paths"]
        resource = referencing.Resource.from_contents(content, default_specification=DRAFT202012)
        self._registry: referencing.Registry[Any] = referencing.Registry().with_resource(_ROOT, resource)
        self._content = content

    def request_problems(self, pattern: str, request: Request) -> list[str]:
        """Return what is wrong with a request to a route such as ``/repos/{owner}/{repo}/pulls/{number}``."""
        found = self._find(pattern, request.method)
        if found is None:
            return [f"GitHub describes no {request.method} {pattern}"]
        pointer, operation = found
        problems = []
        for name, text in request.query.items():
            if name not in operation["query"]:
                problems.append(f"query: `{name}` is no parameter")
                continue
            value = int(text) if text.isdecimal() else text
            problems += self._judge(f"{pointer}/query/{_escaped(name)}", value, f"query.{name}")
        if request.body and operation["body"] is not None:
            problems += self._body_problems(pointer, operation["body"], request.json())
        return problems

    def _body_problems(self, pointer: str, schema: Json, body: Any) -> Iterator[str]:
        if isinstance(body, list):  # labels alone: in the description's prose, and not in its schema
            body = {"labels": body}
        yield from self._judge(f"{pointer}/body", body, "body")
        known = _properties(self._content, schema)
        if known and isinstance(body, dict):
            yield from (f"body: `{name}` is no property" for name in body if name not in known)

    def answer_problems(self, pattern: str, method: str, status: int, body: Any) -> list[str]:
        """Return what is wrong with an answer."""
        found = self._find(pattern, method)
        if found is None:
            return [f"GitHub describes no {method} {pattern}"]
        pointer, operation = found
        if str(status) not in operation["answers"]:
            return []
        shown = body[:_ITEMS_JUDGED] if isinstance(body, list) else body
        return self._judge(f"{pointer}/answers/{status}", shown, "answer")

    def _find(self, pattern: str, method: str) -> tuple[str, Json] | None:
        shape = _shape(pattern)
        for path, item in self._paths.items():
            if _shape(path) == shape and method.lower() in item:
                return f"/paths/{_escaped(path)}/{method.lower()}", item[method.lower()]
        return None

    def _judge(self, pointer: str, value: Any, where: str) -> list[str]:
        validator = _validator(self, pointer)
        return [f"{where}{error.json_path[1:]}: {error.message[:200]}" for error in validator.iter_errors(value)]


@functools.cache
def _validator(description: Description, pointer: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"{_ROOT}#{pointer}"}, registry=description._registry)


def _shape(pattern: str) -> str:
    return re.sub(r"{[^}]*}", "{}", pattern)


def _escaped(name: str) -> str:
    """Return a name as a part of a pointer in an address."""
    return name.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _properties(content: Json, schema: Json) -> set[str]:
    """Return all names that a body may have; none when the schema does not name them."""
    if "$ref" in schema:
        return _properties(content, content["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    names = set(schema.get("properties", ()))
    for word in ("oneOf", "anyOf", "allOf"):
        for one in schema.get(word, ()):
            names |= _properties(content, one)
    return names


@functools.cache
def github_description() -> Description:
    """Return the description; the first call of a machine fetches it."""
    return Description(json.loads(installed_description().read_text()))


if __name__ == "__main__":
    installed_description()
