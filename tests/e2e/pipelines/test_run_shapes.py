"""Pipelines of every shape that DVC allows, run by our engine in real projects."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.pipelines.dvc import DvcEngine
from ci_core.testing.projects import make_project, run_git
from ci_core.versioning.dvc import DvcProject
from tests.e2e.pipelines.engine_runs import engine, outcomes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_foreach_and_matrix_stages_run_one_by_one_under_their_own_names(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(
        "dvc.yaml",
        "stages:\n"
        "  split:\n    foreach: [north, south]\n    do:\n"
        "      cmd: mkdir -p parts && echo ${item} > parts/${item}.txt\n      outs: ['parts/${item}.txt']\n"
        "  fit:\n    matrix: {part: [north, south], depth: [1, 2]}\n"
        "    cmd: cat parts/${item.part}.txt > fit-${item.part}-${item.depth}.txt\n"
        "    deps: ['parts/${item.part}.txt']\n    outs: ['fit-${item.part}-${item.depth}.txt']\n",
    )

    run = engine(project).run()

    assert outcomes(run) == dict.fromkeys(
        ["split@north", "split@south", "fit@north-1", "fit@north-2", "fit@south-1", "fit@south-2"], "ran"
    )
    assert outcomes(engine(project).run()) == dict.fromkeys(outcomes(run), "skipped")


def test_a_stage_runs_in_its_own_folder(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("here/in.txt", "1\n")
    project.write(
        "dvc.yaml",
        "stages:\n  copy:\n    cmd: cp in.txt out.txt\n    wdir: here\n    deps: [in.txt]\n    outs: [out.txt]\n",
    )

    run = engine(project).run()

    assert outcomes(run) == {"copy": "ran"}
    assert (project.root / "here/out.txt").read_text() == "1\n"
    assert run.git_files == ("dvc.lock", "here/.gitignore")


def test_a_stage_whose_folder_is_not_there_fails_with_its_name(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("dvc.yaml", "stages:\n  copy:\n    cmd: touch out.txt\n    wdir: nowhere\n    outs: [out.txt]\n")

    run = engine(project).run()

    assert run.failure is not None
    assert run.failure.stage == "copy"
    assert "nowhere" in run.failure.reason


def test_a_frozen_stage_is_left_alone_though_its_parameter_moved(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("dvc.yaml", "    cmd: python3 src/train.py\n", "    cmd: python3 src/train.py\n    frozen: true\n")
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    run = engine(project).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "skipped", "evaluate": "skipped"}


def test_a_stage_that_is_always_changed_runs_each_time(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(
        "dvc.yaml",
        "stages:\n  ask:\n    cmd: echo 1 > now.txt\n    always_changed: true\n    outs: [now.txt]\n"
        "  use:\n    cmd: cp now.txt used.txt\n    deps: [now.txt]\n    outs: [used.txt]\n",
    )
    engine(project).run()

    stale = engine(project).stale()
    run = engine(project).run()

    assert [(stage.name, stage.reasons) for stage in stale] == [("ask", ("it is declared to run always",)), ("use", ())]
    assert outcomes(run) == {"ask": "ran", "use": "skipped"}


def test_a_stage_without_dependencies_and_outputs_runs(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("dvc.yaml", "stages:\n  say:\n    cmd: echo said\n")
    lines: list[str] = []

    run = engine(project).run(on_line=lines.append)

    assert (outcomes(run), lines) == ({"say": "ran"}, ["said"])


def test_a_stage_of_several_commands_prints_them_all_in_one_log_and_stops_at_the_first_that_fails(
    tmp_path: Path,
) -> None:
    project = make_project(tmp_path)
    project.write("dvc.yaml", "stages:\n  say:\n    cmd:\n    - echo one\n    - exit 4\n    - echo three\n")

    run = engine(project).run()

    assert run.failure is not None
    assert (run.failure.command, run.failure.exit_code, run.failure.last_lines) == ("exit 4", 4, ("one",))
    assert (project.root / ".graphship/logs/say.log").read_text() == "one\n"


def test_imported_data_is_fetched_from_where_it_came_and_not_expected_in_the_remote(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    source = tmp_path / "elsewhere/numbers.csv"
    source.parent.mkdir()
    source.write_text("x\n1\n2\n")
    dvc = DvcProject(project.root)
    with dvc.session("import") as repo:
        repo.imp_url(str(source), "data/numbers.csv")
    project.write(
        "dvc.yaml",
        "stages:\n  count:\n    cmd: wc -l < data/numbers.csv > count.txt\n"
        "    deps: [data/numbers.csv]\n    outs: [count.txt]\n",
    )
    assert outcomes(engine(project).run()) == {"count": "ran"}
    project.commit()
    project.git("push", "-q")
    engine(project).push()
    clone = project.clone("fresh")
    clone.write("dvc.yaml", (clone.root / "dvc.yaml").read_text().replace("wc -l", "wc -c"))

    run = engine(clone).run()

    assert outcomes(run) == {"count": "ran"}
    assert (clone.root / "count.txt").read_text().strip() == "6"


def test_several_pipelines_that_feed_each_other_run_in_the_order_of_the_data(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(
        "a/dvc.yaml",
        "stages:\n  last:\n    cmd: cp ../b/mid.txt last.txt\n    deps: [../b/mid.txt]\n    outs: [last.txt]\n",
    )
    project.write(
        "b/dvc.yaml",
        "stages:\n  first:\n    cmd: echo 1 > first.txt\n    outs: [first.txt]\n"
        "  mid:\n    cmd: cp first.txt mid.txt\n    deps: [first.txt]\n    outs: [mid.txt]\n",
    )

    run = engine(project).run()

    ran = [stage.name for stage in run.stages if stage.outcome == "ran"]
    assert ran == ["b/dvc.yaml:first", "b/dvc.yaml:mid", "a/dvc.yaml:last"]


def test_a_project_in_a_sub_folder_of_a_larger_dvc_project_runs_its_own_stages_only(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")  # stale, but not ours
    project.write("team/graphship.yaml", "name: team\n")
    project.write("team/dvc.yaml", "stages:\n  own:\n    cmd: echo 1 > own.txt\n    outs: [own.txt]\n")

    run = DvcEngine(DvcProject(project.root / "team")).run()

    assert outcomes(run) == {"own": "ran"}
    assert run.git_files == (".gitignore", "dvc.lock")
    assert (project.root / "team/.graphship/logs/own.log").is_file()


def test_a_folder_and_a_file_in_an_empty_cache_are_both_fetched(tmp_path: Path) -> None:
    # dvc#10817
    project = make_project(tmp_path)
    project.write("data/images/a.txt", "a\n")
    project.write("data/images/sub/b.txt", "b\n")
    DvcProject(project.root).add(["data/images"])
    project.commit()
    project.git("push", "-q")
    engine(project).push()
    clone = project.clone("fresh")

    sent = engine(clone).pull()

    assert (clone.root / "data/images/sub/b.txt").read_text() == "b\n"
    assert (clone.root / "data/raw.csv").is_file()
    assert (clone.root / "data/prepared/train.csv").is_file()
    assert sent.verified == 4


def test_after_the_cache_was_emptied_the_work_tree_is_enough(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shutil.rmtree(project.root / ".dvc/cache")
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    run = engine(project).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "ran", "evaluate": "ran"}


def test_of_two_remotes_the_default_one_is_used(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    other = tmp_path / "other-remote"
    config = project.root / ".dvc/config"
    config.write_text(config.read_text() + f"['remote \"other\"']\n    url = {other}\n")
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    engine(project).run()

    sent = engine(project).push()

    assert sent.remote is not None
    assert sent.remote.startswith("storage (")
    assert not other.exists()


def test_an_output_with_a_remote_of_its_own_goes_there(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    other = tmp_path / "other-remote"
    config = project.root / ".dvc/config"
    config.write_text(config.read_text() + f"['remote \"other\"']\n    url = {other}\n")
    project.replace("dvc.yaml", "outs: [models/model.json]", "outs: [{models/model.json: {remote: other}}]")
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    engine(project).run()

    engine(project).push()

    assert [path for path in other.rglob("*") if path.is_file()]


def test_an_entry_of_the_run_cache_whose_objects_are_gone_is_run_again(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    engine(project).run()
    engine(project).push()
    model = DvcProject(project.root).read().outputs
    digest = next(file.digest for file in model if file.path == "models/model.json")
    assert digest is not None
    oid = digest.partition(":")[2]
    (project.dvc_remote / "files/md5" / oid[:2] / oid[2:]).unlink()
    clone = project.clone("fresh")
    clone.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    run = engine(clone).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "ran", "evaluate": "cached"}


def test_a_repository_whose_git_folder_is_a_worktree_runs_as_any_other(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    run_git(project.root, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side")
    tree = DvcProject(tmp_path / "tree")
    (tmp_path / "tree/params.yaml").write_text("prepare:\n  keep: 40\ntrain:\n  steps: 3\n  rate: 0.0012\n")

    run = DvcEngine(tree).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "ran", "evaluate": "ran"}


def test_of_the_remotes_run_cache_only_the_runs_of_stale_stages_are_fetched(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    for rate in ("0.0012", "0.0013", "0.0014"):
        project.write("params.yaml", f"prepare:\n  keep: 40\ntrain:\n  steps: 3\n  rate: {rate}\n")
        engine(project).run()
        engine(project).push()
    clone = project.clone("fresh")
    clone.write("params.yaml", "prepare:\n  keep: 40\ntrain:\n  steps: 3\n  rate: 0.0013\n")

    run = engine(clone).run()

    assert outcomes(run) == {"prepare": "skipped", "train": "cached", "evaluate": "cached"}
    fetched = [file for file in (clone.root / ".dvc/cache/runs").rglob("*") if file.is_file()]
    assert len(fetched) == 2
