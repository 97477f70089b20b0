"""Leave out what no truck takes, and split the parcels into training and test."""

import csv
import random
import sys
from pathlib import Path

import yaml

params = yaml.safe_load(Path("params.yaml").read_text())["prepare"]
with Path("data/parcels.csv").open(encoding="utf-8") as file:
    rows = [row for row in csv.DictReader(file) if float(row["weight_kg"] or 0) <= params["max-weight"]]
if params["drop-missing"]:
    rows = [row for row in rows if row["weight_kg"]]
random.Random(params["seed"]).shuffle(rows)
n_test = int(len(rows) * params["test-share"])

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, part in {"test": rows[:n_test], "train": rows[n_test:]}.items():
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(part)
    print(name, len(part), "parcels")
