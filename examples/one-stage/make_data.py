"""Make `data/rooms.csv`: the same arguments give the same file."""

import argparse
import csv
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, required=True)
parser.add_argument("--without-broken", action="store_true", help="leave out the sensor that adds five degrees")
chosen = parser.parse_args()

draw = random.Random(7)
rows = []
for number in range(chosen.rows):
    sun, wind = round(draw.uniform(0, 1), 3), round(draw.uniform(0, 1), 3)
    is_broken = number % 9 == 0
    temperature = round(17 + 6 * sun - 2.5 * wind + draw.gauss(0, 0.3) + 5 * is_broken, 2)
    if not (is_broken and chosen.without_broken):
        rows.append((f"r{number:03}", sun, wind, temperature))

Path("data").mkdir(exist_ok=True)
with Path("data/rooms.csv").open("w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("id", "sun", "wind", "temperature"))
    writer.writerows(rows)
