"""Ask the ONNX file about the parcels kept for the test; write ten metrics and four plots."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import yaml

params = yaml.safe_load(Path("params.yaml").read_text())["evaluate"]
with np.load("data/features.npz") as stored:
    arrays = dict(stored)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession("models/late.onnx", options, providers=["CPUExecutionProvider"])


def ask(x: np.ndarray) -> np.ndarray:
    inputs = {name: x[:, [index]] for index, name in enumerate(arrays["columns"].tolist())}
    return session.run(["probabilities"], inputs)[0][:, 1].astype(np.float64)


def auc(late: np.ndarray, p: np.ndarray) -> float:
    """Return how often a late parcel gets more than a punctual one; equals count half."""
    above = (p[late == 1][:, None] > p[late == 0][None, :]).mean()
    return float(above + 0.5 * (p[late == 1][:, None] == p[late == 0][None, :]).mean())


def measure(late: np.ndarray, p: np.ndarray) -> dict:
    called = p >= params["threshold"]
    hits = int((called & (late == 1)).sum())
    return {
        "auc": round(auc(late, p), 4),
        "brier": round(float(np.mean((p - late) ** 2)), 4),
        "precision": round(hits / max(int(called.sum()), 1), 4),
        "recall": round(hits / max(int(late.sum()), 1), 4),
        "rows": len(late),
    }


folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)


def write(name: str, header: list, rows: list, delimiter: str = ",") -> None:
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


metrics = {part: measure(arrays[f"{part}_y"], ask(arrays[f"{part}_x"])) for part in ("train", "test")}
Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")

late, p = arrays["test_y"], ask(arrays["test_x"])
curve = []
for bound in np.linspace(1, 0, params["points"]):
    called = p >= bound
    curve.append([round(float(called[late == 0].mean()), 4), round(float(called[late == 1].mean()), 4)])
write("roc.csv", ["false_positive_rate", "true_positive_rate"], curve)
words = ["punctual", "late"]
called = (p >= params["threshold"]).astype(int)
write("confusion.csv", ["actual", "predicted"], [[words[a], words[b]] for a, b in zip(late, called)])
tenths = np.array_split(np.argsort(p, kind="stable"), 10)
means = [(float(p[rows].mean()), float(late[rows].mean())) for rows in tenths]
points = [{"predicted": round(predicted, 4), "observed": round(observed, 4)} for predicted, observed in means]
(folder / "calibration.json").write_text(json.dumps(points, indent=2) + "\n")
gains = json.loads(Path("models/importance.json").read_text())
write("importance.tsv", ["column", "gain"], [[name, gain] for name, gain in gains.items()], delimiter="\t")
