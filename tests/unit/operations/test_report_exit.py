"""What a command that made a report ends with: of several causes 2 comes first, then 3, then 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci_core.operations.report import exit_code
from ci_core.reports.report import Behaviour, Gate, Pipeline, StageFailure
from ci_core.testing.sample_edges import minimal_report

if TYPE_CHECKING:
    from collections.abc import Mapping

RED = {"gates": (Gate(key="metrics.json:auc", state="fail"),)}
WARNED = {"gates": (Gate(key="metrics.json:auc", state="warn"),)}
STAGE = {"pipeline": Pipeline(failure=StageFailure(stage="train"))}
RAISED = {"behaviour": Behaviour(source="", head_failure="the head's graph cannot be loaded", head_exit_code=3)}
SENSELESS = {"behaviour": Behaviour(source="", head_failure="the head cannot be read", head_exit_code=2)}
UNASKED = {"behaviour": Behaviour(source="", problem="the base could not be read")}


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({}, 0),
        (WARNED, 0),
        (UNASKED, 0),
        (RED, 1),
        (SENSELESS, 2),
        (RAISED, 3),
        (STAGE, 3),
        (RED | RAISED, 3),
        (RED | STAGE, 3),
        (RED | STAGE | SENSELESS, 2),
    ],
)
def test_a_report_decides_the_exit_code(parts: Mapping[str, Any], code: int) -> None:
    assert exit_code(minimal_report().model_copy(update=parts)) == code
