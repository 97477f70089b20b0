"""What stages print is shown and kept without the secrets of the environment."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_project
from tests.e2e.by_command import graphship

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e

SECRET = "s3cr-vAlu3/of+t4e=sTag3?420"
LEAKY = """\
import base64, os, sys

secret = os.environ["DEPLOY_PASSWORD"]
print("plain", secret)
print("base64", base64.b64encode(secret.encode()).decode(), file=sys.stderr)
for character in "by and by " + secret + " done\\n":
    os.write(1, character.encode())
print("wrapped", secret[:12])
print(secret[12:], "rest")
print("10 %\\r50 % " + secret + "\\r99 %")
print("x" * 3990 + secret)
sys.exit("last words: " + secret)
"""


def leaky(folder: Path) -> SampleProject:
    """Make a project whose stage tells a secret and fails; its command has one where a line of ours is cut."""
    project = make_project(folder)
    project.write("src/train.py", LEAKY)
    command = f"python3 src/train.py {'x' * 120} {SECRET}"
    project.replace("dvc.yaml", "cmd: python3 src/train.py", f"cmd: {command}")
    return project


def assert_holds_no_secret(text: str) -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()
    pieces = [whole[start : start + 5] for whole in (SECRET, encoded) for start in range(len(whole) - 4)]
    assert [piece for piece in pieces if piece in text] == []


def test_a_secret_that_a_stage_prints_is_not_shown_not_kept_and_not_in_the_json(tmp_path: Path) -> None:
    project = leaky(tmp_path)

    done = graphship(project, "run", "--json", DEPLOY_PASSWORD=SECRET)

    log = (project.root / ".graphship/logs/train.log").read_bytes().decode()
    for text in (done.stdout, done.stderr, log):
        assert_holds_no_secret(text)
    lines = ["plain ***", "base64 ***", "by and by *** done", "wrapped ***", "*** rest", "99 %"]
    assert [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")][:6] == lines
    assert json.loads(done.stdout)["failure"]["last_lines"][-1] == "last words: ***"
    assert "10 %\r50 % ***\r99 %\n" in log
    assert done.returncode == 3


def test_the_report_of_a_change_request_shows_no_secret_of_a_failed_stage(tmp_path: Path) -> None:
    project = leaky(tmp_path)
    project.commit("a stage that tells a secret")

    event = {"GRAPHSHIP_EVENT": "change-request", "GRAPHSHIP_CHANGE_REQUEST": "1"}
    done = graphship(project, "ci", DEPLOY_PASSWORD=SECRET, **event)

    files = (project.root / ".graphship/report").iterdir()
    for text in (done.stdout, done.stderr, *(file.read_text() for file in files)):
        assert_holds_no_secret(text)
    assert done.returncode == 3


def test_a_password_in_the_address_of_the_remote_is_not_shown(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    address = "https://me:hunter2-horse@localhost:1/store"
    project.write(".dvc/config", f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {address}\n")

    done = graphship(project, "run", "--dry-run", "--push")

    assert "https://***@localhost:1/store" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
