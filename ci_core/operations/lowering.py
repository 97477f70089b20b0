"""Lower the models of a release, on rows of the project: its reference data, or its smoke requests without one."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ci_core.deploy.smoke import read_smoke_requests
from ci_core.errors import GraphshipError
from ci_core.lowering import LoweredGraph, ReplayRows, lower_graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from ci_core.config.settings import Settings
    from ci_core.serving.spec import GraphSpec

_ROWS = 2_000
"""Of the reference; as many take a forest of scikit-learn's about a second."""
_SEED = 7


def may_be_lowered(graph: GraphSpec) -> bool:
    """Whether a route has a model that is asked about, so that rows are needed."""
    return any(
        route.is_file and PurePosixPath(route.model).suffix.lower() == ".skops" and route.lower != "off"
        for route in graph.routes
    )


def lower_models(settings: Settings, graph: GraphSpec) -> LoweredGraph:
    """Return `graph` with lowered models where they answer the project's rows as the originals do.

    Raises:
        NotLoweredError: a route with ``lower: on`` cannot be lowered.
    """
    return lower_graph(graph, settings.root, partial(_rows, settings))


def _rows(settings: Settings, columns: Sequence[str]) -> ReplayRows:
    if settings.monitor is not None:
        return _reference_rows(settings, settings.monitor.reference, columns)
    if settings.smoke is None:
        return ReplayRows(source="the project", problem="the project has neither `monitor.reference` nor `smoke`")
    return _smoke_rows(settings, settings.smoke, columns)


def _reference_rows(settings: Settings, reference: str, columns: Sequence[str]) -> ReplayRows:
    source = f"`{reference}`"
    try:
        from ci_core.monitoring.duckdb import open_table, sample_arrays
    except ImportError:
        problem = "reading it takes the extra `monitor`, which is not installed where the release is made"
        return ReplayRows(source=source, problem=f"{source}: {problem}")
    try:
        with open_table(settings.root / reference) as table:
            absent = [column for column in columns if column not in table.columns]
            if absent:
                return ReplayRows(source=source, problem=f"{source} lacks the column `{absent[0]}`")
            arrays = sample_arrays(table, columns, rows=_ROWS, seed=_SEED)
    except GraphshipError as error:
        return ReplayRows(source=source, problem=error.fact)
    values = [_plain(arrays[column]) for column in columns]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    return ReplayRows(source=source, rows=rows)


def _plain(values: np.ndarray) -> list[Any]:
    """Return values as a request has them: NaN as None."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - only NaN differs from itself


def _smoke_rows(settings: Settings, smoke: str, columns: Sequence[str]) -> ReplayRows:
    source = f"`{smoke}`"
    try:
        requests = read_smoke_requests(settings.root, smoke)
    except GraphshipError as error:
        return ReplayRows(source=source, problem=error.fact)
    rows = [
        {column: row[column] for column in columns}
        for request in requests
        for row in _objects(request["body"])
        if all(column in row for column in columns)
    ]
    return ReplayRows(source=source, rows=rows)


def _objects(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a request: the body, or the items of a list."""
    for item in body if isinstance(body, list) else [body]:
        if isinstance(item, dict):
            yield item
