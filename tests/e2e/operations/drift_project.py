"""A project whose model is a line through the origin in an ONNX file, and the traffic that drifts away from it.

A stage of the pipeline fits the line to ``data/train.parquet``: 30 days of 600 rows with ``x`` and ``z`` around 0. Live
traffic is written where a server's captures are compacted to.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from ci_core.versioning.dvc import DvcProject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.operations.conftest import CiProject

JANUARY, FEBRUARY = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
MONITOR = """\
name: sample
graph: serving/graph.py:graph
smoke: serving/requests.jsonl
environments:
  staging: {target: local, deploy-on: merge}
monitor:
  reference: data/train.parquet
  time-column: at
  target: y
  labels: {path: LABELS, key: event_id}
retrain: {data: data/train.parquet, change-request: {labels: [retrain, model], reviewers: [ann], draft: true}}
"""
FILES = {
    "serving/graph.py": """\
from ci_core.serving import Graph, Router

graph = Graph("line")
graph.to(Router.single({"line": "models/line.onnx"})).respond()
""",
    "serving/requests.jsonl": '{"x": 1, "z": 1}\n',
    "src/fit.py": """\
import json
import os
import time
from pathlib import Path

import duckdb
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

meeting = os.environ.get("TEST_MEETING")  # a folder in which as many stages meet as TEST_MEMBERS says
if meeting:
    Path(meeting, str(os.getpid())).touch()
    end = time.monotonic() + 120
    while len(os.listdir(meeting)) < int(os.environ["TEST_MEMBERS"]):
        assert time.monotonic() < end, "nobody came"
        time.sleep(0.02)
rows = duckdb.sql("SELECT x, z, y FROM 'data/train.parquet'").fetchnumpy()
slopes = np.linalg.lstsq(np.stack([rows["x"], rows["z"]], axis=1), rows["y"], rcond=None)[0]
column = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in "xzy"}
line = helper.make_graph(
    [
        helper.make_node("Mul", ["x", "slope_x"], ["of_x"]),
        helper.make_node("Mul", ["z", "slope_z"], ["of_z"]),
        helper.make_node("Add", ["of_x", "of_z"], ["y"]),
    ],
    "line", [column["x"], column["z"]], [column["y"]],
    [numpy_helper.from_array(np.array([slope], "float32"), f"slope_{name}") for name, slope in zip("xz", slopes)],
)
onnx.save(helper.make_model(line, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "models/line.onnx")
json.dump({"slope": round(float(slopes[0]), 3)}, open("fit.json", "w"))
""",
}
STAGE = """\
  fit:
    cmd: python3 src/fit.py
    deps: [data/train.parquet, src/fit.py]
    outs: [models/line.onnx]
    metrics: [{fit.json: {cache: false}}]
"""


def write_table(path: Path, columns: Mapping[str, Any], select: str = "*") -> None:
    """Write a Parquet file of columns given as arrays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows", dict(columns))
        connection.execute(f"COPY (SELECT {select} FROM rows) TO '{path}' (FORMAT parquet)")


def times(start: datetime, days: int, rows_a_day: int) -> Any:
    """Return instants spread evenly over some days."""
    step = timedelta(days=1) / rows_a_day
    return np.array([start.replace(tzinfo=None) + index * step for index in range(days * rows_a_day)], "datetime64[us]")


def send(project: CiProject, day: int, *, mean: float, mean_z: float = 0, rows: int = 600) -> None:
    """Let a day of February's traffic come, with ``x`` and ``z`` around their means; see :func:`label`."""
    start = FEBRUARY + timedelta(days=day)
    x, z = _inputs(day, mean, mean_z, rows)
    live = project.live()
    columns = {
        "_event_id": np.array([f"{day}-{row}" for row in range(rows)]),
        "_event_time": times(start, 1, rows),
        "_release": np.array([live.release] * rows),
        "_model": np.array(["line"] * rows),
        "x": x,
        "z": z,
        "_output": 3 * x + z,
    }
    day_file = Path(live.captures or "") / "compacted" / f"{start:%Y-%m-%d}.parquet"
    write_table(day_file, columns, "* REPLACE (CAST(_event_time AS TIMESTAMPTZ) AS _event_time)")


def label(project: CiProject, days: int, *, offset: float = 0, mean_z: Mapping[int, float] | None = None) -> None:
    """Let the outcomes of the first days with ``x`` around 6 arrive: the same line as ever, or one that is higher.

    Args:
        project: the project.
        days: how many.
        offset: by how much; a model through the origin is wrong then, and one that has seen it less so.
        mean_z: day → mean of ``z`` where it is not 0.
    """
    events, outcomes = [], []
    for day in range(days):
        x, z = _inputs(day, 6, (mean_z or {}).get(day, 0), 600)
        events += [f"{day}-{row}" for row in range(600)]
        outcomes += list(3 * x + z + offset + np.random.default_rng(100 + day).normal(0, 0.1, 600))
    write_table(project.folder / "labels.parquet", {"event_id": np.array(events), "y": np.array(outcomes)})


def learn(project: CiProject) -> None:
    """Give the project a model that is made from a table with times, and push it."""
    sample = project.sample
    x, z = np.random.default_rng(7).normal(0, 1, 30 * 600), np.random.default_rng(9).normal(0, 1, 30 * 600)
    noise = np.random.default_rng(8).normal(0, 0.1, len(x))
    table = {"at": times(JANUARY, 30, 600), "x": x, "z": z, "y": 3 * x + z + noise}
    write_table(sample.root / "data" / "train.parquet", table)
    for path, text in FILES.items():
        sample.write(path, text)
    sample.write("graphship.yaml", MONITOR.replace("LABELS", str(project.folder / "labels.parquet")))
    sample.write("dvc.yaml", (sample.root / "dvc.yaml").read_text() + STAGE)
    DvcProject(sample.root).add(["data/train.parquet"])
    run_and_push(project)


def run_and_push(project: CiProject) -> None:
    """Run the pipeline by hand and push code and data."""
    made = project.command("run", cwd=project.sample.root)
    assert made.returncode == 0, made.stderr
    project.push("a line")
    DvcProject(project.sample.root).push()


def _inputs(day: int, mean: float, mean_z: float, rows: int) -> tuple[Any, Any]:
    return np.random.default_rng(day).normal(mean, 1, rows), np.random.default_rng(1000 + day).normal(mean_z, 1, rows)
