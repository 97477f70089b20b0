"""Which model, version and operation a request path asks for. Pure.

The paths are those of the Open Inference Protocol: ``/v2/models/<m>[/versions/<v>][/<operation>]``. Routers read them,
and the server does, so that ``graph.test(rows, path="/v2/models/m1/infer")`` means what it means over HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ci_core.serving.problems import UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

MODELS_PREFIX = "/v2/models/"
"""Where the Open Inference Protocol puts models."""

INFER = "infer"
BY_TENSOR = frozenset({INFER, "predict"})
"""Operations of every model that take V2 requests; the second is MLRun's name of the first."""
BY_NAME = frozenset({"infer_dict", "predict_dict"})
"""The same with rows by name."""

_VERSIONS = "versions"


def model_key(name: str, version: str | None) -> str:
    """Return what a graph knows a model by: ``name``, or ``name:version``."""
    return name if version is None else f"{name}:{version}"


@dataclass(frozen=True, slots=True)
class ModelPath:
    """What a path asks for."""

    model: str
    version: str | None = None
    operation: str = ""
    """``infer``, ``ready``, …; empty when the path names the model alone."""

    def find(self, keys: Iterable[str]) -> str:
        """Return the key that is meant: the version asked for, else the last one in the order of the routes.

        Raises:
            UnknownModelError: no model of this name, or not in this version.
        """
        known = tuple(keys)
        if self.version is not None:
            wanted = model_key(self.model, self.version)
            if wanted in known:
                return wanted
            raise UnknownModelError(wanted, known)
        if self.model in known:
            return self.model
        versions = [key for key in known if key.startswith(f"{self.model}:")]
        if not versions:
            raise UnknownModelError(self.model, known)
        return versions[-1]


def parse_model_path(path: str) -> ModelPath | None:
    """Return what `path` asks for; None when it names no model."""
    if not path.startswith(MODELS_PREFIX):
        return None
    name, *rest = path[len(MODELS_PREFIX) :].rstrip("/").split("/")
    if not name:
        return None
    version = None
    if len(rest) > 1 and rest[0] == _VERSIONS and rest[1]:
        version, rest = unquote(rest[1]), rest[2:]
    return ModelPath(unquote(name), version, "/".join(rest))
