"""One model an event, by path, by body, else the first; the router most graphs have, and so the cheapest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ci_core.serving.model_path import INFER, ModelPath
from ci_core.serving.problems import shown
from ci_core.serving.routers.base import WorkingRouter, ended_by, rows_of
from ci_core.serving.routers.members import Members, Share
from ci_core.serving.table import Table

if TYPE_CHECKING:
    from collections.abc import Collection

    from ci_core.serving.event import Event


class SingleRouter(WorkingRouter):
    """See ``Router.single``."""

    is_a_model: ClassVar[bool] = False
    asks_several: ClassVar[bool] = False

    def __init__(self, name: str, members: Members, known: Collection[str] = (), *, field: str = "model") -> None:
        super().__init__(name, members, known)
        self._field = field
        self._default = self.keys[0]

    def answer(self, body: Any, event: Event) -> Any:
        """Return one answer for one row, a list of answers for a list of rows."""
        if event.path == "/" and type(body) is dict and self._field not in body:  # most requests, and nothing to choose
            return self.members.call(self._default, [body], event, event.deadline).answers[0]
        key, operation = self._choose_one(body, event)
        rows = body if type(body) is Table and self._takes(key) else rows_of(body)
        if not len(rows):  # a table is no list
            return []
        if operation == INFER:
            answers = self.members.call(key, rows, event, event.deadline).answers
        else:
            answers = self.members.ask(Share(key, rows_of(body)), event, operation).answers
        answer = answers[0] if isinstance(body, dict) else answers
        return answer if operation == INFER else ended_by(answer, event)

    async def answer_async(self, body: Any, event: Event) -> Any:
        """Return what :meth:`answer` does, awaiting models that are async."""
        key, operation = self._choose_one(body, event)
        rows = body if type(body) is Table and self._takes(key) else rows_of(body)
        if not len(rows):
            return []
        if operation == INFER:
            answers = (await self.members.call_async(key, rows, event)).answers
        else:
            answers = (await self.members.ask_async(Share(key, rows_of(body)), event, operation)).answers
        answer = answers[0] if isinstance(body, dict) else answers
        return answer if operation == INFER else ended_by(answer, event)

    def _takes(self, key: str) -> bool:
        return self.members.models[key].takes_tables

    def _choose_one(self, body: Any, event: Event) -> tuple[str, str]:
        """Return the key of the model, and the operation."""
        key, operation = self.asked_for_by(event)
        if key is None and isinstance(body, dict) and self._field in body:
            key = self._named_in_body(body[self._field])
        return key or self._default, operation

    def _named_in_body(self, value: Any) -> str | None:
        """Return the model that the body's field asks for; None when the field is a column of the first model."""
        if isinstance(value, str) and value in self.members.models:
            return value
        if self._field in self.members.models[self._default].input_columns:
            return None
        name, _, version = (value if isinstance(value, str) else shown(value)).partition(":")
        return ModelPath(name, version or None).find(self.keys)
