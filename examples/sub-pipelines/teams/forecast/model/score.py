"""Forecast so many days ahead, over the last quarter of the days."""

import csv
import json
import sys
from pathlib import Path

region, horizon = sys.argv[1], int(sys.argv[2])
with Path(f"clean/out/{region}.csv").open(encoding="utf-8") as file:
    sales = [(int(row["day"]), int(row["sales"])) for row in csv.DictReader(file)]
model = json.loads(Path(f"model/out/{region}.json").read_text())
level, errors = model["level"], []
test = sales[-(len(sales) // 4) :]
for (_day, sold), (later, later_sold) in zip(test, test[horizon:]):
    level += model["alpha"] * (sold - level)
    errors.append(abs(level + model["weekdays"][str(later % 7)] - later_sold))
mae = round(sum(errors) / len(errors), 3)
out = Path("model/scores")
out.mkdir(exist_ok=True)
test = f'[test]\ndays = {len(errors)}\nregion = "{region}"\n'
(out / f"{region}-{horizon}.toml").write_text(f"mae = {mae}\n{test}")
