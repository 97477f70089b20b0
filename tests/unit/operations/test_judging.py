from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from ci_core.gates.files_at import at_key
from ci_core.operations.judging import _numbers

if TYPE_CHECKING:
    from ci_core.types import JsonValue


@pytest.mark.parametrize(
    ("value", "key", "found"),
    [
        ({"cv": {"auc": [1, 2]}}, "cv.auc", [1, 2]),
        ({"cv.auc": [1]}, "cv.auc", [1]),
        ({"a": {"b.c": {"d": 1}}}, "a.b.c.d", 1),
        ({"a": {"x": 1}, "a.b": {"c": 2}}, "a.b.c", 2),
        ({"a": 1}, "a.b", None),
        ({"a": 1}, "b", None),
        ([1, 2], "a", None),
        (None, "a", None),
    ],
)
def test_a_dotted_key_finds_its_value_though_names_have_dots(value: JsonValue, key: str, found: JsonValue) -> None:
    assert at_key(value, key) == found


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ([0.8, 1], (0.8, 1.0)),
        ({"fold2": 2, "fold1": 1}, (1.0, 2.0)),
        ([], None),
        ({}, None),
        ([1, "2"], None),
        ([1, True], None),
        ([1, None], None),
        ([1, math.nan], None),
        ([1, math.inf], None),
        ([1, 10**400], None),
        (0.8, None),
        (None, None),
        ([[1, 2]], None),
    ],
)
def test_folds_are_a_list_or_a_mapping_of_finite_numbers(value: JsonValue, numbers: tuple[float, ...] | None) -> None:
    assert _numbers(value) == numbers
