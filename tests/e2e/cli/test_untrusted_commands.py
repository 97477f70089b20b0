"""What a job that works for a fork may not do, whichever command it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.cli import cli
from ci_core.cli._render import run
from ci_core.testing.projects import make_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_retraining_is_refused_before_anything_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path)
    env = {"GRAPHSHIP_TRUSTED": "false", "GRAPHSHIP_BRANCH": "main", "GRAPHSHIP_STATE_DIR": str(tmp_path / "state")}

    code = run(cli, ["retrain", "staging", "--project", str(project.root)], env)

    assert code == 2
    assert "error[untrusted-event]" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
