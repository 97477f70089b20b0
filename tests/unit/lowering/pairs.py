"""An estimator as it was saved, and its lower form, side by side."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import skops.io

from ci_core.lowering.estimator import lower_estimator
from ci_core.serving.models import model_from_file
from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci_core.lowering.estimator import LoweredFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both forms of one model."""

    original: Any
    lowered: Any
    files: LoweredFiles


def save(estimator: Any, file: Path) -> list[str]:
    """Write a skops file, and return what a route must vouch for."""
    skops.io.dump(estimator, file)
    return list(skops.io.get_untrusted_types(file=file))


def pair(folder: Path, estimator: Any, columns: Sequence[str]) -> Pair:
    """Save a fitted estimator, lower it, and load both."""
    trust = save(estimator, folder / "model.skops")
    original: Any = model_from_file("model.skops", root=folder, columns=columns, trust=trust)
    original.load()
    kinds = [column.kind for column in original.columns]
    files = lower_estimator(original.estimator, kinds=kinds, source="model")
    for path, content in files.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    lowered: Any = model_from_file(files.main, root=folder, columns=columns)
    lowered.load()
    return Pair(original=original, lowered=lowered, files=files)


def assert_alike(both: Pair, rows: list[dict[str, Any]], *, tolerance: float = 1e-6) -> bool:
    """Make sure that both forms answer and capture alike, or both refuse; return whether they answered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = both.original.call(rows)
        except RequestError:
            expected = None
    try:
        found = both.lowered.call(rows)
    except RequestError:
        found = None
    assert (expected is None) == (found is None), (expected, found)
    if expected is None or found is None:
        return False
    assert [type(one["prediction"]) for one in found.answers] == [type(one["prediction"]) for one in expected.answers]
    for one, other in zip(found.answers, expected.answers, strict=True):
        assert one.keys() == other.keys()
        for key, value in other.items():
            close = isinstance(value, float) and abs(one[key] - value) <= tolerance * max(1.0, abs(value))
            assert one[key] == value or close, (one, other)
    assert list(found.columns) == list(expected.columns)
    for name, values in expected.columns.items():
        np.testing.assert_array_equal(np.asarray(found.columns[name]), np.asarray(values))
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=tolerance, atol=tolerance)
    return True
