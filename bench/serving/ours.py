"""Release folders of the measured graphs: what ``python -m ci_core.serving`` starts in a pod."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.serving.work import COLUMNS, MODEL

if TYPE_CHECKING:
    from bench.serving.work import Work


class NotComparableError(Exception):
    """What would be served is not what the entry is about; the message says why."""


HERE = Path(__file__).parent


def release(folder: Path, route: dict[str, Any], made: Work) -> Path:
    """Write a release of a graph with one router and one model, and return its folder.

    Args:
        folder: for it; must not exist.
        route: the model's settings, in the words of a graph in YAML.
        made: holds the fitted model, which is written when the route names a skops file.
    """
    bundle = folder / "bundle"
    shutil.copytree(HERE / "peers" / "graphship", bundle)
    shutil.copy(HERE / "peers" / "predictor.py", bundle)
    router = {"name": "router", "router": "single", "routes": [{"name": MODEL, **route}], "after": ["request"]}
    graph: dict[str, Any] = {"name": "bench", "steps": [{**router, "respond": True}]}
    if route["model"].endswith(".skops"):
        import skops.io

        skops.io.dump(made.pipeline, bundle / route["model"])
        graph = _lowered(graph, bundle, made)
    (folder / "release.json").write_text(json.dumps({"format": 1, "graph": graph}))
    return folder


def _lowered(graph: dict[str, Any], bundle: Path, made: Work) -> dict[str, Any]:
    """Return the graph of a release: its model lowered, unless the route says no, as when a release is made.

    Raises:
        NotComparableError: the route asks for a lowered model, and the original would run.
    """
    from ci_core.lowering import ReplayRows, lower_graph
    from ci_core.serving.spec import GraphSpec

    rows = [dict(zip(COLUMNS, row, strict=True)) for row in made.rows]
    lowered = lower_graph(GraphSpec.from_dict(graph), bundle, lambda _columns: ReplayRows(source="iris", rows=rows))
    for path, content in lowered.files.items():
        file = bundle / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    wanted = graph["steps"][0]["routes"][0].get("lower") != "off"
    if wanted and not lowered.files:
        raise NotComparableError("; ".join(one.sentence for one in lowered.decisions))
    return lowered.graph.to_dict()


def command(folder: Path, port: int, *more: str) -> list[str]:
    """Return what serves a release folder."""
    return [sys.executable, "-m", "ci_core.serving", str(folder), "--port", str(port), *more]
