"""The piece of work that every server does: four numbers a row, scaled, into a logistic regression of three classes.

The model is fitted once, here, on the iris data that scikit-learn ships; servers read its coefficients from a file, so
that every version of scikit-learn serves the very same model.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
MODEL = "iris"
Rows = list[list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The fitted model, and rows with the labels it gives them."""

    coefficients: dict[str, Any]
    pipeline: Any
    rows: Rows
    labels: list[int]

    def sample(self, count: int) -> tuple[Rows, list[int]]:
        """Return `count` rows and their labels; the same ones each time."""
        chosen = [index % len(self.rows) for index in range(count)]
        return [self.rows[index] for index in chosen], [self.labels[index] for index in chosen]

    def write(self, path: Path) -> None:
        """Write the coefficients, for the servers."""
        path.write_text(json.dumps(self.coefficients))


def make_work(*, trees: int = 0) -> Work:
    """Fit the model: a logistic regression, or a random forest of `trees`."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    iris = load_iris()
    last = (
        RandomForestClassifier(trees, max_depth=6, random_state=0, n_jobs=1)
        if trees
        else LogisticRegression(max_iter=500)
    )
    pipeline = make_pipeline(StandardScaler(), last).fit(iris.data, iris.target)
    scaler = pipeline[0]
    coefficients = {"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}
    if not trees:
        coefficients |= {"coef": last.coef_.tolist(), "intercept": last.intercept_.tolist()}
    rows: Rows = iris.data.tolist()
    random.Random(1).shuffle(rows)
    return Work(coefficients=coefficients, pipeline=pipeline, rows=rows, labels=pipeline.predict(rows).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a server is asked, and what it answers."""

    path: str
    encode: Callable[[Rows], Any]
    labels: Callable[[Any], list[int]]

    def body(self, rows: Rows) -> bytes:
        return orjson.dumps(self.encode(rows))


def _tensor(rows: Rows) -> dict[str, Any]:
    data = [value for row in rows for value in row]
    return {"inputs": [{"name": "x", "shape": [len(rows), len(COLUMNS)], "datatype": "FP64", "data": data}]}


def _tensor_labels(answer: Any) -> list[int]:
    outputs = {one["name"]: one["data"] for one in answer["outputs"]}
    first: list[int] = outputs.get("prediction") or next(iter(outputs.values()))
    return first


def _row_labels(answer: Any) -> list[int]:
    return [one["prediction"] if isinstance(one, dict) else one for one in answer]


_V2_PATH = f"/v2/models/{MODEL}/infer"
INPUTS = Dialect(path="/predict", encode=lambda rows: {"inputs": rows}, labels=lambda answer: answer["outputs"])
V1 = Dialect(
    path=f"/v1/models/{MODEL}:predict",
    encode=lambda rows: {"instances": rows},
    labels=lambda answer: answer["predictions"],
)
V2 = Dialect(path=_V2_PATH, encode=_tensor, labels=_tensor_labels)
ROWS = Dialect(path="/", encode=lambda rows: [dict(zip(COLUMNS, row, strict=True)) for row in rows], labels=_row_labels)
OURS_INPUTS = Dialect(path="/", encode=INPUTS.encode, labels=INPUTS.labels)
