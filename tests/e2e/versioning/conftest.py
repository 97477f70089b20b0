from __future__ import annotations

import pytest

from examples.build import NAMES, Example, build


@pytest.fixture(scope="session", params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Each example project, built once; tests clone it or leave it as it is."""
    return build(request.param, tmp_path_factory.mktemp("examples") / request.param)
