"""What goes wrong around a run: stages that misbehave, signals, locks, remotes and disks."""

from __future__ import annotations

import fcntl
import resource
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import DataRemoteError, DvcBusyError, FileNotWritableError, MissingObjectsError, NoDataRemoteError
from ci_core.testing.processes import is_alive, wait_until
from ci_core.testing.projects import make_project
from ci_core.versioning.dvc import DvcProject
from tests.e2e.pipelines.engine_runs import engine, outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.pipelines.spec import Activity
    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e


def with_stage(project: SampleProject, command: str) -> SampleProject:
    """Give the project one stage, `say`, whose command is a line of shell."""
    project.write("dvc.yaml", f"stages:\n  say:\n    cmd: {command}\n")
    return project


def start(project: SampleProject, *arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return] # the options differ from test to test
        [sys.executable, "-m", "ci_core", "run", *arguments],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# --- stages that misbehave ---


def test_a_program_that_does_not_exist_is_named_by_the_shell(tmp_path: Path) -> None:
    run = engine(with_stage(make_project(tmp_path), "no-such-program --now")).run()

    assert run.failure is not None
    assert run.failure.exit_code == 127
    assert "no-such-program" in run.failure.last_lines[-1]


def test_a_shell_that_does_not_exist_is_the_stages_failure_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/no/such/shell")

    run = engine(with_stage(make_project(tmp_path), "echo one")).run()

    assert run.failure is not None
    assert run.failure.reason == "`/no/such/shell` could not be started: No such file or directory"


def test_a_stage_that_makes_no_output_is_told_which(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "print('I forgot')\n")

    run = engine(project).run()

    assert run.failure is not None
    assert run.failure.reason == "output 'models/model.json' does not exist"
    assert run.failure.last_lines == ("I forgot",)


def test_bytes_that_are_no_text_are_kept_in_the_file_and_shown_as_replacements(tmp_path: Path) -> None:
    project = with_stage(make_project(tmp_path), r"printf 'caf\351 \377\n'; exit 1")

    run = engine(project).run()

    assert run.failure is not None
    assert run.failure.last_lines == ("caf\ufffd \ufffd",)
    assert (project.root / ".graphship/logs/say.log").read_bytes() == b"caf\xe9 \xff\n"


