"""One event through a plan, without a server: what ``Graph.test`` and ``QueuedGraph.test`` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidCallError
from ci_core.serving.event import Event
from ci_core.serving.model_path import parse_model_path
from ci_core.serving.model_request import ModelRequest, may_miss_models
from ci_core.serving.problems import UnknownModelError, shown
from ci_core.serving.schema import InputSchema
from ci_core.serving.unwritable import check_writable

if TYPE_CHECKING:
    from ci_core.serving.own_loop import OwnLoop
    from ci_core.serving.plan import Plan
    from ci_core.serving.spec import GraphSpec


class Trial:
    """Gives events to a plan as a server would.

    Args:
        spec: of the graph.
        plan: compiled from it.
        loop: that async steps run on.
    """

    def __init__(self, spec: GraphSpec, plan: Plan, loop: OwnLoop) -> None:
        self._plan, self._loop = plan, loop
        self._inputs = InputSchema(spec.inputs) if spec.inputs else None
        self._may_miss = may_miss_models(spec)

    def answer(self, body: Any, path: str, *, method: str, headers: Mapping[str, str] | None) -> Any:
        """Return the answer to one event; see ``Graph.test``."""
        if path == "/" and self._inputs is not None:
            self._inputs.check(body)
        event = _event(body, path, method, headers)
        asked = event.asked = self._asked(path)
        plan = self._plan
        if plan.is_async:
            answer = self._loop.run(plan(body, event) if asked is None else asked.answer_async(plan, event))
        else:
            answer = plan(body, event) if asked is None else asked.answer(plan, event)
        check_writable(answer)
        return answer

    def _asked(self, path: str) -> ModelRequest | None:
        """Return what `path` asks of a model; None when it names none, or one that routers will say is not there."""
        parsed = parse_model_path(path)
        if parsed is None:
            return None
        try:
            model = parsed.find(self._plan.models)
        except UnknownModelError:
            return None
        return ModelRequest(model, may_miss=self._may_miss)


def _event(body: Any, path: str, method: str, headers: Any) -> Event:
    given = headers or {}
    if not isinstance(given, Mapping):
        reason = f"has the `headers` {shown(given)}: expected names and texts"
        raise InvalidCallError(call="test", reason=reason, hint='such as `headers={"x-event-id": "7"}`')
    lowered = {key.lower(): value for key, value in given.items()}
    content_type = lowered.get("content-type", "").partition(";")[0].strip().lower() or None
    return Event(
        body, path=path, method=method, headers=lowered, id=lowered.get("x-event-id"), content_type=content_type
    )
