"""The steps of the serving graph, each for one flight; a list of flights is answered flight by flight."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from ci_core.serving import RequestError, steps

CODES = ("carrier", "origin", "dest")
NUMBERS = ("distance", "sched_hour", "weekday")


@steps.per_row
def clean(flight: dict) -> dict:
    """Bring a request into the form of the training data: codes in upper case, numbers as floats, time in UTC."""
    try:
        codes = {name: flight[name].strip().upper() for name in CODES}
        numbers = {name: float(flight[name]) for name in NUMBERS}
        moment = datetime.fromisoformat(flight["time_hour"])
    except KeyError as error:
        raise RequestError(f"the flight lacks {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise RequestError(f"the flight cannot be read: {error}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return {**flight, **codes, **numbers, "time_hour": moment.astimezone(UTC)}


class Weather:
    """Add the weather at the airport of departure in the hour of departure.

    What no station reported is NaN; the model has learnt what to do then.
    """

    def __init__(self, table: str) -> None:
        with np.load(table) as stored:
            self.columns = stored["columns"].tolist()
            self.origins = {origin: index for index, origin in enumerate(stored["origins"].tolist())}
            self.first_hour = int(stored["first_hour"])
            self.values = stored["values"]
        self.unknown = dict.fromkeys(self.columns, float("nan"))

    def do(self, body: dict | list[dict]) -> dict | list[dict]:
        """Return the flight, or each flight of a list, with its weather."""
        if isinstance(body, list):
            return [{**flight, **self.at(flight["origin"], flight["time_hour"])} for flight in body]
        return {**body, **self.at(body["origin"], body["time_hour"])}

    def at(self, origin: str, moment: datetime) -> dict[str, float]:
        """Return the weather at an airport in an hour."""
        airport = self.origins.get(origin)
        hour = int(moment.timestamp()) // 3600 - self.first_hour
        if airport is None or not 0 <= hour < self.values.shape[1]:
            return self.unknown
        return dict(zip(self.columns, self.values[airport, hour].tolist(), strict=True))


@steps.per_row
def reply(prediction: dict) -> dict:
    """Say what the client asked for: how likely the flight arrives more than 15 minutes late."""
    return {"late_probability": round(prediction["probability"], 4)}
