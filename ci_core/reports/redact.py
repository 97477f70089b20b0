"""Mask secrets in whole reports, before they are shown or stored.

Every renderer masks what has the shape of a token by itself; who knows secret values applies :meth:`Redactor.model`
first, so that ``report.json`` is clean too.
"""

from __future__ import annotations

import operator
from typing import TypeVar

from pydantic import BaseModel

from ci_core.masking import MASK, Masker

__all__ = ["MASK", "SHAPES_ONLY", "Redactor"]

Model = TypeVar("Model", bound=BaseModel)


class Redactor(Masker):
    """Replaces secrets in texts and reports by ``***``."""

    def value(self, value: object) -> object:
        """Return a string, a model or a tuple of them with every string masked; anything else as it is.

        What holds no secret is returned itself, not a copy: plots are long tuples of numbers.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, BaseModel):
            return self.model(value)
        if isinstance(value, tuple) and value and not isinstance(value[0], float):
            masked = tuple(map(self.value, value))
            return value if all(map(operator.is_, masked, value)) else masked
        return value

    def model(self, model: Model) -> Model:
        """Return a model of this package with every string in it masked; the model itself when there is no secret."""
        masked = {name: self.value(getattr(model, name)) for name in type(model).model_fields}
        changed = {name: value for name, value in masked.items() if value is not getattr(model, name)}
        return model.model_copy(update=changed) if changed else model


SHAPES_ONLY = Redactor()
"""Masks what looks like a token; knows no values."""
