"""Ask the ONNX file, as the server will, about the days kept for validation.

``metrics.json``:

- ``log_loss``: mean negative log likelihood, lower is better; depends on how many flights were late at all;
- ``auc``: chance that a late flight gets a higher probability than a punctual one;
- ``brier_skill``: share by which the mean squared error is smaller than that of always answering the average
  (Brier, 1950); 0 is worthless, 1 perfect, and it can be compared between seasons.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import onnxruntime
from table import load

PREPARED = Path("data/prepared.npz")
MODEL = Path("models/late.onnx")
METRICS = Path("metrics.json")
PLOTS = Path("plots")


def predict(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Return the probability of a late arrival, shape (n_flights,)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], inputs)[0][:, 1].astype(np.float64)


def roc(late: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates for every distinct threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-probability, kind="stable")
    is_last_of_equals = np.append(np.diff(probability[order]) != 0, [True])
    hits = np.cumsum(late[order])[is_last_of_equals]
    calls = (np.flatnonzero(is_last_of_equals) + 1) - hits
    return np.insert(calls / calls[-1], 0, 0.0), np.insert(hits / hits[-1], 0, 0.0)


def measure(late: np.ndarray, probability: np.ndarray) -> dict[str, float | int]:
    """Return the metrics, rounded to what the size of the sample supports."""
    clipped = np.clip(probability, 1e-7, 1 - 1e-7)
    log_loss = -np.mean(np.where(late == 1, np.log(clipped), np.log1p(-clipped)))
    return {
        "log_loss": round(float(log_loss), 4),
        "auc": round(float(np.trapezoid(*reversed(roc(late, probability)))), 4),
        "brier_skill": round(float(1 - np.mean((probability - late) ** 2) / np.var(late)), 4),
        "flights": len(late),
    }


def write(name: str, header: tuple[str, str], rows: np.ndarray) -> None:
    """Write two columns of numbers as ``plots/<name>.csv``."""
    PLOTS.mkdir(exist_ok=True)
    with (PLOTS / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{x:.4g}", f"{y:.4g}"] for x, y in rows)


def main() -> None:
    """Write the metrics and three plots."""
    validation = load(PREPARED, "validation")
    late, probability = validation.late, predict(MODEL, validation.as_inputs())

    METRICS.write_text(json.dumps(measure(late, probability), indent=2) + "\n", encoding="utf-8")

    curve = np.stack(roc(late, probability), axis=1)
    write("roc", ("false_positive_rate", "true_positive_rate"), curve[np.linspace(0, len(curve) - 1, 60).astype(int)])
    tenths = np.array_split(np.argsort(probability, kind="stable"), 10)
    write("calibration", ("predicted", "observed"), [(probability[rows].mean(), late[rows].mean()) for rows in tenths])
    counts, edges = np.histogram(probability, bins=20, range=(0, 1))
    write("scores", ("probability", "flights"), np.stack([edges[:-1] + 0.025, counts], axis=1))
    print(METRICS.read_text(encoding="utf-8").strip())


if __name__ == "__main__":
    main()
