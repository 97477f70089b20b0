"""Decide, route by route, whether the original or a lower form of a model goes into a release."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ci_core.errors import GraphshipError, MissingExtraError, NotLoweredError
from ci_core.lowering.spec import NAME_DIGITS, Decision, LoweredGraph, NotLowerableError
from ci_core.serving.models import model_from_file
from ci_core.types import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.lowering.estimator import LoweredFiles
    from ci_core.lowering.spec import RowsOf
    from ci_core.serving.spec import GraphSpec, RouteSpec

LEAST_ROWS = 20
"""Fewer rows say too little to replace a model on their word."""
_SUFFIX = ".skops"


def lower_graph(graph: GraphSpec, root: Path, rows_of: RowsOf) -> LoweredGraph:
    """Return `graph` with lowered models where they answer as the originals do.

    Args:
        graph: whose model files exist below `root`.
        root: the project's folder.
        rows_of: returns rows of the project to compare the models on.

    Raises:
        NotLoweredError: a route with ``lower: on`` cannot be lowered.
    """
    files: dict[str, bytes] = {}
    decisions: list[Decision] = []
    runs: dict[str, tuple[str, tuple[str, ...]]] = {}
    for route in graph.routes:
        if PurePosixPath(route.model).suffix.lower() != _SUFFIX or not route.is_file:
            continue
        decision, lowered = _decide(route, root, rows_of)
        if route.lower == "on" and lowered is None:
            raise NotLoweredError(route=route.key, model=route.model, reason=decision.reason)
        decisions.append(decision)
        if lowered is not None:
            files.update(lowered.files.files)
            runs[route.key] = lowered.files.main, lowered.columns
    return LoweredGraph(graph=_with_files(graph, runs), files=files, decisions=tuple(decisions))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lowered:
    """A lowered model that answered as its original."""

    files: LoweredFiles
    columns: tuple[str, ...]
    """Of the original; the lowered file does not know them."""
    n_rows: int
    source: str


def _with_files(graph: GraphSpec, runs: Mapping[str, tuple[str, tuple[str, ...]]]) -> GraphSpec:
    """Return `graph` with routes, those of nested graphs too, that name the files that run."""
    steps = tuple(
        replace(
            step,
            routes=tuple(_with_file(route, runs) for route in step.routes),
            graph=None if step.graph is None else _with_files(step.graph, runs),
        )
        for step in graph.steps
    )
    return replace(graph, steps=steps)


def _with_file(route: RouteSpec, runs: Mapping[str, tuple[str, tuple[str, ...]]]) -> RouteSpec:
    if route.key not in runs:
        return route
    file, columns = runs[route.key]
    return replace(route, lowered=file, columns=columns)


def _decide(route: RouteSpec, root: Path, rows_of: RowsOf) -> tuple[Decision, _Lowered | None]:
    if route.lower == "off":
        return _original(route, "its route says `lower: off`"), None
    try:
        lowered = _lower(route, root, rows_of)
    except NotLowerableError as error:
        return _original(route, str(error)), None
    except MissingExtraError as error:
        return _original(route, f"the extra `{error.extra}` is not installed where the release is made"), None
    except GraphshipError as error:
        return _original(route, "; ".join((error.fact, *error.known[:1]))), None
    files = lowered.files
    what = "numpy alone" if files.form == "numpy" else "numpy and ONNX"
    return (
        Decision(
            route=route.key,
            form=files.form,
            reason=f"runs as {what}: it answers {lowered.n_rows:,} rows of {lowered.source} as the original does",
            file=files.main,
            digest=Digest(f"sha256:{hashlib.sha256(files.files[files.main]).hexdigest()}"),
            rows=lowered.n_rows,
        ),
        lowered,
    )


def _original(route: RouteSpec, why: str) -> Decision:
    return Decision(route=route.key, form="original", reason=f"runs as it was saved: {why}")


def _lower(route: RouteSpec, root: Path, rows_of: RowsOf) -> _Lowered:
    """Return the lowered model of a route.

    Raises:
        NotLowerableError: there is none, or it does not answer as the original does.
        GraphshipError: the original cannot be loaded.
    """
    from ci_core.lowering.estimator import lower_estimator
    from ci_core.lowering.replay import difference

    original: Any = model_from_file(route.model, root=root, columns=route.columns, trust=route.trust)
    original.load()
    columns = original.input_columns
    try:
        lowered = lower_estimator(
            original.estimator,
            kinds=[column.kind for column in original.columns],
            source=hashlib.sha256((root / route.model).read_bytes()).hexdigest()[:NAME_DIGITS],
        )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        # a version of scikit-learn that keeps things elsewhere
        raise NotLowerableError(f"it could not be read ({type(error).__name__}: {error})") from error
    replay = rows_of(columns)
    if replay.problem is not None:
        raise NotLowerableError(f"nothing to compare it on: {replay.problem}")
    if len(replay.rows) < LEAST_ROWS:
        raise NotLowerableError(
            f"{replay.source} has {len(replay.rows)} rows to compare it on, and {LEAST_ROWS} are needed"
        )
    with tempfile.TemporaryDirectory(prefix="lowered-") as scratch:
        for path, content in lowered.files.items():
            file = Path(scratch, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        candidate = model_from_file(lowered.main, root=Path(scratch), columns=columns)
        candidate.load()
        found = difference(original, candidate, replay.rows, lowered.form)
    if found is not None:
        raise NotLowerableError(f"its lower form is not equal: {found}")
    return _Lowered(files=lowered, columns=tuple(columns), n_rows=len(replay.rows), source=replay.source)
