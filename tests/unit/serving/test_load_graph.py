from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci_core import errors
from ci_core.cli._render import render_error
from ci_core.serving import load_graph
from ci_core.testing.golden import assert_golden

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[2] / "golden" / "serving"
GRAPH = """
from ci_core.serving import Graph
graph = Graph("churn")
graph.to("serving.features:enrich").respond()
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Write files below a folder and return it."""

    def write(files: dict[str, str], name: str = "project") -> Path:
        root = tmp_path / name
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return root

    return write


def test_two_checkouts_with_the_same_module_names_are_loaded_one_after_the_other(
    project: Callable[..., Path],
) -> None:
    base = project({"serving/graph.py": GRAPH, "serving/features.py": "def enrich(b): return 'base'"}, "base")
    head = project({"serving/graph.py": GRAPH, "serving/features.py": "def enrich(b): return 'head'"}, "head")

    graphs = [load_graph("serving/graph.py:graph", root) for root in (base, head)]

    assert [graph.test({}) for graph in (*graphs, *reversed(graphs))] == ["base", "head", "head", "base"]


def test_loading_leaves_no_trace_in_the_process_or_the_checkout(project: Callable[..., Path]) -> None:
    root = project({"serving/graph.py": GRAPH, "serving/features.py": "def enrich(b): return b"})
    path, modules, folder = list(sys.path), set(sys.modules), Path.cwd()

    load_graph("serving/graph.py:graph", root).test({})

    assert sys.path == path
    assert {name for name in set(sys.modules) - modules if name.startswith("serving")} == set()
    assert Path.cwd() == folder
    assert [file.name for file in root.rglob("*") if file.name == "__pycache__"] == []


def test_a_step_may_import_its_project_and_open_its_files_while_it_runs(project: Callable[..., Path]) -> None:
    features = """
from pathlib import Path

def enrich(body):
    from serving.tables import name
    return name() + Path("data/t.txt").read_text()
"""
    root = project(
        {
            "serving/graph.py": GRAPH,
            "serving/features.py": features,
            "serving/tables.py": "def name(): return 'late '",
            "data/t.txt": "import",
        }
    )

    graph = load_graph("serving/graph.py:graph", root)

    assert graph.test({}) == "late import"
    with graph.active():
        assert [graph.compile()({}), graph.test({})] == ["late import", "late import"]


def test_a_step_defined_beside_the_graph_is_named_as_the_server_will_import_it(project: Callable[..., Path]) -> None:
    code = "from ci_core.serving import Graph\ndef double(b): return 2 * b\ngraph = Graph('g')\ngraph.to(double)\n"
    root = project({"serving/graph.py": code})

    graph = load_graph("serving/graph.py:graph", root)

    assert graph.spec.steps[0].step == "serving.graph:double"
    assert graph.test(4) == 8


def test_a_graph_in_yaml_or_in_a_folder_that_is_no_package_name_loads(project: Callable[..., Path]) -> None:
    code = "from ci_core.serving import Graph\ngraph = Graph('g')\ngraph.to('features:enrich')\n"
    root = project(
        {
            "graph.yaml": "name: g\nsteps: [{step: 'features:enrich'}]\n",
            "my graphs/the-graph.py": code,
            "features.py": "def enrich(b): return [b]",
        }
    )

    for reference in ("graph.yaml", "my graphs/the-graph.py:graph"):
        assert load_graph(reference, root).test(1) == [1]


def test_a_path_with_blanks_and_unicode_loads(project: Callable[..., Path]) -> None:
    root = project({"serving/graph.py": GRAPH, "serving/features.py": "def enrich(b): return b"}, "mé projet ✓")

    assert load_graph("serving/graph.py:graph", root).test(3) == 3


def test_files_need_not_be_there_when_the_graph_is_only_looked_at(project: Callable[..., Path]) -> None:
    root = project({"graph.yaml": "name: g\nsteps: [{router: single, routes: {m: models/m.onnx}}]\n"})

    assert load_graph("graph.yaml", root, check_files=False).models == ("models/m.onnx",)


