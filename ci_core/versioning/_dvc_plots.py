"""Read the plots that a project declares, with their rows, out of an open DVC repository.

DVC says what is declared and where its data is; the files are read one by one, so that one that cannot be read is told
and costs no other. Names are relative to the project's folder; plots of other folders of a monorepo are left out.
"""

from __future__ import annotations

import math
import posixpath
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ci_core.versioning._dvc_parse import LFS_POINTER
from ci_core.versioning._dvc_read import plain, within
from ci_core.versioning._dvc_values import MAX_BYTES, OUTSIDE, missing, refusal, sentence
from ci_core.versioning.plots import Plot, PlotSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ci_core.types import JsonObject

_collected: WeakKeyDictionary[Any, Mapping[str, Any]] = WeakKeyDictionary()
"""By DVC's index, which never changes."""


def plots(repo: Any, prefix: str) -> tuple[Plot, ...]:
    """Return all declared plots with their rows, sorted by id.

    An id that several ``dvc.yaml`` use is written with its file: ``model/dvc.yaml::roc``.
    """
    from dvc.repo.plots import infer_data_sources

    definitions = _definitions(repo)
    declared = list(_declared(definitions, prefix))
    times = Counter(plot_id for _, plot_id, _ in declared)
    sources: dict[str, PlotSource] = {}
    reader = _Reader(repo, prefix)
    found = [_unreadable(file, error) for file, error in _errors(definitions)]
    for file, plot_id, properties in declared:
        paths = infer_data_sources(plot_id, properties)
        if any(_is_of_another_project(path, prefix) for path in paths):
            continue
        for path in paths:
            if path not in sources:
                sources[path] = reader.read(path, properties)
        found.append(
            Plot(
                id=plot_id if times[plot_id] == 1 or not file else f"{file}::{plot_id}",
                properties={key: plain(value) for key, value in properties.items()},
                sources=tuple(sources[path] for path in paths),
            )
        )
    return tuple(sorted(found, key=lambda plot: plot.id))


def plot_files(repo: Any, prefix: str) -> set[str]:
    """Return the files that are declared as plots, or that plots are drawn from, relative to the project."""
    from dvc.repo.plots import infer_data_sources

    return {
        posixpath.normpath(path)
        for _, plot_id, properties in _declared(_definitions(repo), prefix)
        for path in infer_data_sources(plot_id, properties)
    }


def _definitions(repo: Any) -> Mapping[str, Any]:
    """Return what DVC collects of plots, once for each collection of its stages."""
    from dvc.repo.plots import _collect_definitions, onerror_collect

    known = _collected.get(repo.index)
    if known is not None:
        return known
    definitions: Mapping[str, Any] = _collect_definitions(repo, targets=[], onerror=onerror_collect)
    if not any(_errors(definitions)):  # what a remote could not give may come later
        _collected[repo.index] = definitions
    return definitions


def _declared(definitions: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield ``(dvc.yaml, id, properties)``; the first is empty for plots that are outputs of a stage."""
    for file, content in (definitions.get("data") or {}).items():
        if not file or not _is_of_another_project(file, prefix):
            for plot_id, properties in (content.get("data") or {}).items():
                yield file, plot_id, properties or {}


def _errors(definitions: Mapping[str, Any]) -> Iterator[tuple[str, Exception]]:
    if "error" in definitions:
        yield "dvc.yaml", definitions["error"]
    for file, content in (definitions.get("data") or {}).items():
        if "error" in content:
            yield file or "dvc.yaml", content["error"]


def _unreadable(file: str, error: Exception) -> Plot:
    return Plot(id=file, sources=(PlotSource(path=file, problem=sentence(error)),))


def _is_of_another_project(path: str, prefix: str) -> bool:
    """Whether a path, relative to the project, leads out of its folder but not out of the repository."""
    inside = _in_repository(path, prefix)
    return inside is not None and within(inside, prefix) is None


def _in_repository(path: str, prefix: str) -> str | None:
    """Return a path, relative to the project, as one relative to the DVC root; None when it lies outside."""
    if posixpath.isabs(path):
        return None
    inside = posixpath.normpath(posixpath.join(prefix, path))
    return None if inside == ".." or inside.startswith("../") else inside


class _Reader:
    """Reads the files that plots are drawn from."""

    def __init__(self, repo: Any, prefix: str) -> None:
        from dvc.repo.plots import _plot_props

        self._repo, self._prefix = repo, prefix
        self._has_header = {
            repo.dvcfs.from_os_path(out.fs_path): _plot_props(out).get("header", True)
            for out in repo.index.plots
            if isinstance(out.plot, dict)
        }

    def read(self, path: str, properties: Mapping[str, Any]) -> PlotSource:
        """Return a file's rows, its bytes when it is a picture, or why it cannot be read."""
        from dvc.repo.plots import onerror_collect, parse

        inside = _in_repository(path, self._prefix)
        problem = OUTSIDE if inside is None else refusal(self._repo, inside)
        if problem or inside is None:
            return PlotSource(path=path, problem=problem)
        header = properties.get("header", self._has_header.get(inside, True))
        try:
            size = self._repo.dvcfs.info(f"/{inside}").get("size") or 0
            if size > MAX_BYTES:
                problem = f"it has {size:,} bytes, and files of more than {MAX_BYTES:,} are not drawn"
                return PlotSource(path=path, problem=problem)
            options = {"props": {"header": header}, "onerror": onerror_collect}
            read = parse(self._repo.dvcfs, f"/{inside}", cache=True, **options)
        except Exception as error:  # noqa: BLE001 - DVC lets through what parsers and remotes raise, and each is told
            read = {"error": error}
        if "error" in read:
            return PlotSource(path=path, problem=_why(self._repo, inside, read["error"]))
        return _source(path, read.get("data"))


def _why(repo: Any, path: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return missing(repo, path) or sentence(error)
    if isinstance(error, TypeError):  # DVC's reader of CSV files without a header, on an empty one
        return "it is empty"
    return sentence(error)


def _source(path: str, content: object) -> PlotSource:
    if isinstance(content, bytes):
        if content.startswith(LFS_POINTER.encode()):
            return PlotSource(path=path, problem="only the pointer of Git LFS is there, not the file")
        return PlotSource(path=path, image=content)
    rows = tuple(_rows(content))
    if rows and any(str(key).startswith(LFS_POINTER) for key in rows[0]):
        return PlotSource(path=path, problem="only the pointer of Git LFS is there, not the file")
    return PlotSource(path=path, rows=rows, problem=None if rows else "there are no rows in it")


def _rows(content: object) -> Iterable[JsonObject]:
    """Return the rows of a plot's file: the list itself, or the longest list of objects inside a JSON document."""
    if isinstance(content, list):
        return [_row(row) for row in content if isinstance(row, Mapping)]
    if isinstance(content, Mapping):
        return max((list(_rows(inner)) for inner in content.values()), key=len, default=[])
    return []


def _row(row: Mapping[Any, Any]) -> JsonObject:
    return {
        str(key): None if isinstance(value, float) and math.isnan(value) else plain(value) for key, value in row.items()
    }
