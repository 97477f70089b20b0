"""Release folders of the measured graphs: what ``python -m ci_core.serving`` starts in a pod."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.serving.work import MODEL

if TYPE_CHECKING:
    from bench.serving.work import Work

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
    if route["model"].endswith(".skops"):
        import skops.io

        skops.io.dump(made.pipeline, bundle / route["model"])
    router = {"name": "router", "router": "single", "routes": [{"name": MODEL, **route}], "after": ["request"]}
    graph = {"name": "bench", "steps": [{**router, "respond": True}]}
    (folder / "release.json").write_text(json.dumps({"format": 1, "graph": graph}))
    return folder


def command(folder: Path, port: int, *more: str) -> list[str]:
    """Return what serves a release folder."""
    return [sys.executable, "-m", "ci_core.serving", str(folder), "--port", str(port), *more]
