"""A configuration that is written to a folder, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.cli._render import render_error
from ci_core.config.reader import read_settings
from ci_core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def make(root: Path, text: str, *files: str) -> Path:
    """Write `text` as the configuration in `root`, beside empty `files`."""
    for file in ("graphship.yaml", *files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text if file == "graphship.yaml" else "")
    return root


def message(root: Path, env: dict[str, str] | None = None) -> str:
    """Return what a user reads when the configuration in `root` is refused."""
    with pytest.raises(ConfigError) as caught:
        read_settings(root, env or {})
    return render_error(caught.value)
