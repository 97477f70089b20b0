"""The names of lock files: what says exactly which packages code runs on. Imports nothing of ours."""

from __future__ import annotations

from typing import Final

LOCK_FILES: Final = (
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pylock.toml",
    "Pipfile.lock",
    "conda-lock.yml",
    "requirements.lock",
    "requirements.txt",
)
"""From the most exact kind to the least: a project that has two has usually made the second from the first."""
