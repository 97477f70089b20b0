"""Built-in steps, named in graphs by their class's name: ``steps.Impute(age=33)``, in YAML ``step: Impute``."""

from __future__ import annotations

from ci_core.serving.call_check import checks_construction
from ci_core.serving.steps.drop import Drop
from ci_core.serving.steps.extract_date import ExtractDate
from ci_core.serving.steps.impute import Impute
from ci_core.serving.steps.map_values import MapValues
from ci_core.serving.steps.one_hot import OneHotEncode
from ci_core.serving.steps.remote import BatchRemote, Remote
from ci_core.serving.steps.rows import per_row
from ci_core.serving.steps.set_event import SetEvent
from ci_core.serving.steps.validate import Validate

BUILT_IN: dict[str, type] = {
    step.__name__: checks_construction(step)
    for step in (BatchRemote, Drop, ExtractDate, Impute, MapValues, OneHotEncode, Remote, SetEvent, Validate)
}
"""The word in a graph → the class."""

__all__ = [
    "BUILT_IN",
    "BatchRemote",
    "Drop",
    "ExtractDate",
    "Impute",
    "MapValues",
    "OneHotEncode",
    "Remote",
    "SetEvent",
    "Validate",
    "per_row",
]
