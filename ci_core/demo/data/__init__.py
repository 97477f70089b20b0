"""The flights and the weather of the demo, two small Parquet files; ``README.md`` says what is in them."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
FLIGHTS = FOLDER / "flights.parquet"
"""One row per flight that was to leave New York City in 2013: 336,776 rows."""
WEATHER = FOLDER / "weather.parquet"
"""One row per airport and hour: 26,115 rows."""
