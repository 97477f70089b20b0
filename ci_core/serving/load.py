"""Load the graph that ``graphship.yaml`` names, from any checkout, any number of times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ci_core.errors import GraphNotFoundError, GraphshipError, nearest
from ci_core.serving.call_check import checks_call
from ci_core.serving.graph import Graph
from ci_core.serving.graph_file import place_of_step, read_graph_file
from ci_core.serving.modules import ProjectModules
from ci_core.serving.setting_rules import check_all_settings
from ci_core.serving.topology import check

_DATA_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@checks_call("load_graph")
def load_graph(reference: str, root: Path, *, check_files: bool = True) -> Graph:
    """Load a serving graph and check it.

    The project's modules are imported afresh and do not stay in ``sys.modules``, so the graphs of two checkouts of one
    project can be loaded one after the other. ``graph.test`` and plans of ``graph.compile`` work as usual.

    Args:
        reference: ``path/to/file.py:name`` or ``path/to/file.yaml``, relative to `root`.
        root: folder of the project; imports and relative paths of its code start here.
        check_files: whether models, data files and the steps' references must exist; False for a checkout whose data
            was not pulled and whose graph is only looked at.

    Raises:
        GraphNotFoundError: no such file, or no graph of that name in it.
        GraphFileError: a YAML graph has mistakes.
        GraphCodeError: the graph's code raised (exit code 3).
        GraphshipError: the graph makes no sense, or names what does not exist; see :attr:`Graph.spec` and
            :meth:`Graph.check`.
    """
    path, _, name = reference.partition(":")
    file = root / path
    if not file.is_file():
        raise GraphNotFoundError(
            reference=reference, reason=f"there is no file `{path}`", known_names=_candidates(root, path), name=path
        )
    modules = ProjectModules(root)
    if file.suffix not in _DATA_SUFFIXES:
        return _checked(_from_code(reference, path, name, modules), modules, check_files=check_files)
    spec = read_graph_file(file, shown_as=path)
    try:
        return _checked(Graph.from_spec(spec), modules, check_files=check_files)
    except GraphshipError as error:
        error.found_at(place_of_step(file, shown_as=path, step=getattr(error, "step", None)))
        raise


def _checked(graph: Graph, modules: ProjectModules, *, check_files: bool) -> Graph:
    graph._home = modules  # noqa: SLF001 - the loader finishes what the builder began
    if check_files:
        graph.check()
    else:
        check(graph.spec)
    check_all_settings(graph.spec)
    return graph


def _from_code(reference: str, path: str, name: str, modules: ProjectModules) -> Graph:
    with modules.active():
        module = modules.import_file(path)
    if not name:
        raise GraphNotFoundError(
            reference=reference,
            reason="it does not say which name in the file is the graph",
            known_names=[f"{path}:{found}" for found in _graphs_in(module)],
            name=f"{path}:graph",
        )
    found = getattr(module, name, None)
    if found is None:
        raise GraphNotFoundError(
            reference=reference, reason=f"`{path}` defines no `{name}`", known_names=_graphs_in(module), name=name
        )
    if not isinstance(found, Graph):
        raise GraphNotFoundError(
            reference=reference,
            reason=f"`{name}` is a {type(found).__name__}, not a Graph",
            known_names=_graphs_in(module),
            name=name,
        )
    return found


def _graphs_in(module: Any) -> list[str]:
    return sorted(name for name, value in vars(module).items() if isinstance(value, Graph))


def _candidates(root: Path, path: str) -> list[str]:
    """Return files that may have been meant: those of the same folder, or the nearest folder's."""
    folder = Path(path).parent
    if not (root / folder).is_dir():
        folders = [one.name for one in root.iterdir() if one.is_dir() and not one.name.startswith(".")]
        close = nearest(folder.as_posix(), folders)
        folder = Path(close) if close else Path()
    suffixes = {".py", *_DATA_SUFFIXES}
    return sorted(
        one.relative_to(root).as_posix()
        for one in (root / folder).glob("*")
        if one.suffix in suffixes and one.is_file()
    )
