"""Leave out what cannot be, and write one file a region."""

import csv
import sys
from pathlib import Path

with Path("data/sales.csv").open(encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
kept = [row for row in rows if int(row["sales"]) <= int(sys.argv[1])]
out = Path("clean/out")
out.mkdir(exist_ok=True)
for region in sorted({row["region"] for row in kept}):
    lines = [f"{row['day']},{row['sales']}\n" for row in kept if row["region"] == region]
    (out / f"{region}.csv").write_text("day,sales\n" + "".join(lines))
Path("clean/counts.yaml").write_text(f"rows:\n  kept: {len(kept)}\n  dropped: {len(rows) - len(kept)}\n")
