from __future__ import annotations

import json
import math
from types import MappingProxyType

import pytest

from ci_core.types import CommitId
from ci_core.versioning.plain import to_plain
from ci_core.versioning.revision import CodeVersion, EnvironmentVersion, Snapshot


def test_a_snapshot_becomes_json_that_every_reader_understands() -> None:
    snapshot = Snapshot(
        code=CodeVersion(commit=CommitId("a" * 40)),
        metrics=MappingProxyType({"m:nan": math.nan, "m:inf": -math.inf, "m:list": [1, {"a": None}]}),
        environment=EnvironmentVersion(python="3.11"),
        stale=("train",),
    )

    text = json.dumps(to_plain(snapshot), allow_nan=False)

    assert json.loads(text)["metrics"] == {"m:nan": "NaN", "m:inf": "-Infinity", "m:list": [1, {"a": None}]}
    assert json.loads(text)["stale"] == ["train"]


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="object is not plain data"):
        to_plain({"a": object()})
