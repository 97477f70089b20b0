"""``graphship ci`` on a change request that loosens the gate it would fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ci_core.testing.projects import SampleProject
    from tests.e2e.operations.conftest import CiProject

pytestmark = pytest.mark.e2e

TOKEN = "ghp_" + "a1B2" * 9


def _loosen(sample: SampleProject) -> None:
    sample.replace("graphship.yaml", "max: 50.0, max-regression: 5.0", "max: 500.0")
    sample.replace("params.yaml", "steps: 3", "steps: 1")  # a mean error of about 14 instead of 6
    sample.write("deploy.sh", f"curl -H 'Authorization: token {TOKEN}'\n")


def test_a_change_request_that_loosens_its_gate_is_judged_by_the_bases_and_leaks_nothing(ci_project: CiProject) -> None:
    request = ci_project.propose("loosen", _loosen)

    run = ci_project.report(request)

    assert run.exit_code == 1, run.log
    (comment,) = ci_project.comments(request.number)
    assert "judged by those of base" in comment
    assert "max of `metrics.json:mae` 50 → 500" in comment
    assert "max-regression 5 of `metrics.json:mae` is gone" in comment
    states = {gate["key"]: gate["state"] for gate in run.report["gates"]}
    assert states == {"metrics.json:mae": "fail", "secrets": "warn"}
    places = {(one["where"]["file"], one["where"]["line"]) for one in run.report["annotations"]}
    assert {("params.yaml", 4), ("graphship.yaml", 5), ("deploy.sh", 1)} <= places
    folder = run.root / ".graphship" / "report"
    for text in (comment, run.log, *(path.read_text(encoding="utf-8") for path in folder.iterdir())):
        assert TOKEN not in text
