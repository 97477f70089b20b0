"""The pages of a served graph: health, metrics, metadata, the graph itself, and its documentation."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import orjson

from ci_core import __version__
from ci_core.serving import metrics as prometheus
from ci_core.serving.docs_page import page
from ci_core.serving.openapi import describe
from ci_core.serving.picture import html
from ci_core.serving.problems import MethodNotAllowedError, UnknownPathError
from ci_core.serving.protocol import model_metadata, server_metadata, why_unready
from ci_core.serving.render import mermaid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.serving.inference import Asked
    from ci_core.serving.server import Answer, Application, Headers

ALWAYS_ANSWERED = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Also by a server that is full: who runs the service must see how it is."""

_JSON_HEADER = ("content-type", "application/json")
_HTML_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
)
_DOCS = "/docs"
_UNAVAILABLE = 503
_PAGE_METHODS = "GET, HEAD"
_ROOT_METHODS = "GET, HEAD, POST"
_SEE_OTHER, _PERMANENTLY = 303, 308
_LINKS = {
    "docs": "docs",
    "openapi": "openapi.json",
    "graph": "graph",
    "models": "v2/models",
    "protocol": "v2",
    "metrics": "metrics",
    "ready": "readyz",
}
"""Relative to the root, because a prefix may stand before it."""


class Pages:
    """Answers what needs no graph.

    Args:
        application: whose pages these are.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._pages: dict[str, Callable[[], Answer]] = {
            "/livez": lambda: json_answer(200, {"status": "alive"}),
            "/readyz": self._readiness,
            "/metrics": self._metrics,
            "/graph": self._graph,
            "/openapi.json": lambda: json_answer(200, describe(application)),
            "/v2": lambda: json_answer(200, server_metadata(__version__)),
            "/v2/health/live": lambda: json_answer(200, {"live": True}),
            "/v2/health/ready": self._readiness,
            "/v2/models": self._index,
        }

    @cached_property
    def _picture(self) -> str:
        return html(self._application.spec)

    def answer(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """Answer a request.

        Args:
            method: upper case.
            path: as it was asked for.
            headers: names in lower case.

        Raises:
            UnknownPathError: there is no such page.
            MethodNotAllowedError: the method is not one of a page.
        """
        bare = path.rstrip("/")
        if not bare:
            methods = _ROOT_METHODS if path == "/" else _PAGE_METHODS  # a body is only taken there
            return self._get(method, path or "/", lambda: self._root(path, headers.get("accept", "")), methods)
        get = self._pages.get(bare) if bare != _DOCS else partial(self._docs, headers.get("host"))
        if get is None:
            raise UnknownPathError(
                f"nothing is served at `{bare:.200}`; the graph is at `/`, models are below `/v2/models`"
            )
        if bare == _DOCS and path != bare:  # its links are relative, because a prefix may stand before it
            location = "../" * (len(path) - len(bare)) + _LINKS["docs"]
            return self._get(method, path, lambda: (_PERMANENTLY, [("location", location)], b""))
        return self._get(method, bare, get)

    def _root(self, path: str, accept: str) -> Answer:
        """Say what this is: to a browser with the page for people, to others in JSON."""
        up = "../" * (len(path) - 1)
        if "text/html" in accept:
            return _SEE_OTHER, [("location", up + _LINKS["docs"]), ("vary", "accept")], b""
        application = self._application
        links = {name: up + link for name, link in _LINKS.items()}
        told = {"name": application.spec.name, "release": application.release, "links": links}
        return json_answer(200, told, [_JSON_HEADER, ("vary", "accept")])

    def model(self, method: str, path: str, asked: Asked) -> Answer:
        """Answer what is asked about a model rather than of it.

        Raises:
            MethodNotAllowedError: the method is not one of a page.
        """
        if asked.operation:
            return self._get(method, path, lambda: self._model_readiness(asked))
        model = self._application.plan.models[asked.key]
        versions = [
            key.partition(":")[2] for key in self._application.plan.models if key.startswith(f"{asked.path.model}:")
        ]
        signatures = self._application.signatures
        inputs, outputs = signatures.inputs(asked.key), signatures.outputs(asked.key)
        told = model_metadata(asked.path.model, model, inputs=inputs, outputs=outputs, versions=versions)
        return self._get(method, path, lambda: json_answer(200, told))

    def _get(self, method: str, path: str, get: Callable[[], Answer], methods: str = _PAGE_METHODS) -> Answer:
        if method in {"GET", "HEAD"}:
            return get()
        if method == "OPTIONS":
            return 204, [("allow", f"{methods}, OPTIONS")], b""
        raise MethodNotAllowedError(method, path, methods)

    def _readiness(self) -> Answer:
        application = self._application
        if application.is_draining:
            return json_answer(_UNAVAILABLE, {"status": "draining", "ready": False})
        unready = application.plan.unready()
        if unready:
            return json_answer(_UNAVAILABLE, {"status": "not-ready", "ready": False, "models": unready})
        return json_answer(200, {"status": "ready", "ready": True, "release": application.release})

    def _model_readiness(self, asked: Asked) -> Answer:
        name, application = asked.path.model, self._application
        if application.is_draining:
            return json_answer(_UNAVAILABLE, {"name": name, "ready": False, "error": "the server is about to stop"})
        plan = application.plan
        reason = plan.unready().get(asked.key) or why_unready(plan.models[asked.key])
        if reason is not None:
            return json_answer(_UNAVAILABLE, {"name": name, "ready": False, "error": reason})
        return json_answer(200, {"name": name, "ready": True})

    def _index(self) -> Answer:
        return json_answer(200, {"models": list(self._application.plan.models)})

    def _docs(self, host: str | None) -> Answer:
        return 200, list(_HTML_HEADERS), page(describe(self._application), self._picture, host).encode()

    def _metrics(self) -> Answer:
        return 200, [("content-type", prometheus.CONTENT_TYPE)], self._application.metrics.text().encode()

    def _graph(self) -> Answer:
        spec = self._application.spec
        return json_answer(
            200,
            {
                "name": spec.name,
                "release": self._application.release,
                "models": {route.key: route.model for route in spec.routes},
                "mermaid": mermaid(spec),
            },
        )


def json_answer(status: int, value: Any, headers: Headers | None = None) -> Answer:
    """Return an answer of JSON; `headers` take the place of those that say so."""
    return status, [_JSON_HEADER] if headers is None else headers, orjson.dumps(value)
