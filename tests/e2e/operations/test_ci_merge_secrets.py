"""What a server says before it ends is told on the host without the secrets that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.operations.conftest import STAGING

if TYPE_CHECKING:
    from tests.e2e.operations.conftest import CiProject

pytestmark = pytest.mark.e2e

SECRET = "s3cr-vAlu3/of+t4e=sTag3?420"
ENDS_EARLY = """\
import os
import sys

if "ci_core.serving" in sys.orig_argv:
    raise RuntimeError("cannot log in with " + os.environ["DATABASE_PASSWORD"])
"""


def test_the_last_words_of_a_server_are_told_without_its_secrets(ci_project: CiProject) -> None:
    steps = ENDS_EARLY + (ci_project.sample.root / "serving/steps.py").read_text()
    request = ci_project.propose("broken", lambda sample: sample.write("serving/steps.py", steps))
    ci_project.merge(request.number)

    run = ci_project.ci("push", env={"DATABASE_PASSWORD": SECRET})

    assert run.errors == ["deployment-failed"]
    assert "RuntimeError: cannot log in with ***" in run.log
    (note,) = [body for body in ci_project.comments(request.number) if "Not deployed" in body]
    assert "RuntimeError: cannot log in with" in note
    told = [path.read_bytes() for path in ci_project.host.folder.rglob("*") if path.is_file()]
    ledger = str(ci_project.ledger_lines(f"deployments/sample/{STAGING}.jsonl"))
    assert not any(SECRET.encode() in text for text in told)
    assert SECRET not in run.log + run.printed + ledger
