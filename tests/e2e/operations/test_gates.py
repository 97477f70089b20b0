"""Gates on real Git and DVC projects: whose rules decide, what is collected for them, which lines are pointed at."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.ci.plain import PlainConsole
from ci_core.cli._project import open_project
from ci_core.gates.files_at import FilesAt, RefusedFileError
from ci_core.operations.comparison import PARTS
from ci_core.operations.judging import judge_change
from ci_core.operations.report import report_revisions
from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec
from ci_core.testing.projects import make_project, run_git
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.snapshot import snapshot_or_problem, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci_core.gates.spec import GateResult
    from ci_core.operations.judging import Judgement
    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e

TOKEN = "ghp_" + "a1B2" * 9


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


@pytest.fixture
def sample(tmp_path: Path) -> SampleProject:
    return make_project(tmp_path)


def judged(
    sample: SampleProject, base: str, head: str | None = None, *, folder: str = ".", graph: GraphSpec | None = None
) -> Judgement:
    """Compare and judge; a base that cannot be read has its sentence."""
    root = sample.root / folder
    project = open_project(root, dict(os.environ), PlainConsole(io.StringIO()))
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


# --- whose gates ---


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


# --- what is collected ---


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


def _with_pickle(sample: SampleProject, path: str) -> None:
    target = sample.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(pickle.dumps(Evil()))


def _added_to_dvc(sample: SampleProject) -> None:
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))
    _with_pickle(sample, "data/new.pkl")
    project.dvc.add(["data/new.pkl"])


def _in_a_folder_of_dvc(sample: SampleProject) -> None:
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))
    _with_pickle(sample, "more/deep/new.pkl")
    project.dvc.add(["more"])


@pytest.mark.parametrize("is_checked_out", [True, False])
@pytest.mark.parametrize(
    ("path", "bring"),
    [
        ("new.pkl", lambda sample: _with_pickle(sample, "new.pkl")),
        ("data/new.pkl", _added_to_dvc),
        ("more/deep/new.pkl", _in_a_folder_of_dvc),
    ],
)
def test_pickles_that_a_change_brings_are_looked_through_wherever_they_are_kept(
    sample: SampleProject, path: str, bring: Callable[[SampleProject], None], *, is_checked_out: bool
) -> None:
    base = sample.head()
    bring(sample)
    head = sample.commit("a pickle")
    if not is_checked_out:
        sample.git("checkout", "-q", base)
        run_git(sample.root, "clean", "-fdxq", "--exclude=.dvc/cache")

    found = result(judged(sample, base, None if is_checked_out else head), "pickle-scan")

    assert (found.state, found.sentence) == ("warn", f"`{path}` would run `posix.system`")


def test_a_written_scan_fails_and_names_a_model_of_the_graph_that_is_not_here(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    base = sample.commit("a scan")
    _with_pickle(sample, "evil.bin")

    found = result(judged(sample, base, graph=serving("evil.bin", "models/gone.pkl")), "pickle-scan")

    assert found.state == "fail"
    assert found.sentence == (
        "`evil.bin` would run `posix.system`; "
        "not looked through: `models/gone.pkl` (it is neither in the work tree nor in the cache)"
    )


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


def test_a_commit_that_is_checked_out_is_not_judged_by_other_data_that_lies_there(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("pickle-scan: {}", "model-size: {max: 1 kB}"))
    base = sample.commit("two gates")
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))
    _with_pickle(sample, "models/new.pkl")
    project.dvc.add(["models/new.pkl"])
    size = (sample.root / "models/new.pkl").stat().st_size
    head = sample.commit("an evil model")
    # as after `git checkout` without `dvc checkout`
    (sample.root / "models/new.pkl").unlink()
    (sample.root / "models/new.pkl").write_bytes(pickle.dumps("harmless"))

    found = judged(sample, base, head, graph=serving("models/new.pkl"))

    assert result(found, "pickle-scan").sentence == "`models/new.pkl` would run `posix.system`"
    assert result(found, "model-size").new == size
    assert result(judged(sample, base, graph=serving("models/new.pkl")), "pickle-scan").state == "pass"


def test_a_report_on_the_checked_out_commit_reads_no_other_data(sample: SampleProject) -> None:
    base = sample.head()
    _added_to_dvc(sample)
    sample.commit("an evil model")
    (sample.root / "data/new.pkl").unlink()
    (sample.root / "data/new.pkl").write_bytes(pickle.dumps("harmless"))
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))

    report = report_revisions(project, base, "HEAD", without=PARTS)

    assert [gate.key for gate in report.gates if gate.state == "warn"] == ["pickle-scan"]


# --- what is not here, and what is not read ---


def _folder_of_models(sample: SampleProject) -> str:
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))
    (sample.root / "more").mkdir(exist_ok=True)
    (sample.root / "more/model.bin").write_bytes(b"12345")
    project.dvc.add(["more"])
    return sample.commit("a folder of models")


def _clone_without_data(sample: SampleProject) -> SampleProject:
    clone = replace(sample, root=sample.root.parent / "clone")
    run_git(sample.root, "clone", "-q", ".", str(clone.root))
    return clone


def test_a_model_in_a_folder_of_dvc_has_a_size_at_the_base(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("model-size: {max-growth: 10%}"))
    base = _folder_of_models(sample)
    (sample.root / "more/model.bin").unlink()
    (sample.root / "more/model.bin").write_bytes(b"1234567890")

    found = result(judged(sample, base, graph=serving("more/model.bin")), "model-size")

    assert (found.state, found.old, found.new) == ("fail", 5, 10)


def test_a_size_of_the_base_that_cannot_be_had_is_no_new_model(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("model-size: {max-growth: 10%}"))
    base = _folder_of_models(sample)
    clone = _clone_without_data(sample)
    clone.write("more/model.bin", "1234567890")

    found = result(judged(clone, base, graph=serving("more/model.bin", "new.bin")), "model-size")

    assert found.state == "warn"
    assert found.sentence == (
        "the growth of `more/model.bin` was not judged: DVC could not read `more/model.bin`; "
        "the size of `new.bin` could not be had"
    )


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_folder_that_cannot_be_listed_is_told_to_be_not_looked_through(
    sample: SampleProject, *, is_recorded: bool
) -> None:
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    base = sample.commit("a scan")
    _folder_of_models(sample)
    if not is_recorded:
        lines = (sample.root / "more.dvc").read_text().splitlines()
        sample.write("more.dvc", "\n".join(line for line in lines if "size" not in line and "nfiles" not in line))
    head = sample.commit("as old versions of DVC wrote it") if not is_recorded else sample.head()

    found = result(judged(_clone_without_data(sample), base, head), "pickle-scan")

    assert (found.state, found.sentence) == ("warn", "not looked through: `more` (DVC could not read `more`)")


def test_a_folder_of_too_many_files_is_told(sample: SampleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ci_core.operations.judging._MOST_INSIDE", 1)
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    base = sample.commit("a scan")
    (sample.root / "more").mkdir()
    (sample.root / "more/a.txt").write_text("a")
    _folder_of_models(sample)

    found = result(judged(sample, base), "pickle-scan")

    assert found.sentence == "not looked through: `more` (only 1 of its files are)"


@pytest.mark.parametrize("is_a_commit", [True, False])
def test_a_digest_that_leads_out_of_the_cache_reads_nothing(sample: SampleProject, *, is_a_commit: bool) -> None:
    outside = sample.root.parent / "outside.json"
    outside.write_text('{"cv": [1, 2, 3]}')
    cache = sample.root / ".dvc/cache/files/md5/aa"
    cache.mkdir(parents=True, exist_ok=True)
    steps = os.path.relpath(outside, cache)
    sample.write("folds.json.dvc", f"outs:\n- md5: aa{steps}\n  hash: md5\n  path: folds.json\n")
    head = sample.commit("a digest that is a path")
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))

    files = FilesAt(project.git, project.dvc, CommitId(head) if is_a_commit else None)

    assert files.values("folds.json") is None


@pytest.mark.parametrize("is_a_commit", [True, False])
@pytest.mark.parametrize("path", ["link.json", "../outside.json", "folder/outside.json"])
def test_nothing_outside_the_repository_is_read(sample: SampleProject, path: str, *, is_a_commit: bool) -> None:
    (sample.root.parent / "outside.json").write_text("[1, 2, 3]")
    (sample.root / "link.json").symlink_to("../outside.json")
    (sample.root / "folder").symlink_to("..")
    head = sample.commit("links")
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))
    files = FilesAt(project.git, project.dvc, CommitId(head) if is_a_commit else None)

    for read in (files.values, files.open, files.size):
        with pytest.raises(RefusedFileError, match=r"outside the repository|symbolic link"):
            read(path)


@pytest.mark.parametrize("is_a_commit", [True, False])
def test_a_model_that_is_a_link_elsewhere_fails_a_written_scan(sample: SampleProject, *, is_a_commit: bool) -> None:
    (sample.root.parent / "evil.txt").write_bytes(pickle.dumps(Evil()))
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    base = sample.commit("a scan")
    (sample.root / "model.bin").symlink_to("../evil.txt")
    head = sample.commit("a link")

    found = result(judged(sample, base, head if is_a_commit else None, graph=serving("model.bin")), "pickle-scan")

    assert found.state == "fail"
    assert found.sentence.startswith("`model.bin` cannot be looked through: it is a ")


def test_a_large_file_in_a_commit_is_not_read_at_once(sample: SampleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ci_core.gates.files_at._MAX_BLOB_BYTES", 1000)
    base = sample.head()
    sample.write("model.pkl", "x" * 1001)
    head = sample.commit("a large model")

    found = result(judged(sample, base, head), "pickle-scan")

    assert found.sentence == (
        "`model.pkl` cannot be looked through: it has 1,001 bytes, and files in Git of more than 1,000 are not read"
    )


@pytest.mark.parametrize("is_a_commit", [True, False])
def test_a_text_that_is_too_long_is_not_read(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch, *, is_a_commit: bool
) -> None:
    monkeypatch.setattr("ci_core.gates.files_at._MAX_TEXT_BYTES", 10)
    sample.write("short.yaml", "x" * 10)
    sample.write("long.yaml", "x" * 11)
    head = sample.commit("texts")
    project = open_project(sample.root, dict(os.environ), PlainConsole(io.StringIO()))
    files = FilesAt(project.git, project.dvc, CommitId(head) if is_a_commit else None)

    assert files.read("short.yaml") == b"x" * 10
    assert files.read("long.yaml") is None


@pytest.mark.parametrize("is_a_commit", [True, False])
def test_pickles_that_a_change_removes_are_not_missed(sample: SampleProject, *, is_a_commit: bool) -> None:
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    _with_pickle(sample, "gone.pkl")
    base = sample.commit("a pickle")
    sample.git("rm", "-q", "gone.pkl")
    head = sample.commit("none")

    found = result(judged(sample, base, head if is_a_commit else None), "pickle-scan")

    assert (found.state, found.sentence) == ("pass", "no pickled files")
