from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci_core.deploy.local.options import LocalOptions
from ci_core.deploy.local.target import LocalTarget
from ci_core.testing.local_releases import LocalReleases
from ci_core.testing.target_contract import STAGING, TargetContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.deploy.base import DeployTarget

_STAND_IN = Path(__file__).parents[2] / "stand_in_server.py"


@pytest.mark.e2e
class TestLocalTarget(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[DeployTarget]:
        target = LocalTarget(
            tmp_path / "state of déployments",
            LocalOptions(ready_timeout_s=2),
            env={key: value for key, value in os.environ.items() if key != "CI"},
            clock=lambda: datetime.now(UTC),
            server_command=(sys.executable, str(_STAND_IN)),
        )
        yield target
        target.destroy(STAGING)

    @pytest.fixture
    def releases(self, tmp_path: Path) -> LocalReleases:
        return LocalReleases(tmp_path)
