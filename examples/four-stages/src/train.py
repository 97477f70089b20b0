"""Fit boosted trees and write them as ONNX, with one input for each column."""

import json
import sys
from pathlib import Path

import numpy as np
import yaml
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline

params = yaml.safe_load(Path("params.yaml").read_text())["train"]
with np.load(sys.argv[1]) as stored:
    columns, x, y = stored["columns"].tolist(), stored["train_x"], stored["train_y"]

settings = params["model"]
trees = GradientBoostingClassifier(
    n_estimators=settings["trees"],
    max_depth=settings["depth"],
    learning_rate=settings["learning-rate"],
    subsample=settings["subsample"],
    min_samples_leaf=settings["min-leaf"],
    max_features=settings["max-features"],
    validation_fraction=params["validation"]["share"],
    n_iter_no_change=params["validation"]["patience"] or None,
    random_state=params["seed"],
)
pipeline = make_pipeline(make_column_transformer(("passthrough", list(range(len(columns))))), trees).fit(x, y)

inputs = [(name, FloatTensorType([None, 1])) for name in columns]
model = to_onnx(pipeline, initial_types=inputs, name="late", options={"zipmap": False}, target_opset=21)
model.opset_import.sort(key=lambda opset: opset.domain)  # the one list that comes in any order
file = Path(sys.argv[2])
file.parent.mkdir(exist_ok=True)
file.write_bytes(model.SerializeToString(deterministic=True))
gains = dict(zip(columns, (round(float(gain), 4) for gain in trees.feature_importances_)))
(file.parent / "importance.json").write_text(json.dumps(gains) + "\n")
print(trees.n_estimators_, "trees")
