"""From a parcel to the columns of the model; the same code makes the training table."""

from __future__ import annotations

import json
import math
from pathlib import Path

from ci_core.serving import RequestError, steps


class Columns:
    """Make the columns that `recipe` names."""

    def __init__(self, recipe: str) -> None:
        self.recipe = json.loads(Path(recipe).read_text(encoding="utf-8"))

    def do(self, body: dict | list[dict]) -> dict | list[dict]:
        """Return the columns of a parcel, or of each parcel of a list."""
        return [self.make(one) for one in body] if isinstance(body, list) else self.make(body)

    def make(self, parcel: dict) -> dict[str, float]:
        """Return the columns of one parcel."""
        try:
            distance, hour = float(parcel["distance_km"]), int(parcel["hour"])
            made = {
                "distance": math.log(distance) if self.recipe["log-distance"] else distance,
                "weight": float(parcel["weight_kg"] or self.recipe["unknown-weight"]),
                "time": float(hour * self.recipe["hour-bins"] // 24),
                "express": float(parcel["express"]),
            }
            if self.recipe["weekend"]:
                made["weekend"] = float(int(parcel["weekday"]) >= 5)
        except KeyError as error:
            raise RequestError(f"the parcel lacks {error}") from error
        if self.recipe["interaction"]:
            made["far_and_heavy"] = made["distance"] * made["weight"]
        return made


@steps.per_row
def reply(answer: dict) -> dict:
    """Say what the client asked for."""
    return {"late_probability": round(answer["probability"], 4)}


@steps.per_row
def advise(answer: dict) -> dict:
    """Say what to do about it."""
    return {**answer, "call_customer": answer["late_probability"] >= 0.5}
