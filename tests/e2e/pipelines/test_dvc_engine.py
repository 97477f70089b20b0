from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import MissingObjectsError, NoPipelineError, StageFailedError
from ci_core.pipelines.dvc import DvcEngine
from ci_core.pipelines.heartbeat import Heartbeat
from ci_core.testing.projects import make_project
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.git import GitRepository
from tests.e2e.pipelines.engine_runs import engine, outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.pipelines.spec import StageRun

pytestmark = pytest.mark.e2e


def test_nothing_stale_runs_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    run = engine(project).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "skipped", "evaluate": "skipped"}
    assert run.git_files == ()
    assert project.git("status", "--short") == ""


def test_what_is_stale_runs_and_the_rest_is_skipped(tmp_path: Path) -> None:
    project = make_project(tmp_path / "größer als")
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    lines: list[str] = []
    stages: list[StageRun] = []

    run = engine(project).run(on_line=lines.append, on_stage=stages.append)

    assert outcomes(run) == {"prepare": "skipped", "train": "ran", "evaluate": "ran"}
    assert tuple(stages) == run.stages
    assert run.stages[1].reasons == ("param `train.rate` changed",)
    assert lines == ["slope 2.8631"]
    assert (project.root / ".graphship/logs/train.log").read_text() == "slope 2.8631\n"
    assert engine(project).stale() == ()


def test_the_files_for_git_are_those_that_git_sees_changed(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    before = project.head()

    run = engine(project).run()
    commit = GitRepository(project.root).commit([*run.git_files, "params.yaml"], "refresh")

    assert project.git("rev-parse", "HEAD~1") == before
    assert project.git("show", "--name-only", "--format=", str(commit)).splitlines() == [
        "dvc.lock",
        "metrics.json",
        "params.yaml",
        "plots/errors.csv",
    ]
    assert project.git("status", "--short") == ""


def test_a_run_changes_neither_head_nor_index(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace(".dvc/config", "[core]", "[core]\n    autostage = true")
    project.commit()
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    before = project.head()

    engine(project).run()

    assert project.head() == before
    assert project.git("diff", "--cached", "--name-only") == ""


def test_going_back_takes_the_outputs_from_the_run_cache(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    model = (project.root / "models/model.json").read_text()
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    engine(project).run()
    project.replace("params.yaml", "rate: 0.0012", "rate: 0.001")

    run = engine(project).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "cached", "evaluate": "cached"}
    assert (project.root / "models/model.json").read_text() == model
    assert project.git("status", "--short") == ""


def test_a_fresh_clone_takes_from_the_remote_what_another_clone_ran(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    engine(project).run()
    engine(project).push()
    clone = project.clone("fresh")
    clone.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    run = engine(clone).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "cached", "evaluate": "cached"}
    assert (clone.root / "metrics.json").read_bytes() == (project.root / "metrics.json").read_bytes()


def test_a_fresh_clone_fetches_only_what_the_stale_stages_need(tmp_path: Path) -> None:
    clone = make_project(tmp_path).clone("fresh")
    clone.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    run = engine(clone).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "ran", "evaluate": "ran"}
    assert (clone.root / "data/prepared/train.csv").is_file()
    assert not (clone.root / "data/raw.csv").exists()


def test_data_that_a_stale_stage_needs_and_nobody_has_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    clone = project.clone("fresh")
    shutil.rmtree(project.dvc_remote / "files")
    clone.replace("params.yaml", "keep: 40", "keep: 30")

    with pytest.raises(MissingObjectsError) as caught:
        engine(clone).run()

    assert caught.value.files == (("data/raw.csv", 239),)


def test_a_remote_out_of_reach_does_not_stop_a_run_that_has_its_data(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace(".dvc/config", "../../dvc-remote", "s3://bucket/storage")  # its library is not installed
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    run = engine(project).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "ran", "evaluate": "ran"}
    (note,) = run.notes
    assert note.startswith("the run cache of the DVC remote was out of reach: ")


def test_an_output_that_was_deleted_comes_back_from_the_cache(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "models/model.json").unlink()

    run = engine(project).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "cached", "evaluate": "skipped"}
    assert (project.root / "models/model.json").is_file()


