"""The gate on model size, judged on evidence that is written out."""

from __future__ import annotations

import pytest

from ci_core.config.settings import (
    Gates,
    ModelSizeGate,
)
from ci_core.gates.evidence import (
    Evidence,
    ModelSize,
)
from tests.unit.gates.written_evidence import diff, evidence, result


def model(new: int | None, old: int | None = 100_000_000, path: str = "m.onnx") -> Evidence:
    return evidence(models=(ModelSize(path=path, old_bytes=old, new_bytes=new),))


@pytest.mark.parametrize(
    ("new", "state", "sentence"),
    [
        (50_000_000, "pass", "`m.onnx` has 50.0 MB (was 100.0 MB)"),
        (120_000_000, "pass", "`m.onnx` has 120.0 MB (was 100.0 MB)"),
        (120_000_001, "fail", "`m.onnx` has 120.000001 MB, more than the 120 MB it may have"),
        (None, "warn", "the size of `m.onnx` could not be had"),
    ],
)
def test_a_model_is_no_larger_than_allowed(new: int | None, state: str, sentence: str) -> None:
    found = result(Gates(model_size=ModelSizeGate(max_bytes=120_000_000)), model(new))

    assert (found.state, found.sentence, found.limit) == (state, sentence, "at most 120.0 MB")


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [(100, 120, "pass"), (100, 121, "fail"), (100, 10, "pass"), (None, 10**9, "pass"), (0, 1, "warn")],
)
def test_a_model_grows_no_more_than_allowed(old: int | None, new: int, state: str) -> None:
    assert result(Gates(model_size=ModelSizeGate(max_growth=0.2)), model(new, old)).state == state


def test_growth_is_told_with_both_sizes() -> None:
    found = result(Gates(model_size=ModelSizeGate(max_growth=0.2)), model(150_000_000))

    assert found.sentence == "`m.onnx` grew by 50 %, from 100.0 MB to 150.0 MB; 20 % is allowed"
    assert (found.old, found.new, found.limit) == (100_000_000, 150_000_000, "grows by at most 20 %")


def test_growth_without_a_base_is_a_warning() -> None:
    sizes = (ModelSize(path="m.onnx", new_bytes=5),)

    found = result(Gates(model_size=ModelSizeGate(max_growth=0.2)), evidence(models=sizes, diff=diff("shallow")))

    assert (found.state, found.sentence) == ("warn", "the growth of `m.onnx` was not judged: shallow")


@pytest.mark.parametrize(("models", "state"), [(None, "warn"), ((), "pass")])
def test_no_graph_is_a_warning_and_a_graph_without_models_is_not(
    models: tuple[ModelSize, ...] | None, state: str
) -> None:
    assert result(Gates(model_size=ModelSizeGate(max_bytes=1)), evidence(models=models)).state == state


def test_without_a_graph_the_key_is_named_that_would_say_which_models_there_are() -> None:
    found = result(Gates(model_size=ModelSizeGate(max_bytes=1)), evidence(models=None))

    assert found.sentence == (
        "the size of the models was not judged: no serving graph was loaded, which would name them; "
        "`graph` in `graphship.yaml` names the project's"
    )
