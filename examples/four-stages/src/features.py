"""Make the columns of the model as the serving graph makes them, and write down how."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, ".")
from serving.features import Columns

params = yaml.safe_load(Path("params.yaml").read_text())["features"]
recipe = Path("models/features.json")
recipe.parent.mkdir(exist_ok=True)
recipe.write_text(json.dumps(params, indent=2) + "\n")

columns, arrays = Columns(str(recipe)), {}
for part in ("train", "test"):
    with (Path(sys.argv[1]) / f"{part}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    made = [columns.make(row) for row in rows]
    arrays[f"{part}_x"] = np.array([list(one.values()) for one in made], dtype=np.float32)
    arrays[f"{part}_y"] = np.array([int(row["late"]) for row in rows])
np.savez(sys.argv[2], columns=np.array(list(made[0])), **arrays)
print(len(made[0]), "columns")
