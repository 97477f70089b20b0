"""Mask secrets in whole reports, before they are shown or stored.

Every renderer masks what has the shape of a token by itself; who knows secret values applies :meth:`Redactor.model`
first, so that ``report.json`` is clean too. All texts of a report are looked at together: a value that is broken over
two neighbours (lines of a list, cells of a row) is found as well.
"""

from __future__ import annotations

import operator
from functools import cache
from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel

from ci_core.masking import MASK, Masker

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MASK", "SHAPES_ONLY", "Redactor"]

Model = TypeVar("Model", bound=BaseModel)


class Redactor(Masker):
    """Replaces secrets in texts and reports by ``***``."""

    def model(self, model: Model) -> Model:
        """Return a model of this package with every text in it masked; the model itself when there is no secret."""
        texts = list(_texts(model))
        masked = self.texts(texts)
        return model if masked == texts else _with_texts(model, iter(masked))


def _texts(value: object) -> Iterator[str]:
    """Yield the texts of a model, field by field, and numbers where text may stand; words of ours are none."""
    if _is_leaf(value):
        yield str(value)
    elif isinstance(value, BaseModel):
        for name in _free_fields(type(value)):
            yield from _texts(getattr(value, name))
    elif isinstance(value, tuple) and value and not isinstance(value[0], float):
        for item in value:
            yield from _texts(item)


def _with_texts(value: Model, texts: Iterator[str]) -> Model:
    """Return a model with the next of `texts` in place of its own, in the order of :func:`_texts`."""
    update = {}
    for name in _free_fields(type(value)):
        held = getattr(value, name)
        new = _replaced(held, texts)
        if new is not held:
            update[name] = new
    return value.model_copy(update=update) if update else value


def _replaced(value: object, texts: Iterator[str]) -> object:
    """Return what holds no secret itself, not a copy: plots are long tuples of numbers."""
    if _is_leaf(value):
        new = next(texts)
        return value if new == str(value) else new
    if isinstance(value, BaseModel):
        return _with_texts(value, texts)
    if isinstance(value, tuple) and value and not isinstance(value[0], float):
        items = tuple(_replaced(item, texts) for item in value)
        return value if all(map(operator.is_, items, value)) else items
    return value


def _is_leaf(value: object) -> bool:
    """Whether a value is text, or a number where text may stand: a param may be a password of digits."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


@cache
def _free_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the fields that may hold text, in themselves or deeper; ``Literal`` words may not."""
    return tuple(name for name, field in model.model_fields.items() if _may_hold_text(field.annotation))


def _may_hold_text(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, str | BaseModel):
        return True
    return any(map(_may_hold_text, get_args(annotation)))


SHAPES_ONLY = Redactor()
"""Masks what looks like a token; knows no values."""
