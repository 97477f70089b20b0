"""A call that never ends does not keep its process from ending."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

PROGRAM = """
import threading
from ci_core.serving import Graph

graph = Graph("g")
graph.to(lambda body: threading.Event().wait(), "stuck", timeout=0.05)
try:
    graph.test({})
except Exception as error:
    print(type(error).__name__)
"""


def test_a_process_ends_though_a_step_is_stuck() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)

    assert (ended.stdout, ended.stderr, ended.returncode) == ("StepTimeoutError\n", "", 0)
