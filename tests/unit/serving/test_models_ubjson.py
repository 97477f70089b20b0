"""A model of XGBoost that is cut off anywhere is seen to be, before the library reads past its end."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import xgboost

from ci_core.serving.models.ubjson import is_ubjson, is_whole


def saved(suffix: str, objective: str) -> bytes:
    rng = np.random.default_rng(5)
    table = rng.normal(size=(60, 3))
    target = np.arange(60) % 3 if objective.startswith("multi") else table[:, 0] > 0
    data = xgboost.DMatrix(table, target, feature_names=["a", "ü", "c"])
    classes = {"num_class": 3} if objective.startswith("multi") else {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"m.{suffix}"
        xgboost.train({"objective": objective, "nthread": 1, **classes}, data, num_boost_round=3).save_model(file)
        return file.read_bytes()


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob", "reg:squarederror"])
def test_a_file_of_the_library_is_whole_and_no_beginning_of_it_is(objective: str) -> None:
    data = saved("ubj", objective)

    assert is_ubjson(data)
    assert is_whole(data)
    assert not any(is_whole(data[:n]) for n in range(len(data)))
    assert not is_whole(data + b" ")


def test_a_file_in_json_is_another_format() -> None:
    assert not is_ubjson(saved("json", "binary:logistic"))
    assert not is_ubjson(b"{")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", True),
        (b"{U\x01aU\x05}", True),
        (b"{U\x01aSU\x02hi}", True),
        (b"{U\x01a[U\x01TF{}]}", True),
        (b"{U\x01a[#U\x02T{}}", True),
        (b"{U\x01a[#U\x00}", True),
        (b"{U\x01a[#U\x02T}", False),
        (b"{U\x01a[$d#U\x02" + bytes(8) + b"}", True),
        (b"{U\x01a[$d#U\x02" + bytes(7) + b"}", False),
        (b"{U\x01a[$d#i\xff}", False),  # of minus one numbers
        (b"{U\x01a[$q#U\x01a}", False),
        (b"{U\x01a?}", False),
        (b"{U\x01aL\x00\x00}", False),
        (b"{" * 100_000, False),
    ],
)
def test_the_format_by_hand(data: bytes, expected: bool) -> None:
    assert is_whole(data) is expected
