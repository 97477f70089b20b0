"""What is told when one of two graphs cannot be loaded, hangs or ends its process, and that nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ci_core.behaviour import side, timing
from ci_core.testing.processes import is_alive, wait_until
from ci_core.types import CommitId
from tests.e2e.operations.behaviour_project import CONFIG, GRAPH, BehaviourProject, make, requests

pytestmark = pytest.mark.e2e


# --- a side that cannot answer ---


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("serving/graph.py", "graph = (", "the head's graph cannot be loaded: `serving/graph.py` raised SyntaxError"),
        ("serving/graph.py", "import nowhere", "No module named 'nowhere' (serving/graph.py:1)"),
        ("serving/graph.py", "import sys; sys.exit(3)", "`serving/graph.py` raised SystemExit: 3"),
        ("serving/graph.py", "import os; os._exit(3)", "its process ended with exit code 3"),
        ("serving/steps.py", "1 / 0", "ZeroDivisionError: division by zero (serving/steps.py:1)"),
        (
            "serving/graph.py",
            GRAPH.replace("models/model.json", "models/other.json"),
            "opens the data file `models/other.json`, which does not exist (did you mean `models/model.json`?)",
        ),
    ],
)
def test_a_head_that_cannot_be_loaded_is_told_and_the_base_is_measured(
    tmp_path: Path, path: str, text: str, expected: str
) -> None:
    project = make(tmp_path, count=2)
    project.sample.write(path, text)

    found = project.compare()

    assert found.problem is not None
    assert expected in found.problem
    assert str(tmp_path) not in found.problem
    assert (found.requests, found.changed, found.head, found.latency_ratio) == (0, 0, None, None)
    assert found.base is not None
    assert found.base.failed == 0
    assert found.base.median_ms is not None


NEEDS_A_SECRET = """
class Score:
    def __init__(self, context):
        self.token = context.secret("TOKEN")

    def do(self, body):
        return 1
"""


def test_a_step_that_needs_a_secret_says_so_since_there_is_none(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.sample.write("serving/steps.py", NEEDS_A_SECRET)
    project.sample.write("serving/graph.py", GRAPH.replace("steps:answer", "steps:Score"))

    problem = project.compare(env={**os.environ, "TOKEN": "hunter2"}).problem

    assert problem is not None
    assert "TOKEN" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, "the base has no `graphship.yaml`"),
        ("name: sample\n", "the base has no serving graph"),
        ("name: [broken", "the base cannot be read: "),
    ],
)
def test_a_base_without_a_graph_is_told_and_the_head_is_measured(
    tmp_path: Path, config: str | None, expected: str
) -> None:
    project = make(tmp_path, count=2)
    if config is None:
        (project.root / "graphship.yaml").unlink()
    else:
        project.sample.write("graphship.yaml", config)
    base = CommitId(project.sample.commit())
    project.sample.write("graphship.yaml", CONFIG)

    found = BehaviourProject(sample=project.sample, base=base).compare()

    assert str(found.problem).startswith(expected)
    assert (found.requests, found.base) == (0, None)
    assert found.head is not None
    assert found.head.failed == 0


def test_a_new_graph_that_cannot_be_loaded_is_told_although_there_is_nothing_to_send(tmp_path: Path) -> None:
    project = make(tmp_path, count=0)
    project.sample.write("graphship.yaml", "name: sample\n")
    base = CommitId(project.sample.commit())
    project.sample.write("graphship.yaml", CONFIG)
    project.sample.write("serving/graph.py", GRAPH.replace("serving.steps:answer", "serving.steps:answerr"))

    found = BehaviourProject(sample=project.sample, base=base).compare()

    assert str(found.head_failure).startswith("the head's graph cannot be loaded: ")
    assert "answerr" in str(found.head_failure)
    assert found.head_exit_code == 2


def test_when_neither_side_can_be_loaded_both_are_told(tmp_path: Path) -> None:
    project = make(tmp_path, {"serving/steps.py": "1 / 0"})
    project.sample.write("serving/steps.py", "import nowhere")

    problem = str(project.compare().problem)

    assert "the base's graph cannot be loaded" in problem
    assert "the head's graph cannot be loaded" in problem


def test_a_broken_line_of_the_recorded_requests_is_told(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.sample.write("serving/requests.jsonl", '{"x": 1}\n{"x": \n')

    found = project.compare()

    assert found.problem is not None
    assert "serving/requests.jsonl:2" in found.problem


# --- a request that ends more than itself ---


@pytest.mark.parametrize(
    ("fault", "how"),
    [
        ("os._exit(7)", "ended with exit code 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL (often: there was too little memory)"),
    ],
)
def test_a_request_that_ends_the_process_is_a_failed_one_and_the_others_are_answered(
    tmp_path: Path, fault: str, how: str
) -> None:
    project = make(tmp_path, count=4)
    dying = f'if body["x"] == 1:\n    print("last words", file=sys.stderr, flush=True)\n    {fault}'
    project.steps(f'{dying}\nreturn {{"y": round(SLOPE * body["x"], 3)}}', above="import os, signal, sys")

    found = project.compare()

    assert (found.requests, found.changed) == (4, 1)
    assert found.head is not None
    assert found.head.failed == 1
    assert found.largest[0].request == {"x": 1}
    assert found.largest[0].new == f"no answer: the process {how}; its last words: last words"
    assert found.problem == f"the head's graph ended at request 2: its process {how}; its last words: last words"


def test_a_request_that_hangs_is_a_failed_one_and_the_others_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side, "REQUEST_S", 4.0)
    project = make(tmp_path, count=4)
    project.steps('while body["x"] == 1:\n    pass\nreturn {"y": round(SLOPE * body["x"], 3)}')

    found = project.compare()

    assert (found.requests, found.changed) == (4, 1)
    assert found.largest[0].new == "no answer: the process gave no answer within 4 s"
    assert found.problem == "the head's graph hung at request 2: its process gave no answer within 4 s"


def test_a_graph_that_dies_at_every_request_is_started_four_times_and_no_more(tmp_path: Path) -> None:
    project = make(tmp_path, count=10)
    project.steps("os._exit(1)", above="import os")

    found = project.compare()

    assert (found.requests, found.changed) == (4, 4)
    assert str(found.problem).endswith("the head's graph was started 4 times; 6 requests were not sent")


def test_requests_that_take_too_long_together_are_not_all_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side, "PASS_S", 0.5)
    monkeypatch.setattr(timing, "MOST_S", 0.1)
    project = make(tmp_path, count=30)
    project.steps('time.sleep(0.1)\nreturn {"y": round(SLOPE * body["x"], 3)}', above="import time")

    found = project.compare()

    assert 0 < found.requests < 30
    assert found.changed == 0
    assert found.latency_ratio is None
    assert f"the head's graph answered {found.requests} of 30 requests within 0.5 s; the others were not sent" in str(
        found.problem
    )


def test_a_graph_whose_code_hangs_when_it_is_loaded_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side, "LOAD_S", 10.0)  # the base is loaded in half a second on a quiet machine
    project = make(tmp_path)
    project.sample.write("serving/graph.py", "import time\nwhile True:\n    time.sleep(1)\n")

    found = project.compare()

    assert found.problem == "the head's graph cannot be loaded: its process gave no answer within 10 s"


def test_what_user_code_does_to_its_process_does_not_disturb_the_answers(tmp_path: Path) -> None:
    project = make(tmp_path, count=3)
    above = """
