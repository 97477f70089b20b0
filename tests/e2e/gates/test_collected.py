"""What gates on metrics, data and model sizes look at in real Git and DVC projects."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.serving.spec import GraphSpec, StepSpec
from tests.e2e.gates.judged_project import clone_without_data, folder_of_models, gates, judged, metrics, result, serving

if TYPE_CHECKING:
    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("is_checked_out", [True, False])
def test_folds_are_read_from_both_versions_though_dvc_leaves_lists_out(
    sample: SampleProject, *, is_checked_out: bool
) -> None:
    sample.write("graphship.yaml", gates("metrics.json:mae: {max-regression: 0.1, folds: 'metrics.json:cv.mae'}"))
    metrics(sample, mae=6.0, cv={"mae": [5.0, 6.0, 7.0]})
    base = sample.commit("folds")
    metrics(sample, mae=6.5, cv={"mae": [7.0, 5.5, 7.0]})
    head = sample.commit("noise")
    if not is_checked_out:
        sample.git("checkout", "-q", base)

    found = result(judged(sample, base, None if is_checked_out else head), "metrics.json:mae")

    assert (found.state, found.is_within_noise) == ("warn", True)
    assert found.interval is not None
    assert found.interval.value == pytest.approx(0.5)


def test_folds_that_are_missing_are_told(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("metrics.json:mae: {max-regression: 0.1, folds: 'metrics.json:cv.mae'}"))
    base = sample.commit("no folds")
    metrics(sample, mae=6.5, cv={"mae": [7.0, 5.5, 7.0]})

    found = result(judged(sample, base), "metrics.json:mae")

    assert found.sentence.endswith(
        "judged without an interval: the base has no list of numbers at `metrics.json:cv.mae`"
    )


def test_objects_that_were_not_pushed_fail_with_path_and_size(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("data: {}"))
    base = sample.commit("a gate on data")

    assert result(judged(sample, base), "data").state == "pass"

    shutil.rmtree(sample.dvc_remote)
    sample.dvc_remote.mkdir()
    found = result(judged(sample, base), "data")

    assert found.state == "fail"
    assert "`models/model.json` (19 B)" in found.sentence or "and" in found.sentence


def test_a_table_that_nobody_compared_warns_but_a_plot_is_no_data(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("data: {no-missing-objects: false, same-schema: true}"))
    base = sample.commit("a gate on data")
    sample.write("plots/errors.csv", "x,other\n1,2\n")

    assert result(judged(sample, base), "data").state == "pass"

    sample.write("data/raw.csv", "x\n1\n")
    found = result(judged(sample, base), "data")

    assert (found.state, found.sentence) == ("warn", "not compared: `data/raw.csv`")


def test_a_project_without_a_remote_warns(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("data: {}"))
    base = sample.commit("a gate on data")
    sample.write(".dvc/config", "")

    found = result(judged(sample, base), "data")

    assert (found.state, found.sentence) == (
        "warn",
        "the DVC remote was not asked for missing objects: no default DVC remote is configured",
    )


def test_the_size_of_models_is_compared_also_where_they_are_only_recorded(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("model-size: {max: 1 kB, max-growth: 10%}"))
    base = sample.commit("a gate on size")
    sample.write("models/model.json", '{"slope": 2.69782700000}')

    found = result(judged(sample, base, graph=serving("models/model.json")), "model-size")

    assert (found.state, found.old, found.new) == ("fail", 19, 24)
    assert found.sentence == "`models/model.json` grew by 26.3 %, from 19 B to 24 B; 10 % is allowed"

    shutil.rmtree(sample.root / "models")
    shutil.rmtree(sample.root / ".dvc" / "cache")
    found = result(judged(sample, base, graph=serving("models/model.json")), "model-size")

    assert (found.state, found.old, found.new) == ("pass", 19, 19)


def test_files_that_steps_open_count_as_models_and_a_gate_without_any_says_so(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("model-size: {max: 10 B}"))
    base = sample.commit("a gate on size")
    step = StepSpec(name="answer", step="serving.steps:answer")

    opened = GraphSpec(name="sample", steps=(step,), files=("models/model.json",))
    large = result(judged(sample, base, graph=opened), "model-size")
    nothing = result(judged(sample, base, graph=GraphSpec(name="sample", steps=(step,))), "model-size")

    assert (large.state, large.sentence) == ("fail", "`models/model.json` has 19 B, more than the 10 B it may have")
    assert (nothing.state, nothing.sentence) == (
        "pass",
        "looked at nothing: no serving graph names a model or data file",
    )
    assert nothing.limit == "at most 10 B; looked at nothing: no serving graph names a model or data file"


def test_a_model_in_a_folder_of_dvc_has_a_size_at_the_base(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("model-size: {max-growth: 10%}"))
    base = folder_of_models(sample)
    (sample.root / "more/model.bin").unlink()
    (sample.root / "more/model.bin").write_bytes(b"1234567890")

    found = result(judged(sample, base, graph=serving("more/model.bin")), "model-size")

    assert (found.state, found.old, found.new) == ("fail", 5, 10)


def test_a_size_of_the_base_that_cannot_be_had_is_no_new_model(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("model-size: {max-growth: 10%}"))
    base = folder_of_models(sample)
    clone = clone_without_data(sample)
    clone.write("more/model.bin", "1234567890")

    found = result(judged(clone, base, graph=serving("more/model.bin", "new.bin")), "model-size")

    assert found.state == "warn"
    assert found.sentence == (
        "the growth of `more/model.bin` was not judged: DVC could not read `more/model.bin`; "
        "the size of `new.bin` could not be had"
    )
