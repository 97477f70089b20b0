"""The base's gates judge a change, and the report says so: real Git and DVC projects."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.types import CommitId
from tests.e2e.gates.judged_project import gates, judged, metrics, result

if TYPE_CHECKING:
    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e

TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture
def loosened(sample: SampleProject) -> tuple[SampleProject, str]:
    """A change that makes the metric worse and loosens the gate that would have failed it."""
    sample.write("graphship.yaml", gates("metrics.json:mae: {max: 6.5}"))
    base = sample.commit("a stricter gate")
    sample.git("checkout", "-q", "-b", "loosen")
    sample.write("graphship.yaml", gates("metrics.json:mae: {max: 9}", "secrets: {allow: ['*']}"))
    sample.write("leak.py", TOKEN)
    metrics(sample, mae=8.0)
    sample.commit("loosen")
    return sample, base


@pytest.mark.parametrize("is_checked_out", [True, False])
def test_a_change_that_loosens_its_gate_is_judged_by_the_bases(
    loosened: tuple[SampleProject, str], *, is_checked_out: bool
) -> None:
    sample, base = loosened
    head = sample.head()
    if not is_checked_out:
        sample.git("checkout", "-q", "main")

    found = judged(sample, base, None if is_checked_out else head)

    mae = result(found, "metrics.json:mae")
    assert (mae.state, mae.sentence) == ("fail", "`metrics.json:mae` is 8, more than the 6.5 it may be")
    policy, *own = [note.text for note in found.notes]
    assert policy == (
        f"`gates` differ: judged by those of base `{base[:7]}`; what the change makes of them counts after the merge: "
        "max of `metrics.json:mae` 6.5 → 9; `secrets` is new (allow `*`)"
    )
    assert own == [
        "by the change's own gates `metrics.json:mae` would pass: `metrics.json:mae` is 8 (was 6.34563)",
        "by the change's own gates `secrets` would pass: no added line looks like a secret",
    ]


def test_an_allow_list_of_the_change_does_not_hide_its_secrets(loosened: tuple[SampleProject, str]) -> None:
    sample, base = loosened

    found = judged(sample, base)

    secrets = result(found, "secrets")
    assert (secrets.state, secrets.sentence) == ("warn", "`leak.py:1` looks like a GitHub token")
    assert TOKEN not in repr(found)


def test_the_lines_of_the_loosened_gate_and_of_the_secret_are_pointed_at(loosened: tuple[SampleProject, str]) -> None:
    sample, base = loosened

    found = judged(sample, base)

    assert [(str(one.where), one.level, one.gate) for one in found.annotations] == [
        ("graphship.yaml:3, gates.metrics.json:mae", "error", "metrics.json:mae"),
        ("leak.py:1", "warning", "secrets"),
        ("graphship.yaml:4, gates.secrets", "warning", "secrets"),
    ]


def test_a_work_tree_that_is_not_committed_is_judged_by_the_base_too(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("metrics.json:mae: {max: 9}"))
    metrics(sample, mae=8.5)

    found = judged(sample, sample.head())

    assert result(found, "metrics.json:mae").state == "fail"
    assert "max of `metrics.json:mae` 8 → 9" in found.notes[0].text


def test_gates_that_stay_are_no_matter_for_a_note(sample: SampleProject) -> None:
    base = sample.head()
    sample.write(
        "graphship.yaml", sample.root.joinpath("graphship.yaml").read_text() + "pipeline: {commit-lock: false}\n"
    )

    assert judged(sample, base).notes == ()


def test_a_base_without_a_configuration_leaves_the_change_to_its_own_gates_and_says_so(sample: SampleProject) -> None:
    content = (sample.root / "graphship.yaml").read_text()
    sample.git("rm", "-q", "graphship.yaml")
    base = sample.commit("not yet")
    sample.write("graphship.yaml", content)

    found = judged(sample, base)

    assert [note.text for note in found.notes] == [
        f"judged by the gates of the change itself: base `{base[:7]}` has no `graphship.yaml`"
    ]
    assert [one.key for one in found.results] == ["metrics.json:mae"]


def test_a_base_whose_configuration_is_broken_is_told(sample: SampleProject) -> None:
    content = (sample.root / "graphship.yaml").read_text()
    sample.write("graphship.yaml", "name: [\n")
    base = sample.commit("broken")
    sample.write("graphship.yaml", content)

    (note,) = judged(sample, base).notes

    assert note.text.startswith(
        f"judged by the gates of the change itself: `graphship.yaml` of base `{base[:7]}` cannot be read: "
    )


def test_without_a_base_the_change_judges_itself_and_every_comparison_warns(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("metrics.json:mae: {max: 8, max-regression: 1%}", "secrets: {}"))

    found = judged(sample, "0" * 40)

    assert [note.text for note in found.notes] == [
        "judged by the gates of the change itself: the base, whose gates would decide, could not be read"
    ]
    assert [one.state for one in found.results] == ["warn", "warn"]


def test_a_project_in_a_sub_folder_has_a_policy_of_its_own(sample: SampleProject) -> None:
    inner = sample.root / "inner"
    inner.mkdir()
    for name in ("graphship.yaml", "params.yaml", "metrics.json", "dvc.yaml", "dvc.lock", "src", "plots", ".gitignore"):
        if (sample.root / name).exists():
            shutil.move(sample.root / name, inner / name)
    shutil.rmtree(sample.root / "data")
    shutil.rmtree(sample.root / "models")
    (inner / "dvc.yaml").write_text("metrics: [metrics.json]\n")
    (inner / "dvc.lock").unlink()
    sample.write("graphship.yaml", gates("metrics.json:mae: {max: 1}"))
    base = sample.commit("a project in a folder")
    sample.write("inner/graphship.yaml", gates("metrics.json:mae: {max: 100}"))
    sample.write("inner/metrics.json", '{"mae": 9}')
    sample.write("leak.py", TOKEN)

    found = judged(sample, base, folder="inner")

    assert [(one.key, one.state) for one in found.results] == [("metrics.json:mae", "fail")]
    assert "max of `metrics.json:mae` 8 → 100" in found.notes[0].text
    assert "max-regression 0.1 of `metrics.json:mae` is gone" in found.notes[0].text


def test_an_ordinary_change_has_no_result_beyond_what_is_written(sample: SampleProject) -> None:
    base = sample.head()
    sample.replace("params.yaml", "steps: 3", "steps: 30")

    found = judged(sample, base)

    assert [one.key for one in found.results] == ["metrics.json:mae"]
    assert (found.notes, found.annotations) == ((), ())


def test_the_param_that_moved_is_pointed_at_when_the_metric_fails(sample: SampleProject) -> None:
    base = sample.head()
    sample.replace("params.yaml", "steps: 3", "steps: 1")
    sample.replace("dvc.yaml", "python3 src/evaluate.py", "python3 src/evaluate.py --fast")
    metrics(sample, mae=99)
    head = sample.commit("train less")

    found = judged(sample, base, head)

    assert [(str(one.where), one.text) for one in found.annotations] == [
        (
            "params.yaml:4, train.steps",
            "`train.steps` fell from 3 to 1 here; the gate on `metrics.json:mae` failed",
        ),
        (
            "dvc.yaml:13, stages.evaluate.cmd",
            "the stage `evaluate` has another command here; the gate on `metrics.json:mae` failed",
        ),
    ]


def test_a_commit_is_judged_by_its_own_content_while_the_work_tree_differs(sample: SampleProject) -> None:
    base = sample.head()
    metrics(sample, mae=7.0)
    head = sample.commit("a small change")
    sample.write("graphship.yaml", gates("metrics.json:mae: {max: 1}"))
    sample.write("leak.py", TOKEN)

    found = judged(sample, base, head)

    assert found.notes == ()
    assert [one.key for one in found.results] == ["metrics.json:mae"]
    assert CommitId(head) != CommitId(base)
