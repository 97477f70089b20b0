from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.testing.projects import SampleProject


@pytest.fixture
def sample(tmp_path: Path) -> SampleProject:
    """A DVC project of the test's own."""
    return make_project(tmp_path)