def test_without_a_remote_and_a_cache_a_deleted_output_is_made_again(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(".dvc/config", "")
    model = (project.root / "models/model.json").read_text()
    (project.root / "models/model.json").unlink()
    shutil.rmtree(project.root / ".dvc/cache")

    run = engine(project).run()

    assert outcomes(run)["train"] == "ran"
    assert (project.root / "models/model.json").read_text() == model


def test_new_data_is_recorded_and_run(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/raw.csv", "x,y\n" + "".join(f"{x},{2 * x}\n" for x in range(1, 41)))

    run = engine(project).run()

    assert outcomes(run) == {"data/raw.csv.dvc": "ran", "prepare": "ran", "train": "ran", "evaluate": "ran"}
    assert "data/raw.csv.dvc" in run.git_files


def test_a_stage_that_fails_is_named_with_its_last_twenty_lines(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "for n in range(30):\n    print('line', n)\nraise SystemExit(3)\n")

    with pytest.raises(StageFailedError) as caught:
        engine(project).run().require_success()

    assert caught.value.stage == "train"
    assert caught.value.reason == "it ended with exit code 3"
    assert caught.value.command == "python3 src/train.py"
    assert caught.value.last_lines == tuple(f"line {n}" for n in range(10, 30))
    assert caught.value.exit_code == 3


def test_a_failure_leaves_the_lock_and_the_metrics_as_they_were(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "raise SystemExit(1)\n")
    project.commit()

    run = engine(project).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "failed", "evaluate": "not-run"}
    assert run.failure is not None
    assert (run.failure.exit_code, run.failure.log) == (1, ".graphship/logs/train.log")
    assert project.git("status", "--short") == ""


def test_a_traceback_on_standard_error_is_among_the_last_lines(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "import sys\nprint('out', flush=True)\nraise ValueError('no rows')\n")

    run = engine(project).run()

    assert run.failure is not None
    assert run.failure.last_lines[0] == "out"
    assert run.failure.last_lines[-1] == "ValueError: no rows"


def test_a_stage_that_does_not_make_its_output_fails(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "print('I forgot')\n")

    run = engine(project).run()

    assert run.failure is not None
    assert run.failure.stage == "train"
    assert "models/model.json" in run.failure.reason
    assert run.failure.exit_code is None


def test_a_stage_that_is_killed_says_by_which_signal(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("dvc.yaml", "cmd: python3 src/train.py", "cmd: kill -KILL $$")

    run = engine(project).run()

    assert run.failure is not None
    assert run.failure.reason == "it was ended by signal 9"


def test_a_program_that_a_stage_leaves_behind_does_not_hold_the_run_up(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("dvc.yaml", "cmd: python3 src/train.py", "cmd: sleep 20 & python3 src/train.py; echo $! > pid")

    try:
        run = engine(project).run()
    finally:
        os.kill(int((project.root / "pid").read_text()), signal.SIGKILL)

    assert outcomes(run)["train"] == "ran"
    assert run.stages[1].seconds < 15


def test_a_listener_that_prints_does_not_hear_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    capfd.readouterr()

    engine(project).run(on_line=lambda line: print("heard", line, file=sys.stderr))  # noqa: T201 - the point

    out, err = capfd.readouterr()
    assert out == ""
    assert err == "heard slope 2.8631\n"


def test_a_listener_that_fails_ends_the_run_after_the_stage(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    def fail(_line: str) -> None:
        raise RuntimeError("a mistake of the listener")

    with pytest.raises(RuntimeError, match="a mistake of the listener"):
        engine(project).run(on_line=fail)


def test_pipelines_in_sub_folders_run_with_their_own_names(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(
        "sub ä/dvc.yaml",
        "vars: [{name: out}]\nstages:\n  copy:\n    cmd: cp ../models/model.json ${name}.json\n"
        '    deps: [../models/model.json]\n    outs: ["${name}.json"]\n',
    )

    run = engine(project).run()

    assert outcomes(run)["sub ä/dvc.yaml:copy"] == "ran"
    assert {"sub ä/dvc.lock", "sub ä/.gitignore"} <= set(run.git_files)


def test_variables_reach_the_programs_of_the_stages(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("dvc.yaml", "cmd: python3 src/train.py", "cmd: echo got $CHOSEN; python3 src/train.py")
    lines: list[str] = []

    DvcEngine(DvcProject(project.root), stage_env={"CHOSEN": "this"}).run(on_line=lines.append)

    assert lines[0] == "got this"


def test_a_project_without_a_pipeline_says_so(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "dvc.yaml").unlink()

    with pytest.raises(NoPipelineError):
        engine(project).run()


def test_a_stage_that_is_silent_is_told_of(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("dvc.yaml", "stages:\n  wait:\n    cmd: printf 10%%; until [ -e told ]; do sleep 0.05; done\n")
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if "shows" in line:
            project.write("told", "")

    with Heartbeat(tell, every_s=0.05) as heartbeat:
        engine(project).run(on_activity=heartbeat.on_activity)

    line = next(line for line in told if "shows" in line)
    assert line.startswith("wait: printf 10%%; until [ -e told ]; do sleep 0.05; done: ")
    assert line.endswith(" so far, shows `10%`")