def test_a_progress_bar_is_told_as_it_moves_and_kept_with_its_last_state(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(
        "bar.py",
        "import sys, pathlib\n"
        "for n in (10, 50, 100):\n"
        "    sys.stdout.write(f'\\r{n} %'); sys.stdout.flush()\n"
        "    while not pathlib.Path(f'seen{n}').exists(): pass\n"
        "print()\n",
    )
    with_stage(project, "python3 bar.py")
    lines: list[str] = []

    def see(activity: Activity) -> None:
        if activity.shows:
            project.write(f"seen{activity.shows.removesuffix(' %')}", "")

    engine(project).run(on_line=lines.append, on_activity=see)

    assert lines == ["100 %"]


def test_a_line_of_fifty_megabytes_and_a_million_lines_need_no_memory(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("long.py", "import sys\nfor _ in range(50): sys.stdout.write('x' * 1_000_000)\nprint()\n")
    project.write("many.py", "import sys\nsys.stdout.writelines(f'line {n}\\n' for n in range(1_000_000))\n")
    project.write("dvc.yaml", "stages:\n  say:\n    cmd:\n    - python3 long.py\n    - python3 many.py\n    - exit 1\n")
    heard = 0
    engine(project).stale()  # what DVC itself needs is taken now
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def count(_line: str) -> None:
        nonlocal heard
        heard += 1

    run = engine(project).run(on_line=count)

    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert heard == 1_000_001
    assert run.failure is not None
    assert run.failure.last_lines[-1] == "line 999999"
    assert (project.root / ".graphship/logs/say.log").stat().st_size == 50_000_001 + 11_888_890
    assert grown_kb < 20_000  # the output is 62 MB


def test_a_log_that_cannot_be_written_is_a_note_and_the_run_goes_on(tmp_path: Path) -> None:
    project = with_stage(make_project(tmp_path), "echo said")
    (project.root / ".graphship/logs/say.log").mkdir(parents=True)
    lines: list[str] = []

    run = engine(project).run(on_line=lines.append)

    assert (outcomes(run), lines) == ({"say": "ran"}, ["said"])
    assert run.notes == (".graphship/logs/say.log does not hold all of the output: Is a directory",)


# --- signals ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_stage_with_all_it_started_and_the_next_run_works(
    tmp_path: Path, number: signal.Signals
) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    project.write(
        "src/train.py", "import os, subprocess\nos.system('sleep 600 & echo $! > child; echo $$ > pid; wait')\n"
    )
    process = start(project)
    wait_until(lambda: (project.root / "pid").exists() and (project.root / "pid").read_text().endswith("\n"))

    process.send_signal(number)
    _, errors = process.communicate()

    assert process.returncode == 130
    assert "\nended before it was done: train: python3 src/train.py\n" in errors
    assert errors.endswith("stopped\n")
    for file in ("pid", "child"):
        assert not is_alive(int((project.root / file).read_text()))
    project.git("checkout", "-q", "src/train.py")
    assert outcomes(engine(project).run()) == {"prepare": "skipped", "train": "ran", "evaluate": "ran"}


def test_a_stage_may_tidy_up_when_it_is_interrupted(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(
        "tidy.py",
        "import pathlib, time\n"
        "try:\n    pathlib.Path('ready').touch(); time.sleep(600)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5); pathlib.Path('tidy').touch(); print('saved', flush=True)\n",
    )
    with_stage(project, "python3 tidy.py")
    process = start(project, start_new_session=True)  # as in CI: no terminal tells the stage
    wait_until((project.root / "ready").exists)

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()

    assert (project.root / "tidy").exists()
    assert "  saved\n" in errors


def test_a_stage_that_does_not_listen_is_ended_all_the_same(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(
        "deaf.py",
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path('pid').write_text(f'{os.getpid()}\\n'); time.sleep(600)\n",
    )
    with_stage(project, "python3 deaf.py")
    process = start(project)
    wait_until(lambda: (project.root / "pid").exists() and (project.root / "pid").read_text().endswith("\n"))

    process.send_signal(signal.SIGINT)
    process.communicate()

    assert process.returncode == 130
    assert not is_alive(int((project.root / "pid").read_text()))


# --- locks ---


def test_a_lock_that_another_process_holds_is_waited_for_and_then_told_in_one_message(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    holder = (project.root / ".dvc/tmp/lock").open("a")
    fcntl.flock(holder, fcntl.LOCK_EX)

    with holder, pytest.raises(DvcBusyError, match="another DVC process is working in this project"):
        engine(project).run()


def test_a_second_run_beside_one_whose_stage_runs_is_told_that_the_project_is_busy(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "import time, pathlib\npathlib.Path('ready').touch(); time.sleep(600)\n")
    first = start(project)
    try:
        wait_until((project.root / "ready").exists)

        second = start(project)
        _, errors = second.communicate()
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate()

    assert second.returncode == 2
    assert "error[dvc-busy]: another DVC process is working in this project" in errors
    assert f"  (PID {first.pid}): " in errors
    assert "error[stage-failed]" not in errors


# --- remotes ---


def test_a_pull_names_each_missing_object_by_path_and_size(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    clone = project.clone("fresh")
    shutil.rmtree(project.dvc_remote / "files")

    with pytest.raises(MissingObjectsError) as caught:
        engine(clone).pull(["data/raw.csv", "models"])

    assert sorted(caught.value.files) == [("data/raw.csv", 239), ("models/model.json", 19)]


def test_a_pull_of_a_folder_that_lacks_one_file_names_that_file(tmp_path: Path) -> None:
    # `dvc pull` warns and ends with 0 for some of these (dvc#9867)
    project = make_project(tmp_path)
    clone = project.clone("fresh")
    content = (project.root / "data/prepared/test.csv").read_bytes()
    for stored in (project.dvc_remote / "files").rglob("*"):
        if stored.is_file() and stored.read_bytes() == content:
            stored.unlink()

    with pytest.raises(MissingObjectsError) as caught:
        engine(clone).pull(["data/prepared"])

    assert [path for path, _ in caught.value.files] == ["data/prepared/test.csv"]


def test_a_push_without_a_remote_says_how_to_add_one(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(".dvc/config", "")

    with pytest.raises(NoDataRemoteError, match="no default DVC remote is configured"):
        engine(project).push()


def test_a_push_to_a_remote_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    engine(project).run()
    shutil.rmtree(project.dvc_remote)
    project.dvc_remote.write_text("a file where the folder should be")

    with pytest.raises(DataRemoteError) as caught:
        engine(project).push()

    assert "Not a directory" in caught.value.message or "File exists" in caught.value.message


def test_a_push_that_was_killed_is_completed_by_the_next_one(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    for number in range(200):
        project.write(f"data/many/{number}.txt", f"{number}\n" * 1000)
    DvcProject(project.root).add(["data/many"])
    objects = project.dvc_remote / "files/md5"
    before = len(list(objects.rglob("*")))
    process = start(project, "--push")
    wait_until(lambda: len(list(objects.rglob("*"))) > before or process.poll() is not None)

    process.kill()
    process.communicate()
    sent = engine(project).push()

    assert sent.verified >= 200
    clone_folder = tmp_path / "check"
    project.commit()
    project.git("push", "-q")
    clone = project.clone(clone_folder.name)
    engine(clone).pull(["data/many"])
    assert (clone.root / "data/many/199.txt").read_text() == "199\n" * 1000


def test_the_data_that_moves_is_counted(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    for number in range(5):
        project.write(f"data/many/{number}.txt", f"{number}\n")
    DvcProject(project.root).add(["data/many"])
    seen: list[Activity] = []

    engine(project).push(on_activity=seen.append)

    assert {activity.what for activity in seen} == {f"sending the data to storage ({project.dvc_remote})"}
    assert (seen[-1].files_done, seen[-1].files_total) != (0, None)
    assert max(activity.files_done for activity in seen) == 6  # and the list of the folder


# --- disks ---


def test_a_folder_whose_files_the_disk_of_the_cache_does_not_take_is_one_clear_error_and_not_in_the_lock(
    tmp_path: Path,
) -> None:
    # DVC itself goes on, and writes a lock that names what is nowhere.
    project = make_project(tmp_path)
    config = project.root / ".dvc/config"
    config.write_text(config.read_text() + "[cache]\n    type = copy\n")
    project.write(
        "dvc.yaml",
        "stages:\n  say:\n    cmd: ulimit -S -f unlimited && mkdir -p big && head -c 2000000 /dev/zero > big/one\n"
        "    outs: [big]\n",
    )
    lock = (project.root / "dvc.lock").read_text()

    def limit() -> None:  # how a full disk looks to who writes; a stage may lift it
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))

    process = start(project, preexec_fn=limit)
    _, errors = process.communicate()

    assert process.returncode == 2, errors
    assert errors.splitlines()[1] == "error[file-not-writable]: the file cannot be written: file too large"
    assert "Traceback" not in errors
    assert (project.root / "dvc.lock").read_text() == lock


def test_a_cache_that_cannot_be_written_is_told_as_a_file_and_not_as_the_remotes_fault(tmp_path: Path) -> None:
    project = with_stage(make_project(tmp_path), "echo 1 > out.txt")
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text() + "    outs: [out.txt]\n")
    blocked = tmp_path / "a file"
    blocked.write_text("")
    config = project.root / ".dvc/config"
    config.write_text(config.read_text() + f"[cache]\n    dir = {blocked}/cache\n")

    with pytest.raises(FileNotWritableError) as caught:
        engine(project).run()

    assert caught.value.path.startswith(str(blocked))
