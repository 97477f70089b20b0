"""Fit a line by gradient descent; every fifth row is kept for the test."""

import csv
import json
from pathlib import Path

params = {}
for line in Path("params.yaml").read_text().splitlines():
    name, _, value = line.partition(": ")
    params[name] = value.strip("[]").split(", ") if name == "columns" else float(value)

with Path("data/rooms.csv").open() as file:
    rows = [
        ([1.0, *(float(row[name]) for name in params["columns"])], float(row["temperature"]))
        for row in csv.DictReader(file)
    ]
test, train = rows[::5], [row for number, row in enumerate(rows) if number % 5]


def predict(weights, values):
    return sum(weight * value for weight, value in zip(weights, values))


weights, losses = [0.0] * (1 + len(params["columns"])), []
steps = int(params["steps"])
for step in range(1, steps + 1):
    errors = [predict(weights, values) - target for values, target in train]
    for column in range(len(weights)):
        slope = sum(error * values[column] for error, (values, _) in zip(errors, train)) / len(train)
        weights[column] -= params["rate"] * slope
    if step % (steps // 20) == 0:
        losses.append((step, round(sum(error**2 for error in errors) / len(train), 5)))

errors = [predict(weights, values) - target for values, target in test]
metrics = {
    "mae": round(sum(map(abs, errors)) / len(errors), 4),
    "rmse": round((sum(error**2 for error in errors) / len(errors)) ** 0.5, 4),
    "rows": {"train": len(train), "test": len(test)},
}
Path("model.json").write_text(json.dumps({"columns": params["columns"], "weights": [round(w, 6) for w in weights]}))
Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
Path("losses.csv").write_text("step,loss\n" + "".join(f"{step},{loss}\n" for step, loss in losses))
