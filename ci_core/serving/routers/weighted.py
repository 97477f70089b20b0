"""Each model its share of the events, the same model for the same key: canaries and experiments."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from ci_core.serving.base import ModelCall
from ci_core.serving.problems import RequestError
from ci_core.serving.routers.base import WorkingRouter
from ci_core.serving.routers.members import Members, Share

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ci_core.serving.base import Row
    from ci_core.serving.event import Event
    from ci_core.types import JsonValue

_RANGE = 2.0**64


class Draw:
    """Assigns keys to names by weight, without keeping anything: weighted rendezvous hashing.

    For a key, each name draws a number from 0 to 1 out of a hash of both, and the name with the least
    ``-ln(draw) / weight`` wins: it does so with the probability of its share of the weights (these are exponential
    waiting times, and the first one counts). A weight that grows shortens the times of its own name only, so keys move
    to that name and between no others; the same holds, the other way, for one that shrinks. Multiplying all weights by
    the same number changes nothing.

    Source: C. Schindelhauer, G. Schomaker: Weighted Distributed Hash Tables, 2005 (logarithmic method).

    Args:
        weights: name → weight; 0 never wins.
    """

    __slots__ = ("_names",)

    def __init__(self, weights: Mapping[str, float]) -> None:
        # the hash has read the name already; each key goes on from a copy
        self._names = tuple(
            (name, float(weight), hashlib.blake2b(f"{name}\0".encode(), digest_size=8))
            for name, weight in weights.items()
            if weight
        )

    def name_of(self, key: str) -> str:
        """Return the name that `key` belongs to."""
        data = key.encode("utf-8", "surrogatepass")
        best, least = self._names[0][0], math.inf
        for name, weight, seeded in self._names:
            state = seeded.copy()
            state.update(data)
            draw = (int.from_bytes(state.digest(), "big") + 0.5) / _RANGE
            time = -math.log(draw) / weight
            if time < least:
                best, least = name, time
        return best


class WeightedRouter(WorkingRouter):
    """See ``Router.weighted``.

    Args:
        name: of its step.
        members: its models.
        known: the models of the whole graph.
        weights: of all models.
        key: dotted path into a row; None when the event alone decides.
    """

    def __init__(
        self,
        name: str,
        members: Members,
        known: Collection[str] = (),
        *,
        weights: Mapping[str, float],
        key: str | None = None,
    ) -> None:
        super().__init__(name, members, known)
        self.main = max(self.keys, key=weights.__getitem__)
        self._draw = Draw(weights)
        self._path = key.split(".") if key else []

    def choose(self, rows: list[Row], body: Any, event: Event) -> Sequence[Share]:
        """Return a share for each model that a row belongs to."""
        del body
        event_key = key_in({"key": event.key}, ["key"])  # as text: a step may have set a number
        of_event = self._draw.name_of(event.id if event_key is None else event_key)
        if not self._path:
            return [Share(of_event, rows)]
        positions: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            key = key_in(row, self._path)
            positions.setdefault(of_event if key is None else self._draw.name_of(key), []).append(position)
        if len(positions) == 1:
            return [Share(name, rows) for name in positions]
        n_all = len(rows)
        return [
            Share(name, [rows[index] for index in places], places, n_all=n_all) for name, places in positions.items()
        ]

    def merge(
        self, shares: Sequence[Share], outcomes: Sequence[ModelCall | Exception], rows: list[Row], operation: str
    ) -> ModelCall:
        """Put the answers back into the order of the rows."""
        del operation
        calls = [outcome for outcome in outcomes if isinstance(outcome, ModelCall)]
        if len(calls) == 1:
            return calls[0]
        answers: list[JsonValue] = [None] * len(rows)
        for share, call in zip(shares, calls, strict=True):
            for position, answer in zip(share.positions or (), call.answers, strict=True):
                answers[position] = answer
        return ModelCall(answers=answers, columns={}, outputs=())


def key_in(row: Row, path: Sequence[str]) -> str | None:
    """Return the key of a row as text: 7, 7.0 and "7" are one key; None when the row has none, or null.

    Raises:
        RequestError: it is nested too deep to be written as text.
    """
    value: Any = row
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return json.dumps(value, sort_keys=True, default=str)
    except RecursionError:
        raise RequestError(f"the key `{'.'.join(path)}` is nested too deep to choose a model by it") from None
