"""A fitted estimator, pipelines included, as a lowered file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.lowering.document import encode
from ci_core.lowering.linear import CLASSIFIERS, REGRESSIONS, linear_model
from ci_core.lowering.preparation import class_name, pipeline, width
from ci_core.lowering.spec import FOLDER, NotLowerableError
from ci_core.lowering.trees import TREES, tree_model
from ci_core.serving.models.lowered import FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.lowering.spec import Form
    from ci_core.serving.models.columns import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LoweredFiles:
    """A model in its lower form."""

    form: Form
    main: str
    """The file that the route names; a path in the bundle."""
    files: Mapping[str, bytes]
    """Path in the bundle → content."""


def lower_estimator(estimator: Any, *, kinds: Sequence[Kind], source: str) -> LoweredFiles:
    """Return the lower form of a fitted estimator.

    Args:
        estimator: of scikit-learn.
        kinds: of the columns that it reads, in order.
        source: what to call the file: the same for the same estimator only.

    Raises:
        NotLowerableError: it has none.
        MissingExtraError: a library is missing that would be needed.
    """
    features, final = _parts(estimator, len(kinds))
    n_features = width(features, len(kinds))
    name = class_name(final)
    trees: bytes | None = None
    if name in TREES:
        model, trees = tree_model(final, n_features)
    elif name in REGRESSIONS or name in CLASSIFIERS:
        model = linear_model(final)
    else:
        raise NotLowerableError(f"`{type(final).__name__}` is not among the estimators that are lowered")
    document = {
        "format": FORMAT,
        "kinds": list(kinds),
        "features": features,
        **model,
        **_classes(final),
    }
    main = PurePosixPath(FOLDER, f"{source}.{'lowered' if trees is None else 'trees'}")
    files = {str(main): encode(document)}
    if trees is not None:
        files[str(main.with_name(model["score"]["trees"]))] = trees
    return LoweredFiles(form="numpy" if trees is None else "onnx", main=str(main), files=files)


def _parts(estimator: Any, n_columns: int) -> tuple[dict[str, Any], Any]:
    """Return the transformations before the last estimator, and that."""
    steps: list[tuple[str, Any]] = []
    while class_name(estimator) == "Pipeline":
        *before, (_name, estimator) = estimator.steps
        steps += before
    return pipeline(steps, n_columns), estimator


def _classes(final: Any) -> dict[str, Any]:
    classes = getattr(final, "classes_", None)
    if classes is None:
        return {"classes": None, "class-kind": None}
    labels = np.asarray(classes)
    kind = labels.dtype.kind
    if kind not in "biufUO" or (kind == "O" and not all(isinstance(label, str) for label in labels.tolist())):
        raise NotLowerableError("has labels that are neither numbers nor text")
    return {"classes": labels.tolist(), "class-kind": kind}
