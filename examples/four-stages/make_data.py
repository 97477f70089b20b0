"""Make `data/parcels.csv` and `serving/requests.jsonl`: the same arguments give the same files."""

import argparse
import csv
import json
import math
import random
from pathlib import Path

COLUMNS = ("id", "distance_km", "weight_kg", "hour", "weekday", "express", "late")

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, required=True)
parser.add_argument("--strike", action="store_true", help="add a week in which far parcels are late")
chosen = parser.parse_args()


def parcel(number: int) -> dict:
    """Return one parcel; every number has its own, however many there are."""
    draw = random.Random(number)
    one = {
        "id": f"p{number:05}",
        "distance_km": round(draw.lognormvariate(4.5, 0.9), 1),
        "weight_kg": round(draw.lognormvariate(0.9, 0.8), 2) if draw.random() > 0.03 else None,
        "hour": draw.randrange(6, 22),
        "weekday": draw.randrange(7),
        "express": draw.randrange(2),
    }
    is_struck = chosen.strike and number >= 1500
    score = 0.9 * math.log(one["distance_km"]) + 0.25 * (one["weight_kg"] or 2.5) + 0.12 * max(one["hour"] - 14, 0)
    score += 0.8 * (one["weekday"] >= 5) - 1.5 * one["express"] + 1.5 * is_struck - 5.4
    return {**one, "late": int(draw.random() < 1 / (1 + math.exp(-score)))}


Path("data").mkdir(exist_ok=True)
with Path("data/parcels.csv").open("w", newline="", encoding="utf-8") as file:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(parcel(number) for number in range(chosen.rows))

with Path("serving/requests.jsonl").open("w", encoding="utf-8") as file:
    for number in range(90_000, 90_060):
        body = {name: value for name, value in parcel(number).items() if name != "late"}
        file.write(json.dumps({"body": body}) + "\n")
