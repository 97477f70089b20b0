"""What `graphship diff --json` says: everything that differs, and no long value whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ci_core.masking import MASK, Masker
from ci_core.operations.comparison import Comparison
from ci_core.operations.comparison_json import comparison_json
from ci_core.types import CommitId
from ci_core.versioning.difference import MetricDiff, ParamDiff, SnapshotDiff
from ci_core.versioning.revision import CodeVersion, EnvironmentVersion, Snapshot

if TYPE_CHECKING:
    from ci_core.types import JsonValue

HEAD = CodeVersion(commit=CommitId("a" * 40))


def said(masker: Masker | None = None, **parts: Any) -> Any:
    head = Snapshot(code=HEAD, environment=EnvironmentVersion(python="3.11"))
    diff = SnapshotDiff(base=None, head=HEAD, **parts)
    return comparison_json(Comparison(base=None, head=head, commit=None, diff=diff), masker or Masker())


def metric(old: JsonValue, new: JsonValue) -> MetricDiff:
    return MetricDiff(key="metrics.json:summary", old=old, new=new, change="changed")


def test_a_long_text_is_its_beginning_and_its_end_and_says_how_long_it_is() -> None:
    (found,) = said(metrics=(metric("short", "b" + "x" * 41_521 + "e"),))["metrics"]

    assert found["old"] == "short"
    assert (found["new"][0], found["new"][-1], len(found["new"]), found["new"].count("…")) == ("b", "e", 500, 1)
    assert found["shortened"] == {"new": 41_523}


def test_what_is_short_stays_as_it_is_and_says_nothing_of_length() -> None:
    folds = [0.5] * 100

    (found,) = said(metrics=(metric(folds, "x" * 500),))["metrics"]

    assert (found["old"], found["new"]) == (folds, "x" * 500)
    assert "shortened" not in found


def test_a_long_param_is_shortened_too() -> None:
    words = [f"word {index}" for index in range(1_000)]

    (found,) = said(params=(ParamDiff(key="params.yaml:words", old=words, new=words[:2], change="changed"),))["params"]

    assert found["old"] == [*words[:20], "… 980 more"]
    assert found["new"] == words[:2]
    assert found["shortened"] == {"old": len(json.dumps(words))}


def test_a_secret_is_masked_before_it_could_be_cut_in_two() -> None:
    secret = "correct-horse-battery-staple"
    text = "x" * 320 + secret + "x" * 1_000  # the first 333 characters are kept

    (found,) = said(Masker([secret]), metrics=(metric("", text),))["metrics"]

    assert "correct" not in found["new"]
    assert MASK in found["new"]
    assert found["shortened"] == {"new": 320 + 3 + 1_000}
