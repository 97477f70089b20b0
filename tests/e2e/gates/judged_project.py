"""A project with gates, and how a change to it is judged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ci_core.operations.judging import judge_change
from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec
from ci_core.testing.projects import run_git
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.snapshot import snapshot_or_problem, take_snapshot
from tests.e2e.opened import opened

if TYPE_CHECKING:
    from ci_core.gates.spec import GateResult
    from ci_core.operations.judging import Judgement
    from ci_core.testing.projects import SampleProject


def judged(
    sample: SampleProject, base: str, head: str | None = None, *, folder: str = ".", graph: GraphSpec | None = None
) -> Judgement:
    """Compare and judge; a base that cannot be read has its sentence."""
    root = sample.root / folder
    project = opened(root)
    old, problem = snapshot_or_problem(root, base)
    diff = compare(old, take_snapshot(root, head), gates=project.settings.gates.metrics, base_problem=problem)
    return judge_change(project, diff, head=None if head is None else CommitId(head), graph=graph)


def result(judgement: Judgement, key: str) -> GateResult:
    return next(one for one in judgement.results if one.key == key)


def gates(*lines: str) -> str:
    return "name: sample\ngates:\n" + "".join(f"  {line}\n" for line in lines)


def metrics(sample: SampleProject, **values: object) -> None:
    sample.write("metrics.json", json.dumps({"mae": 6.0, **values}))


def serving(*models: str) -> GraphSpec:
    routes = tuple(RouteSpec(name=f"m{number}", model=model) for number, model in enumerate(models))
    return GraphSpec(name="sample", steps=(StepSpec(name="router", router="single", routes=routes),))


def folder_of_models(sample: SampleProject) -> str:
    """Commit a model of five bytes in the folder `more`, which DVC keeps."""
    (sample.root / "more").mkdir(exist_ok=True)
    (sample.root / "more/model.bin").write_bytes(b"12345")
    opened(sample.root).dvc.add(["more"])
    return sample.commit("a folder of models")


def clone_without_data(sample: SampleProject) -> SampleProject:
    """Clone the work tree's repository; DVC's cache starts empty, and the remote has nothing new."""
    clone = replace(sample, root=sample.root.parent / "clone")
    run_git(sample.root, "clone", "-q", ".", str(clone.root))
    return clone
