"""Split the flights by whole days into training and validation.

Whole days, because the flights of one day share its weather and its delays: a split by rows would ask the model about
days it has seen. Every n-th day rather than the last ones, so that each season in the table is both learnt and judged,
also after a retraining has added a new one.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import yaml
from table import CATEGORICAL, NUMERIC, TARGET, Flights, save

SOURCE = Path("data/train.parquet")
OUTPUT = Path("data/prepared.npz")


def read(path: Path) -> tuple[Flights, np.ndarray]:
    """Read all flights and the number of the day, 0 for the first, of each."""
    # Sorted, so that the order in which rows were added to the file does not change the model.
    columns = duckdb.execute(
        "SELECT *, dense_rank() OVER (ORDER BY time_hour::DATE) - 1 AS day FROM read_parquet(?)"
        " ORDER BY time_hour, event_id",
        [str(path)],
    ).fetchnumpy()
    flights = Flights(
        categorical=np.stack([np.asarray(columns[name], dtype=np.str_) for name in CATEGORICAL], axis=1),
        numeric=np.stack([np.ma.filled(np.ma.asarray(columns[name], np.float32), np.nan) for name in NUMERIC], axis=1),
        late=np.asarray(columns[TARGET], dtype=np.int8),
    )
    return flights, np.asarray(columns["day"])


def main() -> None:
    """Write ``data/prepared.npz`` with the sets ``train`` and ``validation``."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["prepare"]
    flights, day = read(SOURCE)
    every = params["validation-every"]
    is_kept = day % every == every - 1
    train, validation = (Flights(*(array[rows] for array in vars(flights).values())) for rows in (~is_kept, is_kept))
    save(OUTPUT, train=train, validation=validation)
    print(f"{len(train.late)} flights to train on, {len(validation.late)} kept for validation")


if __name__ == "__main__":
    main()
