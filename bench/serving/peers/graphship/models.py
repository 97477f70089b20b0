"""The same predict as the peers' in models that a user of graphship would write."""

import numpy as np
from predictor import labels

from ci_core.serving.models import Model

COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


class Rows(Model):
    """Takes rows of named columns."""

    input_columns = COLUMNS

    def predict(self, rows):
        return labels([[row[name] for name in COLUMNS] for row in rows])


class Inputs(Model):
    """Takes the body that the peers take, whole; a batch is several of them."""

    def predict(self, rows):
        if len(rows) == 1:
            return [{"outputs": labels(rows[0]["inputs"])}]
        lengths = [len(row["inputs"]) for row in rows]
        found = np.asarray(labels(np.concatenate([row["inputs"] for row in rows])))
        return [{"outputs": part.tolist()} for part in np.split(found, np.cumsum(lengths)[:-1])]
