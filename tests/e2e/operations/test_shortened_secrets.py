"""What is too long for a report is shortened without a piece of a secret: the repository may hold one."""

from __future__ import annotations

import json

import pytest

from ci_core.types import CommitId
from tests.e2e.by_command import graphship
from tests.e2e.operations.behaviour_project import CONFIG, BehaviourProject, make, requests

pytestmark = pytest.mark.e2e

SECRET = "s3cr-vAlu3/of+t4e=sTag3?420"
TOKEN = "ghp_" + "a1B2" * 9
ANSWER = """\
here = "%s"
return {
    "note": [here + "x" * at + secret + " " + "y" * 900 for at in range(180, 200) for secret in (SECRET, TOKEN)],
    "label": here + "x" * 20 + SECRET,
    "token": here + "x" * 20 + TOKEN + " " + "y" * 20,
    "large": here + "x" * 380 + SECRET + " " + "y" * 300_000 * (body["x"] == 1),
}"""


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> BehaviourProject:
    """Make a project whose requests, answers, metrics and params are long and hold secrets where they are cut."""
    config = CONFIG + "gates: {metrics.json:mae: {max: 0}}\n"
    asked = requests(*({"x": x, "note": "x" * 190 + SECRET + "y" * 3_000} for x in range(3)))
    project = make(tmp_path_factory.mktemp("leaky"), {"graphship.yaml": config, "serving/requests.jsonl": asked})
    above = f"SECRET, TOKEN = {SECRET!r}, {TOKEN!r}"
    project.steps(ANSWER % "base", above=above)
    project.sample.commit("answer at length")
    base = CommitId(project.sample.head())
    project.steps(ANSWER % "head", above=above)
    project.sample.replace("params.yaml", "rate: 0.001", f"rate: {'x' * 25}{SECRET}")
    project.sample.write("metrics.json", json.dumps({"mae": 1.5, "told": "x" * 320 + SECRET + "y" * 600 + TOKEN}))
    return BehaviourProject(sample=project.sample, base=base)


def printed(project: BehaviourProject, *arguments: str) -> str:
    done = graphship(project.sample, *arguments, DEPLOY_PASSWORD=SECRET)
    return done.stdout + done.stderr


def pieces_in(text: str) -> list[str]:
    return [
        one[start : start + 5]
        for one in (SECRET, TOKEN)
        for start in range(len(one) - 4)
        if one[start : start + 5] in text
    ]


@pytest.mark.parametrize("options", [["--json"], []])
def test_diff_prints_no_piece_of_a_secret(leaky: BehaviourProject, options: list[str]) -> None:
    text = printed(leaky, "diff", leaky.base, *options)

    assert pieces_in(text) == []
    assert "***" in text


def test_no_file_of_a_report_holds_a_piece_of_a_secret(leaky: BehaviourProject) -> None:
    text = printed(leaky, "report", leaky.base)

    files = {file.name: file.read_text() for file in (leaky.root / ".graphship/report").iterdir()}
    assert {name: pieces_in(text) for name, text in files.items()} == {name: [] for name in files}
    assert pieces_in(text) == []
    report = json.loads(files["report.json"])
    assert "changed from `0.001` to `xxxxxxxxxxxxxxxxxxxxxxxxx***` here" in report["annotations"][0]["text"]
    assert report["behaviour"]["changed"] == 3
