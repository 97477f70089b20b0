"""The benchmarks of serving run: what they measure is not judged here, that they measure and compare is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[3]


def run(part: str, options: Sequence[str], tmp_path: Path) -> dict[str, Any]:
    written = tmp_path / "report.json"
    command = [sys.executable, "-m", f"bench.serving.{part}", *options, "--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(written.read_text())
    return report


def test_the_engine_is_compared_with_bare_calls_and_peers_are_left_out_until_asked_for(tmp_path: Path) -> None:
    report = run("engine", ["--rounds", "1", "--events", "20"], tmp_path)

    measured = {goal["what"]: goal["measured"] for goal in report["goals"]}
    assert [what for what, figure in measured.items() if figure is None] == [
        "storey, 1 in flight / plan",
        "storey, 32 in flight / plan",
        "MLRun sync flow / plan",
    ]
    assert all(figure > 0 for figure in measured.values() if figure is not None)
    assert {goal["bound"] for goal in report["goals"] if "bare" in goal["what"]} == {1.5, 2.0}


def test_binary_tensors_are_compared_with_json(tmp_path: Path) -> None:
    report = run("binary", ["--rounds", "1"], tmp_path)

    assert [row[0] for row in report["rows"]][::3] == ["V2 binary, decoded", "orjson alone"]
    assert report["goals"][0]["bound"] == 20.0
