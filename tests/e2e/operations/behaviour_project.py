"""A project whose serving graph multiplies by the slope that its pipeline found, and its comparison with a commit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.behaviour import timing
from ci_core.behaviour.latency import LEAST_ROUNDS
from ci_core.operations.behaviour import compare_behaviour
from ci_core.testing.projects import SampleProject, make_project
from ci_core.types import CommitId
from tests.e2e.opened import opened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.behaviour.spec import Behaviour, ChangedAnswer

CONFIG = "name: sample\ngraph: serving/graph.py:graph\nsmoke: serving/requests.jsonl\n"
GRAPH = """\
from ci_core.serving import Graph

graph = Graph("sample", files=["models/model.json"])
graph.to("serving.steps:answer").respond()
"""
STEPS = """\
import json
from pathlib import Path

SLOPE = json.loads(Path("models/model.json").read_text())["slope"]


def answer(body):
    return {"y": round(SLOPE * body["x"], 3)}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourProject:
    """A project, and the commit that changes are compared with."""

    sample: SampleProject
    base: CommitId

    @property
    def root(self) -> Path:
        return self.sample.root

    def steps(self, answer: str, *, above: str = "") -> None:
        """Let the graph's one step have another body."""
        text = STEPS.partition("\n\ndef answer")[0]
        lines = "".join(f"    {line}\n" for line in answer.splitlines())
        self.sample.write("serving/steps.py", f"{above}\n{text}\n\n\ndef answer(body):\n{lines}")

    def compare(
        self, *, head: str | None = None, env: Mapping[str, str] | None = None, rounds: int = LEAST_ROUNDS
    ) -> Behaviour:
        """Compare the work tree, or a commit, with the base; there is something to compare."""
        found = self.compare_if_any(head=head, env=env, rounds=rounds)
        assert found is not None
        return found

    def compare_if_any(
        self, *, head: str | None = None, env: Mapping[str, str] | None = None, rounds: int = LEAST_ROUNDS
    ) -> Behaviour | None:
        """Compare the work tree, or a commit, with the base; more rounds only make the intervals of times smaller."""
        commit = None if head is None else CommitId(head)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timing, "MOST_ROUNDS", rounds)
            return compare_behaviour(opened(self.root, env), base=self.base, head=commit)


def requests(*bodies: Any) -> str:
    """Return the content of a file of recorded requests."""
    return "".join(json.dumps(body) + "\n" for body in bodies)


def make(folder: Path, files: Mapping[str, str] | None = None, *, count: int = 6) -> BehaviourProject:
    """Make a project that is asked ``{"x": 0}``, ``{"x": 1}``, …; `files` are beside or instead of its own."""
    sample = make_project(folder)
    own = {
        "graphship.yaml": CONFIG,
        "serving/graph.py": GRAPH,
        "serving/steps.py": STEPS,
        "serving/requests.jsonl": requests(*({"x": x} for x in range(count))),
    }
    for path, text in {**own, **(files or {})}.items():
        sample.write(path, text)
    return BehaviourProject(sample=sample, base=CommitId(sample.commit("a serving graph")))


def told(changed: ChangedAnswer) -> tuple[Any, ...]:
    """Return what is told of a changed answer."""
    return changed.request, changed.old, changed.new, changed.size, changed.where
