"""What it costs to send 200 requests through the graphs of base and head, and how steady the latency ratio is.

Run: ``python -m bench versions``, or ``python -c "from bench.versions import behaviour; behaviour.main()"``. A small
project with a scikit-learn model that DVC keeps; base and head differ by a comment, so that every answer is the same
and the true latency ratio is 1.
"""

from __future__ import annotations

import io
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.ci.plain import PlainConsole
from ci_core.cli._project import open_project
from ci_core.operations.behaviour import compare_behaviour
from ci_core.testing.projects import make_project
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject

if TYPE_CHECKING:
    from ci_core.behaviour.spec import Behaviour
    from ci_core.testing.projects import SampleProject

REQUESTS, RUNS = 200, 5
_GRAPH = """\
from ci_core.serving import Graph, Route, Router

graph = Graph("bench")
graph.to(Router.single({"m": Route("models/m.skops", columns=[f"c{i}" for i in range(10)])})).respond()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sample, base = _project(Path(folder))
        print(f"{REQUESTS} requests, one logistic regression in skops, {RUNS} comparisons of the same graph")
        _identical(sample, base)
        sample.write("serving/graph.py", f"{_GRAPH}# the same\n")
        wall, cpu, found = [], [], []
        for _ in range(RUNS):
            started, before = time.perf_counter(), _cpu_s()
            found.append(_compare(sample, base))
            wall.append(time.perf_counter() - started)
            cpu.append(_cpu_s() - before)
        _print(wall, cpu, found)


def _print(wall: list[float], cpu: list[float], found: list[Behaviour]) -> None:
    ratios = [one.latency_ratio for one in found if one.latency_ratio is not None]
    values = [ratio.value for ratio in ratios]
    memory = [one.memory_ratio for one in found if one.memory_ratio is not None]
    last = found[-1]
    print(f"  wall    {statistics.median(wall):5.2f} s   CPU {statistics.median(cpu):5.2f} s   changed {last.changed}")
    if last.base is not None:
        print(f"  request {last.base.median_ms} ms median, {last.base.p95_ms} ms p95; peak {last.base.peak_mb} MB")
    holding = sum(ratio.low <= 1 <= ratio.high for ratio in ratios)
    print(f"  latency ratio {min(values):.3f} to {max(values):.3f}; {holding} of {len(ratios)} intervals hold 1")
    print(f"  memory ratio  {min(memory):.3f} to {max(memory):.3f}")


def _identical(sample: SampleProject, base: CommitId) -> None:
    started = time.perf_counter()
    found = _compare(sample, base)
    print(f"  nothing changed: {time.perf_counter() - started:.2f} s, replayed: {not found.is_identical}")


def _compare(sample: SampleProject, base: CommitId) -> Behaviour:
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))
    found = compare_behaviour(project, base=base, head=None)
    assert found is not None
    assert found.problem is None, found.problem
    return found


def _project(folder: Path) -> tuple[SampleProject, CommitId]:
    import numpy as np
    import skops.io
    from sklearn.linear_model import LogisticRegression

    sample = make_project(folder)
    x = np.random.default_rng(1).normal(size=(500, 10))
    skops.io.dump(LogisticRegression().fit(x, x[:, 0] + x[:, 1] > 0), sample.root / "models/m.skops")
    rows = [{f"c{index}": value for index, value in enumerate(row)} for row in x[:REQUESTS].tolist()]
    sample.write("graphship.yaml", "name: bench\ngraph: serving/graph.py:graph\n")
    sample.write("serving/graph.py", _GRAPH)
    sample.write("serving/requests.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    DvcProject(sample.root).add(["models/m.skops"])
    return sample, CommitId(sample.commit())


def _cpu_s() -> float:
    """Return the processor time of this process and of the children that ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
