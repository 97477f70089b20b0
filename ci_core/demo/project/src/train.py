"""Fit boosted trees on what is known before departure, and write them as ONNX.

The ONNX file has one input for each column and holds the encoding and the filling of gaps too, so the server needs
neither scikit-learn nor a copy of this code.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from table import CATEGORICAL, NUMERIC, load

PREPARED = Path("data/prepared.npz")
MODEL = Path("models/late.onnx")


def build(params: dict) -> Pipeline:
    """Return the pipeline, not yet fitted."""
    n_categorical, n_columns = len(CATEGORICAL), len(CATEGORICAL) + len(NUMERIC)
    columns = make_column_transformer(
        # An airport that the training never saw is no airport at all: every one of its columns is 0.
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(range(n_categorical))),
        (SimpleImputer(strategy="median"), list(range(n_categorical, n_columns))),
    )
    trees = GradientBoostingClassifier(
        n_estimators=params["trees"],
        max_depth=params["depth"],
        learning_rate=params["learning-rate"],
        subsample=params["rows"],
        max_features=params["columns"],
        random_state=params["seed"],
    )
    return make_pipeline(columns, trees)


def main() -> None:
    """Write ``models/late.onnx``."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["train"]
    train = load(PREPARED, "train")
    pipeline = build(params).fit(train.as_objects(), train.late.astype(np.int64))

    inputs = [(name, StringTensorType([None, 1])) for name in CATEGORICAL]
    inputs += [(name, FloatTensorType([None, 1])) for name in NUMERIC]
    model = to_onnx(pipeline, initial_types=inputs, name="late", options={"zipmap": False}, target_opset=21)
    # The same training shall give the same bytes, and this is the one list that comes in any order.
    model.opset_import.sort(key=lambda opset: opset.domain)
    MODEL.parent.mkdir(exist_ok=True)
    MODEL.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{params['trees']} trees from {len(train.late)} flights, {MODEL.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
