"""Make `data/sales.csv`: the same arguments give the same file."""

import argparse
import csv
import math
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--days", type=int, required=True)
parser.add_argument("--regions", nargs="+", default=["north", "south"])
chosen = parser.parse_args()

Path("data").mkdir(exist_ok=True)
with Path("data/sales.csv").open("w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("day", "region", "sales"))
    for region in chosen.regions:
        draw = random.Random(region)
        level = draw.uniform(80, 160)
        for day in range(chosen.days):
            sales = level + 25 * math.sin(day * math.tau / 7) + 0.2 * day + draw.gauss(0, 8)
            writer.writerow((day, region, 999 if draw.random() < 0.01 else round(sales)))
