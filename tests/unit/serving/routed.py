"""Models and an observer for tests of routers, and how to ask a router sync and async."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ci_core.serving import Event, Graph, Model, RequestError, Route
from ci_core.serving.base import ANSWER

if TYPE_CHECKING:
    from ci_core.serving.base import ModelCall, Role
    from ci_core.serving.plan import Plan
    from ci_core.serving.routers import RouterDraft


class Constant(Model):
    """Answers every row with the same."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [self.answer for _ in rows]


class Field(Model):
    """Answers each row with one of its fields."""

    def __init__(self, name: str) -> None:
        self.name = name

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [row[self.name] for row in rows]


class Telling(Model):
    """Answers with its own name and the row's `n`; explains, and has an operation of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [f"{self.name}:{row['n']}" for row in rows]

    def explain(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [f"{self.name} because of {row['n']}" for row in rows]

    def op_double(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [2 * row["n"] for row in rows]


class Failing(Model):
    """Breaks on every row."""

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        raise RuntimeError("broken")


class Refusing(Model):
    """Refuses every row."""

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        raise RequestError("row 0, column `n`: expected a number, found 'x'")


class Seen:
    """Keeps what an observer is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ModelCall]] = []
        self.failures: list[tuple[str, Exception]] = []
        self.events: list[Event] = []
        self.roles: list[tuple[str, Role]] = []

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float, role: Role = ANSWER) -> None:
        assert seconds >= 0
        self.calls.append((model, call))
        self.events.append(event)
        self.roles.append((model, role))

    def failed(self, event: Event, model: str, error: Exception) -> None:
        self.failures.append((model, error))

    @property
    def models(self) -> list[str]:
        return [model for model, _ in self.calls]


def telling(*names: str, batch: str = "auto") -> dict[str, Route]:
    return {name: Route(Telling, arguments={"name": name}, batch=batch) for name in names}  # type: ignore[arg-type]


def constants(batch: str = "auto", **answers: Any) -> dict[str, Route]:
    return {name: Route(Constant, arguments={"answer": answer}, batch=batch) for name, answer in answers.items()}  # type: ignore[arg-type]


def graph_of(draft: RouterDraft, name: str = "choose") -> Graph:
    graph = Graph("g")
    graph.to(draft, name).respond()
    return graph


def ask(plan: Plan, body: Any, path: str = "/", **event: Any) -> Any:
    """Return the answer of a plan, sync or async."""
    made = Event(body, path=path, **event)
    result = plan(body, made)
    return asyncio.run(_wait(result)) if plan.is_async else result


async def _wait(result: Any) -> Any:
    return await result
