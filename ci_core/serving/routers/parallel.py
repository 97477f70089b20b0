"""All models answer, and each answer is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.base import ANSWER, MEMBER, ModelCall
from ci_core.serving.model_path import INFER
from ci_core.serving.routers.base import WorkingRouter
from ci_core.serving.routers.members import Members, Share

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ci_core.serving.base import Row
    from ci_core.serving.event import Event
    from ci_core.types import JsonValue


class ParallelRouter(WorkingRouter):
    """See ``Router.parallel``.

    Args:
        name: of its step.
        members: its models.
        known: the models of the whole graph.
        joins_fields: one object of the fields of all, instead of each answer under its model's name.
        extends: put that into a copy of the row.
        ignores_failures: leave out models that failed.
    """

    def __init__(
        self,
        name: str,
        members: Members,
        known: Collection[str] = (),
        *,
        joins_fields: bool = False,
        extends: bool = False,
        ignores_failures: bool = False,
    ) -> None:
        super().__init__(name, members, known)
        self.ignores_failures = ignores_failures
        self._joins_fields, self._extends = joins_fields, extends

    @property
    def output_columns(self) -> Mapping[str, str]:
        """One field a model, its answer as text where that is an object; or the fields of all. Empty when unknown.

        It is where rows are extended: who knows what else they hold?
        """
        of_models = {key: model.output_columns for key, model in self.members.models.items()}
        if self.ignores_failures or self._extends or not all(of_models.values()):
            return {}
        fields: dict[str, str] = {}
        for key, told in of_models.items():
            if set(told) == {"output"}:  # an answer that is no object
                fields[key] = told["output"]
            elif self._joins_fields:
                fields.update(told)
            else:
                fields[key] = "string"
        return fields

    def choose(self, rows: list[Row], body: Any, event: Event) -> Sequence[Share]:
        """Return all models."""
        del body, event
        # one call stands for the event where events are counted: the first route's, as clients get them all alike
        return self.apart([Share(key, rows, role=ANSWER if key == self.main else MEMBER) for key in self.keys])

    def merge(
        self, shares: Sequence[Share], outcomes: Sequence[ModelCall | Exception], rows: list[Row], operation: str
    ) -> ModelCall:
        """Join the answers to each row."""
        answers = {
            share.key: outcome.answers
            for share, outcome in zip(shares, outcomes, strict=True)
            if isinstance(outcome, ModelCall)
        }
        joined = by_row(answers, len(rows))
        if self._joins_fields:
            joined = [_fields(of_row) for of_row in joined]
        if self._extends and operation == INFER:
            joined = [{**row, **of_row} for row, of_row in zip(rows, joined, strict=True)]
        return ModelCall(answers=list(joined), columns={}, outputs=())


def by_row(answers: Mapping[str, Sequence[JsonValue]], n_rows: int) -> list[dict[str, JsonValue]]:
    """Return ``{model: answer}`` for each row."""
    return [{key: told[index] for key, told in answers.items()} for index in range(n_rows)]


def _fields(answers: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return one object of the fields of all answers, later ones winning; an answer that is no object keeps its key."""
    fields: dict[str, JsonValue] = {}
    for key, answer in answers.items():
        fields.update(answer if isinstance(answer, dict) else {key: answer})
    return fields
