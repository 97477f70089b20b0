from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _quick_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stages' `python3` be this one: version managers put slow wrappers on PATH."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
