"""Models: the base class users extend, and loaders by the suffix of a file.

Nothing heavy is imported here; a loader's library is imported when a model of its kind is loaded.
"""

from __future__ import annotations

import importlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ci_core.errors import BrokenModelError, UnsupportedModelError
from ci_core.serving.files import check_file, leaves_project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci_core.serving.models.base import Model

_LOADERS = {
    ".json": "ci_core.serving.models.xgboost:XGBoostModel",
    ".lowered": "ci_core.serving.models.lowered:LoweredModel",
    ".onnx": "ci_core.serving.models.onnx:OnnxModel",
    ".skops": "ci_core.serving.models.skops:SkopsModel",
    ".trees": "ci_core.serving.models.lowered:LoweredTrees",
    ".txt": "ci_core.serving.models.lightgbm:LightGBMModel",
    ".ubj": "ci_core.serving.models.xgboost:XGBoostModel",
}
_OF_RELEASES = frozenset({".lowered", ".trees"})
"""Formats that the making of a release writes, and nobody else."""
_RUN_CODE = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})
"""Formats whose reading executes what the file says."""


def model_from_file(path: str, *, root: Path, columns: Sequence[str] = (), trust: Sequence[str] = ()) -> Model:
    """Return the model of a file, not loaded yet.

    Args:
        path: relative to the project.
        root: the project's folder, or the bundle's.
        columns: names of the columns of a model that takes one matrix.
        trust: types in a skops file that the graph's author vouches for.

    Raises:
        UnsupportedModelError: there is no loader for the suffix, or reading such a file would run its code.
    """
    suffix = check_suffix(path)
    module, _, name = _LOADERS[suffix].partition(":")
    model: Model = getattr(importlib.import_module(module), name)(path, root=root, columns=columns, trust=trust)
    return model


def check_suffix(path: str) -> str:
    """Return the suffix of a model file that can be loaded.

    Raises:
        UnsupportedModelError: it cannot.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in _LOADERS:
        raise UnsupportedModelError(
            path=path, suffix=suffix, runs_code=suffix in _RUN_CODE, supported=sorted(set(_LOADERS) - _OF_RELEASES)
        )
    return suffix


def check_model_file(path: str, router: str, root: Path) -> None:
    """Make sure that a model file can be opened, without opening it.

    The format is refused before the file is looked for: a file that is missing can be mended by ``dvc pull``.

    Args:
        path: relative to the project.
        router: the step that opens it; for messages.
        root: the project's folder, or the bundle's.

    Raises:
        UnsupportedModelError: there is no loader for it, or reading such a file would run its code.
        OutsideProjectError: its path leads out of the folder.
        MissingGraphFileError: it does not exist.
        BrokenModelError: it is a folder.
    """
    check_suffix(path)
    if not leaves_project(path) and (root / path).is_dir():
        raise BrokenModelError(path=path, reason="it is a folder, not a file")
    check_file("model", path, f"router `{router}`", root)


def __getattr__(name: str) -> Any:
    if name == "Model":
        from ci_core.serving.models.base import Model

        return Model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Model", "check_model_file", "check_suffix", "model_from_file"]
