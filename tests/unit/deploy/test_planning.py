from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ci_core.deploy.planning import graph_changes, model_changes, other_changes
from ci_core.deploy.spec import ModelFile, Release, StepChange
from ci_core.types import Digest, StepName

if TYPE_CHECKING:
    from ci_core.types import JsonObject

LIVE: JsonObject = {
    "name": "flights",
    "steps": [
        {"name": "clean", "after": ["start"], "step": "serving.steps:clean"},
        {"name": "score", "after": ["clean"], "router": "single", "routes": []},
        {"name": "log", "after": ["score"], "step": "serving.steps:log"},
    ],
}
PLANNED: JsonObject = {
    "name": "flights",
    "steps": [
        {"name": "clean", "after": ["start"], "step": "serving.steps:clean", "with": {"age": 3}},
        {"name": "enrich", "after": ["clean"], "step": "serving.steps:enrich"},
        {"name": "score", "after": ["enrich"], "router": "single", "routes": []},
    ],
}


def model(path: str, digit: str, size_bytes: int = 1500) -> ModelFile:
    return ModelFile(path=path, digest=Digest("sha256:" + digit * 64), size_bytes=size_bytes)


def test_steps_that_are_added_changed_and_removed_are_named() -> None:
    assert graph_changes(LIVE, PLANNED) == (
        StepChange(step=StepName("clean"), change="changed", detail="with"),
        StepChange(step=StepName("enrich"), change="added", detail="serving.steps:enrich"),
        StepChange(step=StepName("score"), change="changed", detail="after"),
        StepChange(step=StepName("log"), change="removed", detail="serving.steps:log"),
    )


def test_every_step_of_a_first_release_is_added() -> None:
    assert [(change.step, change.change) for change in graph_changes(None, LIVE)] == [
        ("clean", "added"),
        ("score", "added"),
        ("log", "added"),
    ]
    assert graph_changes(LIVE, LIVE) == ()


def test_models_are_told_with_digest_and_size() -> None:
    live = (model("a.onnx", "1"), model("b.onnx", "2"), model("same.onnx", "3"))
    planned = (model("b.onnx", "4", 2_500_000), model("c.onnx", "5", 12), model("same.onnx", "3"))

    assert model_changes(live, planned) == (
        "`a.onnx` removed: `sha256:111111111111` (1.5 kB)",
        "`b.onnx` replaced: `sha256:222222222222` (1.5 kB) → `sha256:444444444444` (2.5 MB)",
        "`c.onnx` added: `sha256:555555555555` (12 B)",
    )


def test_changes_that_graph_and_models_do_not_show_are_noted() -> None:
    live = Release(project="flights", graph=LIVE, bundle=Digest("sha256:a"), settings={"capture": {"sample": 1.0}})

    assert other_changes(None, live) == ()
    assert other_changes(live, live) == ()
    assert other_changes(live, replace(live, bundle=Digest("sha256:b"))) == ("code or data files of the graph change",)
    assert other_changes(live, replace(live, lock=Digest("sha256:c"), settings={"capture": {"sample": 0.5}})) == (
        "the lock file of the serving environment changes",
        "settings change: `capture`",
    )
