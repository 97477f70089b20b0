"""Built-in steps, named in graphs by their class's name: ``steps.Impute(age=33)``, in YAML ``step: Impute``."""

from __future__ import annotations

from ci_core.serving.steps.impute import Impute
from ci_core.serving.steps.remote import BatchRemote, Remote
from ci_core.serving.steps.rows import per_row

BUILT_IN: dict[str, type] = {"BatchRemote": BatchRemote, "Impute": Impute, "Remote": Remote}
"""The word in a graph → the class."""

__all__ = ["BUILT_IN", "BatchRemote", "Impute", "Remote", "per_row"]