MISTAKES: dict[str, tuple[int, str, dict[str, str]]] = {
    "missing-file": (2, "serving/grahp.py:graph", {"serving/graph.py": GRAPH}),
    "missing-folder": (2, "servin/graph.py:graph", {"serving/graph.py": GRAPH}),
    "missing-name": (
        2,
        "serving/graph.py:grap",
        {"serving/graph.py": "from ci_core.serving import Graph\ngraph=Graph('g')"},
    ),
    "no-name": (2, "serving/graph.py", {"serving/graph.py": "from ci_core.serving import Graph\ngraph=Graph('g')"}),
    "not-a-graph": (2, "serving/graph.py:graph", {"serving/graph.py": "graph = {}"}),
    "missing-module": (2, "serving/graph.py:graph", {"serving/graph.py": GRAPH, "serving/featurs.py": ""}),
    "missing-function": (
        2,
        "serving/graph.py:graph",
        {"serving/graph.py": GRAPH, "serving/features.py": "def enrch(b): return b\nLIMIT = 3\n"},
    ),
    "missing-model-file": (
        2,
        "graph.yaml",
        {"graph.yaml": "name: g\nsteps: [{router: single, routes: {m: models/late.onnx}}]\n", "models/later.onnx": ""},
    ),
    "missing-data-file": (
        2,
        "graph.yaml",
        {"graph.yaml": "name: g\nfiles: [data/t.npz]\nsteps: [{step: 'os:getcwd'}]\n"},
    ),
    "pickle": (2, "graph.yaml", {"graph.yaml": "name: g\nsteps: [{router: single, routes: {m: models/m.pkl}}]\n"}),
    "unknown-format": (
        2,
        "graph.yaml",
        {"graph.yaml": "name: g\nsteps: [{router: single, routes: {m: models/m.h5}}]\n"},
    ),
    "yaml-with-a-tab": (2, "graph.yaml", {"graph.yaml": "name: g\nsteps:\n\t- step: m:f\n"}),
    "yaml-mistakes": (2, "graph.yaml", {"graph.yaml": "name: g\nsteps:\n  - step: m:f\n    full_event: true\n"}),
    "graph-raises": (3, "serving/graph.py:graph", {"serving/graph.py": "rates = {}\n\nrate = rates['eur']\n"}),
    "graph-with-a-syntax-error": (3, "serving/graph.py:graph", {"serving/graph.py": "graph = (\n"}),
    "module-raises": (
        3,
        "serving/graph.py:graph",
        {"serving/graph.py": GRAPH, "serving/features.py": "def f():\n    return 1 / 0\n\nf()\n"},
    ),
    "module-imports-what-is-not-installed": (
        3,
        "serving/graph.py:graph",
        {"serving/graph.py": GRAPH, "serving/features.py": "import pandaz\n"},
    ),
    "graph-exits": (3, "serving/graph.py:graph", {"serving/graph.py": "raise SystemExit(0)\n"}),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_graph_that_cannot_be_loaded_is_one_clear_error(case: str, project: Callable[..., Path]) -> None:
    exit_code, reference, files = MISTAKES[case]
    root = project(files)

    with pytest.raises(errors.GraphshipError) as caught:
        load_graph(reference, root)

    assert caught.value.exit_code == exit_code
    assert_golden(GOLDEN / f"load-{case}.txt", render_error(caught.value))


def test_a_constructor_that_raises_is_the_users_code_failing(project: Callable[..., Path]) -> None:
    code = "class Table:\n    def __init__(self, path):\n        self.file = open(path)\n    def do(self, b): pass\n"
    root = project(
        {"graph.yaml": "name: g\nsteps: [{step: 'features:Table', with: {path: no.txt}}]\n", "features.py": code}
    )

    with pytest.raises(errors.GraphCodeError) as caught:
        load_graph("graph.yaml", root).compile()

    assert caught.value.exit_code == 3
    assert caught.value.where == ("features.py:3",)
    assert "the constructor of step `Table` raised FileNotFoundError" in caught.value.fact


def test_settling_moves_the_process_into_the_project_for_good(
    project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(
        {
            "serving/graph.py": GRAPH,
            "serving/features.py": "def enrich(b):\n import serving.extra as e\n return e.X\n",
            "serving/extra.py": "X=5",
        }
    )
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)

    graph = load_graph("serving/graph.py:graph", root)
    graph.settle()

    try:
        assert graph.compile()({}) == 5
        assert Path(os.getcwd()) == root  # noqa: PTH109 - the function whose effect is asked for
    finally:
        for name in set(sys.modules) - set(before):
            if name.startswith("serving"):
                del sys.modules[name]


def test_a_module_that_settles_while_it_is_imported_stays_the_module_it_is(
    project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(
        {
            "serving/graph.py": GRAPH,
            "serving/features.py": "def enrich(b):\n return 7\n",
            "served_app.py": "from pathlib import Path\nfrom ci_core.serving import load_graph\n"
            "graph = load_graph('serving/graph.py:graph', Path(__file__).parent)\n"
            "graph.settle()\nanswer = graph.test({})\n",
        }
    )
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", [str(root), *sys.path])
    before = set(sys.modules)

    try:
        app = importlib.import_module("served_app")
        assert sys.modules["served_app"] is app
        assert app.answer == 7
    finally:
        for name in set(sys.modules) - before:
            if name.startswith("serv"):
                del sys.modules[name]
