"""The columns of a flight, and the file in which the stages hand flights on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

CATEGORICAL = ("carrier", "origin", "dest")
NUMERIC = (
    "distance",
    "sched_hour",
    "weekday",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
)
TARGET = "late"


@dataclass(frozen=True)
class Flights:
    """Flights as columns: three of text, ten of float32 (NaN is "not reported"), and whether each arrived late."""

    categorical: np.ndarray
    """Shape (n_flights, 3), text."""
    numeric: np.ndarray
    """Shape (n_flights, 10), float32."""
    late: np.ndarray
    """Shape (n_flights,), 0 or 1."""

    def as_objects(self) -> np.ndarray:
        """Return one array of shape (n_flights, 13), as scikit-learn wants mixed columns."""
        return np.concatenate([self.categorical.astype(object), self.numeric.astype(object)], axis=1)

    def as_inputs(self) -> dict[str, np.ndarray]:
        """Return one array of shape (n_flights, 1) for each input of the ONNX model, by name."""
        inputs = {name: self.categorical[:, [i]].astype(object) for i, name in enumerate(CATEGORICAL)}
        return inputs | {name: self.numeric[:, [i]] for i, name in enumerate(NUMERIC)}


def save(path: Path, **parts: Flights) -> None:
    """Write several sets of flights into one ``.npz`` file: the same flights give the same bytes."""
    arrays = {f"{name}_{field}": array for name, part in parts.items() for field, array in vars(part).items()}
    np.savez_compressed(path, **arrays)


def load(path: Path, name: str) -> Flights:
    """Read one set of flights that :func:`save` wrote."""
    with np.load(path) as arrays:
        return Flights(*(arrays[f"{name}_{field}"] for field in ("categorical", "numeric", "late")))
