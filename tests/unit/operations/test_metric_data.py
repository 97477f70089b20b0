"""Metrics as rows of a report, whatever a file of metrics holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.masking import Masker
from ci_core.operations.metric_data import LONGEST_TEXT, MOST_TEXTS, metric_rows
from ci_core.types import CommitId
from ci_core.versioning.difference import MetricDiff, SnapshotDiff
from ci_core.versioning.revision import CodeVersion

if TYPE_CHECKING:
    from ci_core.operations.metric_data import MetricRows
    from ci_core.types import JsonValue
    from ci_core.versioning.difference import Change

HEAD = CodeVersion(commit=CommitId("a" * 40))


SECRET = "s3cr-vAlu3/of+t4e=sTag3?420"
TOKEN = "ghp_" + "a1B2" * 9


def rows_of(*metrics: tuple[str, JsonValue, JsonValue, Change]) -> MetricRows:
    diffs = (MetricDiff(key=key, old=old, new=new, change=change) for key, old, new, change in metrics)
    return metric_rows(SnapshotDiff(base=HEAD, head=HEAD, metrics=tuple(diffs)), Masker([SECRET]))


def test_every_number_is_a_row_and_texts_are_only_when_they_moved() -> None:
    found = rows_of(
        ("m:number", 1, 1, "same"),
        ("m:flag", True, True, "same"),
        ("m:null", None, None, "same"),
        ("m:text", "rf", "rf", "same"),
        ("m:list", [1, 2], [1, 2], "same"),
        ("m:moved", "rf", "gbm", "changed"),
        ("m:new", None, {"a": 1}, "added"),
        ("m:mixed", 0.5, "auto", "changed"),
    )

    assert [(row.key, row.old, row.new) for row in found.rows] == [
        ("m:number", 1, 1),
        ("m:flag", True, True),
        ("m:null", None, None),
        ("m:moved", "rf", "gbm"),
        ("m:new", None, '{"a": 1}'),
        ("m:mixed", 0.5, "auto"),
    ]
    assert (found.unchanged_texts, found.more_texts) == (2, 0)


def test_a_list_of_numbers_such_as_folds_is_told_by_its_mean() -> None:
    before: JsonValue = [0.5, 0.25, 0.75]
    found = rows_of(
        ("cv:moved", before, [0.7, 0.7, 0.7000000000000001, 0.7], "changed"),
        ("cv:alone", None, [1, 10**400], "added"),
        ("cv:mixed", before, [0.5, "x"], "changed"),
        ("cv:empty", before, [], "changed"),
    )

    assert [(row.old, row.new, row.note) for row in found.rows] == [
        ("mean 0.5000 of 3 values", "mean 0.7000 of 4 values", ""),
        (None, "mean ∞ of 2 values", ""),
        ("mean 0.5000 of 3 values", '[0.5, "x"]', ""),
        ("mean 0.5000 of 3 values", "[]", ""),
    ]


def test_texts_that_moved_are_counted_beyond_the_first() -> None:
    texts: list[tuple[str, JsonValue, JsonValue, Change]] = [
        (f"m:{index}", "a", "b", "changed") for index in range(MOST_TEXTS + 3)
    ]

    found = rows_of(*texts, ("m:number", 1, 2, "changed"))

    assert (len(found.rows), found.more_texts) == (MOST_TEXTS + 1, 3)
    assert found.rows[-1].key == "m:number"


def test_a_long_text_is_shortened_and_a_difference_inside_of_it_is_told() -> None:
    (row,) = rows_of(("m:log", "x" * 5000, "x" * 2500 + "y" + "x" * 2499, "changed")).rows

    assert row.old == row.new
    assert len(str(row.new)) == LONGEST_TEXT
    assert row.note == "differs where it is shortened here"


@pytest.mark.parametrize("secret", [SECRET, TOKEN])
@pytest.mark.parametrize("at", range(300, 345, 4))
def test_a_secret_is_masked_before_a_text_is_shortened_in_it(secret: str, at: int) -> None:
    text = "x" * at + secret + " " * (900 - at)

    (row,) = rows_of(("m:text", "none", text, "changed")).rows

    assert row.new == ("x" * at + "***" + " " * 300)[:333] + "…" + " " * 166
