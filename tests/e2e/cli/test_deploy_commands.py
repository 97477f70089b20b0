"""``plan``, ``deploy``, ``status`` and ``rollback`` on a real repository, with real server processes."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ci_core.cli import cli
from ci_core.cli._render import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

CONFIG = """\
name: sample
graph: serving/graph.py:graph
smoke: serving/requests.jsonl
environments:
  staging: {target: local, ready-timeout: 20s}
"""
GRAPH = """\
from ci_core.serving import Graph

graph = Graph("sample")
graph.to("serving.steps:answer").respond()
"""
STEPS = """\
def answer(body):
    return {"answer": body["x"] * FACTOR}

FACTOR = 2
"""


@dataclass
class Project:
    root: Path
    env: dict[str, str]
    capsys: pytest.CaptureFixture[str]

    def command(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = run(cli, [*arguments, "--project", str(self.root)], self.env)
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def json(self, *arguments: str) -> Any:
        code, out, err = self.command(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    def commit(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        subprocess.run(["git", "add", "-A"], cwd=self.root, check=True)
        subprocess.run(["git", "commit", "-q", "-m", "change"], cwd=self.root, check=True)

    def ask(self) -> Any:
        url = self.json("status", "staging")[0]["url"]
        request = urllib.request.Request(url, data=b'{"x": 21}', headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Project]:
    root = tmp_path / "prøject with blanks"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    env = {key: value for key, value in os.environ.items() if key != "CI"}
    project = Project(root, {**env, "GRAPHSHIP_STATE_DIR": str(tmp_path / "state")}, capsys)
    (root / "serving").mkdir()
    (root / "graphship.yaml").write_text(CONFIG)
    (root / "serving" / "graph.py").write_text(GRAPH)
    (root / "serving" / "requests.jsonl").write_text('{"x": 1}\n')
    project.commit(**{"serving__steps.py": STEPS, ".gitignore": ".graphship/\n__pycache__/\n"})
    yield project
    from ci_core.cli._adapters import make_target
    from ci_core.cli._common import read_settings

    settings = read_settings(root, project.env)
    make_target(settings, settings.environments[0], project.env).destroy(settings.environments[0].name)


def test_a_release_is_planned_deployed_replaced_and_rolled_back(project: Project) -> None:
    planned = project.json("plan", "staging")["plan"]
    assert (planned["action"], planned["live"]) == ("create", None)
    assert [step["change"] for step in planned["steps"]] == ["added"]

    deployed = project.json("deploy", "staging")
    assert deployed["outcome"] == "deployed"
    assert deployed["release"] == planned["release"]
    assert deployed["smoke_requests"] == 1
    assert project.ask() == {"answer": 42}

    project.commit(**{"docs__index.md": "words only\n"})
    assert project.json("plan", "staging")["plan"]["action"] == "none"
    assert project.json("deploy", "staging")["outcome"] == "unchanged"

    project.commit(**{"serving__steps.py": STEPS.replace("FACTOR = 2", "FACTOR = 3")})
    code, out, _ = project.command("plan", "staging")
    assert code == 0
    assert "code or data files of the graph change" in out
    assert project.json("deploy", "staging")["outcome"] == "deployed"
    assert project.ask() == {"answer": 63}

    assert project.json("rollback", "staging")["outcome"] == "rolled-back"
    assert project.ask() == {"answer": 42}
    code, out, err = project.command("deploy", "staging")
    assert (code, out) == (4, "")
    assert "rolled back" in err

    code, out, _ = project.command("status")
    assert code == 0
    assert "healthy" in out
    assert "rolled-back" in out


def test_a_broken_change_exits_with_4_and_the_old_release_answers(project: Project) -> None:
    project.json("deploy", "staging")
    project.commit(**{"serving__steps.py": STEPS.replace('body["x"]', 'body["missing"]')})

    code, _, err = project.command("deploy", "staging")

    assert code == 4
    assert "smoke request 1 was answered with status 5" in err or "smoke request 1 was answered with status 4" in err
    assert "keeps serving" in err
    assert project.ask() == {"answer": 42}


@pytest.mark.parametrize("switches", [5, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.soak])])
def test_no_request_fails_while_real_servers_are_switched(
    project: Project, switches: int, record_property: Callable[[str, object], None]
) -> None:
    project.json("deploy", "staging")
    address = urlsplit(project.json("status", "staging")[0]["url"]).netloc
    answers: list[int] = []
    failures: list[str] = []
    is_over = threading.Event()

    def send() -> None:
        connection = http.client.HTTPConnection(address, timeout=20)
        while not is_over.is_set():
            try:
                connection.request("POST", "/", body=b'{"x": 1}', headers={"content-type": "application/json"})
                response = connection.getresponse()
                body = response.read()
                if response.status == 200:
                    answers.append(json.loads(body)["answer"])
                else:
                    failures.append(f"{response.status} {body!r}")
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                connection.close()
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for factor in range(3, 3 + switches):
            project.commit(**{"serving__steps.py": STEPS.replace("FACTOR = 2", f"FACTOR = {factor}")})
            project.json("deploy", "staging")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()

    record_property("switches", switches)
    record_property("requests answered", len(answers))
    record_property("requests failed", len(failures))
    assert failures == []
    assert set(answers) >= set(range(2, 2 + switches))


def test_what_git_ignores_is_not_shipped(project: Project) -> None:
    before = project.json("plan", "staging")["plan"]["release"]
    (project.root / ".git" / "info" / "exclude").write_text("*.cache\n")
    (project.root / "serving" / "tokens.cache").write_text("secret")
    assert project.json("plan", "staging")["plan"]["release"] == before

    (project.root / "serving" / "new.py").write_text("x = 1")
    assert project.json("plan", "staging")["plan"]["release"] != before


def test_a_dirty_work_tree_is_deployed_with_a_notice_and_its_own_label(project: Project) -> None:
    (project.root / "serving" / "steps.py").write_text(STEPS.replace("FACTOR = 2", "FACTOR = 5"))

    code, _, err = project.command("deploy", "staging")

    assert code == 0
    assert "cannot be made again from Git" in err
    assert "+dirty." in project.json("status", "staging")[0]["commit"]


def test_a_dry_run_deploys_nothing(project: Project) -> None:
    code, out, _ = project.command("deploy", "staging", "--dry-run")

    assert code == 0
    assert "would be the first release" in out
    assert project.json("status")[0]["release"] is None
    assert "nothing to roll back to" in project.command("rollback", "staging", "--dry-run")[2]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CONFIG.replace("target: local", "target: locl"), "did you mean `local`?"),
        (CONFIG.replace("ready-timeout: 20s", "ready-timout: 20s"), "did you mean `ready-timeout`?"),
        (CONFIG.replace("ready-timeout: 20s", "port: 70000"), "65535"),
    ],
)
def test_a_mistake_in_an_environment_is_told_with_its_line(project: Project, config: str, message: str) -> None:
    (project.root / "graphship.yaml").write_text(config)

    code, _, err = project.command("plan", "staging")
    (project.root / "graphship.yaml").write_text(CONFIG)

    assert code == 2
    assert message in err
    assert "graphship.yaml:5" in err


def test_an_unknown_environment_is_told_with_the_nearest(project: Project) -> None:
    code, _, err = project.command("deploy", "stagin")

    assert code == 2
    assert "did you mean `staging`?" in err


def test_a_stopped_environment_answers_no_more_until_it_is_deployed_again(project: Project) -> None:
    assert project.command("stop", "staging")[1] == "nothing is live in staging\n"
    release = project.json("deploy", "staging")["release"]

    assert project.command("stop", "staging", "--dry-run")[1] == f"would stop release {release[:12]} in staging\n"
    assert project.ask() == {"answer": 42}
    assert project.command("stop", "staging")[1] == f"stopped release {release[:12]} in staging\n"

    assert project.json("status", "staging")[0]["release"] is None
    assert project.json("deploy", "staging")["outcome"] == "deployed"
    assert project.ask() == {"answer": 42}
