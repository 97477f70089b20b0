"""Fit a level that forgets, and the mean of each weekday around it."""

import csv
import json
import sys
from pathlib import Path

alpha = float(Path("params.yaml").read_text().partition(":")[2])
with Path(f"clean/out/{sys.argv[1]}.csv").open(encoding="utf-8") as file:
    sales = [(int(row["day"]), int(row["sales"])) for row in csv.DictReader(file)]
train = sales[: -len(sales) // 4]
level, around = float(train[0][1]), {weekday: [0.0] for weekday in range(7)}
for day, sold in train:
    around[day % 7].append(sold - level)
    level += alpha * (sold - level)
out = Path("model/out")
out.mkdir(exist_ok=True)
weekdays = {weekday: round(sum(values) / len(values), 3) for weekday, values in around.items()}
(out / f"{sys.argv[1]}.json").write_text(json.dumps({"alpha": alpha, "level": round(level, 3), "weekdays": weekdays}))
