"""A graph in the making: its steps and where they stand. What the whole comes to is judged by ``topology.check``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ci_core.errors import DuplicateStepError, InvalidCallError, InvalidStepError
from ci_core.serving.problems import shown
from ci_core.serving.schema import InputSchema
from ci_core.serving.spec import REQUEST, GraphSpec, StepSpec
from ci_core.serving.step_rules import check_values, is_seconds
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.serving.describe import Draft


class Blueprint:
    """What the builder of a graph changes.

    Args:
        name: of the graph; this and the others as the author gave them, checked here.
        files: data files that steps open.
        timeout_s: how long a request may take.
        inputs: column → type.

    Attributes:
        steps: by name, in the order in which they were added.
        targets: objects that only this process has; see ``Graph.targets``.
        on_error: the graph's error handler.
        changes: how often it was changed.

    Raises:
        InvalidCallError: one of them is not what it must be.
    """

    def __init__(self, name: Any, files: Any, timeout_s: Any, inputs: Any) -> None:
        if not isinstance(name, str) or not name:
            raise _wrong("name", name, "a text", 'such as `Graph("churn")`')
        if isinstance(files, str) or not all(isinstance(file, str) for file in files):
            raise _wrong("files", files, "a list of paths", f'such as `files=["{files}"]`' if files else None)
        if timeout_s is not None and not (is_seconds(timeout_s) and timeout_s):
            raise _wrong("timeout", timeout_s, "a number of seconds above 0", "such as `timeout=2.5`")
        if not isinstance(inputs, Mapping):
            raise _wrong("inputs", inputs, "names and types of columns", 'such as `inputs={"age": "number?"}`')
        self.name: str = name
        self._files, self._timeout_s = tuple(files), timeout_s
        self.inputs: Mapping[str, str] = MappingProxyType(dict(inputs))
        InputSchema(self.inputs)  # refuses types that do not exist
        self.steps: dict[str, StepSpec] = {}
        self.targets: dict[str, Any] = {}
        self.on_error: str | None = None
        self.changes = 0

    def add(self, draft: Draft, name: Any, **place: Any) -> str:
        """Give a draft a name and a place, and return the name.

        Args:
            draft: of the step.
            name: unique; when None the draft's, with a number if that is taken.
            place: fields of the spec that say where the step stands and how it is called.

        Raises:
            DuplicateStepError: `name` is taken.
            InvalidStepError: the name or a setting is not what it must be.
        """
        if name is not None and (not isinstance(name, str) or not name):
            raise InvalidStepError(
                step=draft.spec.name,
                reason=f"has the name {shown(name)}: expected a text",
                hint='such as `name="score"`; arguments of a class are given by their names',
            )
        if name in self.steps:
            raise DuplicateStepError(graph=self.name, name=str(name))
        chosen: str = name or _free_name(draft.spec.name, self.steps)
        step = replace(draft.spec, name=chosen, **place)
        check_values(step)
        self.steps[chosen] = step
        self.targets.update({f"{chosen}{suffix}": target for suffix, target in draft.targets.items()})
        self.changes += 1
        return chosen

    def change(self, name: str, **fields: Any) -> None:
        """Replace fields of a step.

        Raises:
            InvalidStepError: a value is not what it must be.
        """
        step = replace(self.steps[name], **fields)
        check_values(step)
        self.steps[name] = step
        self.changes += 1

    def last(self) -> str:
        """Return the step that was added last, or the request."""
        return next(reversed(self.steps), REQUEST)

    def insert(self, name: str, followers: Sequence[str]) -> None:
        """Let steps get the result of `name` instead of the inputs that they have in common with it."""
        inputs = self.steps[name].after
        for follower in followers:
            kept = tuple(one for one in self.steps[follower].after if one not in inputs)
            self.change(follower, after=(*kept, name))

    def spec(self) -> GraphSpec:
        """Return the graph as data, checked."""
        spec = GraphSpec(
            name=self.name,
            steps=tuple(self.steps.values()),
            files=self._files,
            on_error=self.on_error,
            timeout_s=self._timeout_s,
            inputs=self.inputs,
        )
        check(spec)
        return spec


def _wrong(argument: str, value: object, expected: str, hint: str | None) -> InvalidCallError:
    reason = f"has the `{argument}` {shown(value)}: expected {expected}"
    return InvalidCallError(call="Graph", reason=reason, hint=hint)


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    name = name.strip("<>") or "step"
    if name not in taken and name != REQUEST:
        return name
    return next(candidate for number in range(2, len(taken) + 3) if (candidate := f"{name}-{number}") not in taken)