import os, sys, threading, time
print("at import", flush=True)
os.write(1, b"below Python\\n")
threading.Thread(target=time.sleep, args=(600,)).start()
"""
    answer = """
print('{"number": 0, "status": 200}')
os.chdir("/")
threading.Thread(target=time.sleep, args=(600,)).start()
sys.stdout.close()
sys.stdin.read()
return {"y": round(SLOPE * body["x"], 3)}"""
    project.steps(answer.strip().replace("sys.stdout.close()\n", ""), above=above)

    found = project.compare()

    assert (found.requests, found.changed, found.problem) == (3, 0, None)


def test_a_machine_without_room_for_temporary_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))

    assert project.compare().problem == "the graphs could not be asked: No such file or directory"


# --- what stays behind ---

COMPARE = """
import io, signal, sys
from pathlib import Path
from tests.e2e.opened import opened
from ci_core.operations.behaviour import compare_behaviour
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command line does
try:
    compare_behaviour(opened(Path(sys.argv[1])), base=sys.argv[2], head=None)
except KeyboardInterrupt:
    sys.exit(130)
"""
HANGS = "Path(PIDS, str(os.getpid())).touch()\nwhile True:\n    time.sleep(1)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_comparison_leaves_neither_processes_nor_folders(tmp_path: Path, number: signal.Signals) -> None:
    project, comparing, pids = start_hanging(tmp_path)
    running = processes_noted_in(pids)

    comparing.send_signal(number)
    code = comparing.wait()

    assert code == 130
    assert list((tmp_path / "scratch").iterdir()) == []
    wait_until(lambda: not any(is_alive(pid) for pid in running))
    assert project.sample.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert list((project.root / ".git").glob("*index*.lock")) == []


def test_graphs_end_when_whoever_compares_them_is_killed(tmp_path: Path) -> None:
    _, comparing, pids = start_hanging(tmp_path)
    running = processes_noted_in(pids)

    comparing.kill()
    comparing.wait()

    wait_until(lambda: not any(is_alive(pid) for pid in running))


def start_hanging(tmp_path: Path) -> tuple[BehaviourProject, subprocess.Popen[bytes], Path]:
    """Compare, in a process of its own, with a head that hangs at its first request and notes its process id."""
    pids, scratch = tmp_path / "pids", tmp_path / "scratch"
    pids.mkdir()
    scratch.mkdir()
    project = make(tmp_path / "p")
    project.steps(HANGS, above=f"import os, time\nPIDS = {str(pids)!r}")
    env = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", COMPARE, str(project.root), project.base]
    return project, subprocess.Popen(command, env=env), pids


def processes_noted_in(folder: Path) -> list[int]:
    """Return the processes that wrote their ids down, once there is one."""
    wait_until(lambda: any(folder.iterdir()))
    return [int(file.name) for file in folder.iterdir()]


def test_a_comparison_leaves_repository_and_cache_as_they_were(tmp_path: Path) -> None:
    project = make(tmp_path, {"serving/requests.jsonl": requests({"x": 1})})
    project.steps('Path("models/model.json").write_text("spoiled")\nreturn {"y": 1}')
    base = CommitId(project.sample.commit())
    project.steps('return {"y": 2}')
    index = (project.root / ".git/index").read_bytes()
    cache = contents(project.root / ".dvc/cache")
    status = project.sample.git("status", "--porcelain")

    found = BehaviourProject(sample=project.sample, base=base).compare()

    assert (found.changed, found.problem) == (1, None)
    assert (project.root / ".git/index").read_bytes() == index
    assert contents(project.root / ".dvc/cache") == cache
    assert project.sample.git("status", "--porcelain") == status
    assert project.sample.git("worktree", "list", "--porcelain").count("worktree ") == 1


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
