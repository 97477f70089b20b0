"""Two commits of one project never see each other's modules, and neither sees a secret of ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ci_core.types import CommitId
from tests.e2e.operations.behaviour_project import GRAPH, BehaviourProject, make

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

SECRETS = {
    "GITHUB_TOKEN": "ghp_secret",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "MY_PASSWORD": "hunter2",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "http.extraheader",
    "GIT_CONFIG_VALUE_0": "Authorization: Basic secret",
}


def test_the_graphs_get_no_secret_of_the_environment_and_an_empty_home_folder(tmp_path: Path) -> None:
    project = make(tmp_path, count=1)
    answer = """return {
    "names": sorted(os.environ),
    "values": sorted(os.environ.values()),
    "home": os.listdir(Path.home()),
    "arguments": sys.argv + sys.orig_argv,
}"""
    project.steps(answer, above="import os, sys")
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/credentials").write_text("aws-secret")

    found = project.compare(env={**os.environ, **SECRETS, "HOME": str(home)})

    text = str(found)
    assert "'PATH'" in text
    for name, value in SECRETS.items():
        assert name not in text
        assert len(value) < 2 or value not in text
    assert isinstance(found.largest[0].new, dict)
    assert found.largest[0].new["home"] == []


def test_modules_of_the_same_name_are_those_of_their_own_commit(tmp_path: Path) -> None:
    answer = 'return {"y": helpers.VALUE + serving.parts.VALUE}'
    above = "import helpers\nimport serving.parts"
    files = {"helpers.py": "VALUE = 1\n", "serving/parts.py": "VALUE = 10\n"}
    project = make(tmp_path, files, count=1)
    project.steps(answer, above=above)
    base = CommitId(project.sample.commit())
    project.sample.write("helpers.py", "VALUE = 2\n")
    project.sample.write("serving/parts.py", "VALUE = 20\n")

    found = BehaviourProject(sample=project.sample, base=base).compare()

    assert [(one.old, one.new) for one in found.largest] == [({"y": 11}, {"y": 22})]
    assert found.problem is None


def test_a_search_path_into_the_work_tree_leads_each_commit_to_its_own_files(tmp_path: Path) -> None:
    project = make(tmp_path, {"src/churn/__init__.py": "VALUE = 1\n"}, count=1)
    project.steps('return {"y": churn.VALUE}', above="import churn")
    base = CommitId(project.sample.commit())
    project.sample.write("src/churn/__init__.py", "VALUE = 2\n")

    found = BehaviourProject(sample=project.sample, base=base).compare(
        env={**os.environ, "PYTHONPATH": str(project.root / "src")}
    )

    assert [(one.old, one.new) for one in found.largest] == [({"y": 1}, {"y": 2})]
    assert found.problem is None


def test_a_base_that_imports_from_the_work_tree_all_the_same_is_told(tmp_path: Path) -> None:
    project = make(tmp_path, {"src/churn.py": "VALUE = 1\n"}, count=1)
    finder = f"import sys\nsys.path.append({str(project.root / 'src')!r})\nimport churn"
    project.steps('return {"y": churn.VALUE}', above=finder)
    base = CommitId(project.sample.commit())
    project.sample.write("src/churn.py", "VALUE = 2\n")

    found = BehaviourProject(sample=project.sample, base=base).compare()

    assert found.problem == (
        "the base's graph imports `churn` from the work tree, not from its own commit: "
        "is a package installed from there?"
    )


def test_a_module_of_the_project_that_is_named_as_one_of_the_standard_library_disturbs_nothing(tmp_path: Path) -> None:
    project = make(tmp_path, {"json.py": "1 / 0\n", "queue.py": "1 / 0\n"}, count=1)
    project.sample.write("serving/graph.py", GRAPH + "# changed\n")

    found = project.compare()

    assert (found.requests, found.changed, found.problem) == (1, 0, None)
