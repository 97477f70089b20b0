"""What a request to a model of a graph must hold, and what its answer will: for metadata, and for checks of requests.

A request for ``/v2/models/<m>/infer`` runs the whole graph, with `m` in the place of the model that the router would
choose. So a model's own columns and outputs are those of the request and the answer only where no step stands before or
behind its router; else the graph's ``inputs``, where it declares some, say what a request holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.errors import quoted
from ci_core.serving.problems import RequestError
from ci_core.serving.protocol.metadata import column_kinds
from ci_core.serving.spec import REQUEST, ROUTER_KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ci_core.serving.schema import InputSchema
    from ci_core.serving.spec import GraphSpec, StepSpec


class Signatures:
    """The inputs and outputs of the models of one graph, as far as they are known.

    Args:
        spec: of the graph.
        models: of its plan, by key; what one reads and answers may be known only once it is loaded.
        schema: of the plain body; None when nothing is declared.
        event_columns: columns that say who or when, which no model needs to read.

    Attributes:
        schema: of requests to the models: that of the plain body where steps stand before them; None where requests
            reach the models as they are, which know best what they read, or where nothing is declared.
    """

    def __init__(
        self,
        spec: GraphSpec,
        models: Mapping[str, Any],
        *,
        schema: InputSchema | None = None,
        event_columns: Iterable[str] = (),
    ) -> None:
        self._models = models
        self.schema = None if takes_as_is(spec) else schema
        self._takes_as_is, self._answers_as_is = takes_as_is(spec), answers_as_is(spec)
        self._read_beside = frozenset(event_columns) | _keys_of(spec.steps)
        self._known: dict[str, Known] = {}

    def inputs(self, key: str) -> dict[str, str]:
        """Return column → kind (see ``schema.py``) of what a request holds; empty when nobody says."""
        if self.schema is not None:
            return {column.name: column.type for column in self.schema.columns}
        return column_kinds(self._models[key])

    def outputs(self, key: str) -> Mapping[str, str]:
        """Return field → kind (``number``, ``integer``, ``string``, ``boolean``) of the answers; empty when unknown."""
        if not self._answers_as_is:
            return {}
        outputs: Mapping[str, str] = getattr(self._models[key], "output_columns", {})
        return outputs

    def known(self, key: str) -> Known:
        """Return the names of tensors that a request may have and ask for; remembered once the model is loaded."""
        try:
            return self._known[key]
        except KeyError:
            known = Known(key, tensors=self._tensors(key), outputs=self.outputs(key))
            if getattr(self._models[key], "state", "ready") == "ready":
                self._known[key] = known
            return known

    def _tensors(self, key: str) -> frozenset[str] | None:
        model = self._models[key]
        if not self._takes_as_is or not model.input_columns or not getattr(model, "reads_nothing_else", False):
            return None
        return self._read_beside.union(model.input_columns)


class Known:
    """The names that a request to a model may use.

    Args:
        model: its key.
        tensors: that are read; None when steps, or the model, may read any.
        outputs: field of the answers → kind; empty when nobody says.
    """

    __slots__ = ("_model", "_tensors", "outputs")

    def __init__(self, model: str, *, tensors: frozenset[str] | None, outputs: Mapping[str, str]) -> None:
        self._model, self._tensors, self.outputs = model, tensors, outputs

    def check_tensors(self, names: Collection[str], columns: Iterable[str]) -> None:
        """Refuse tensors that nobody reads.

        Args:
            names: of the columns that they hold.
            columns: that the model reads, for the message.

        Raises:
            RequestError: there is one.
        """
        if self._tensors is None or self._tensors.issuperset(names):
            return
        unknown = next(name for name in names if name not in self._tensors)
        raise RequestError(f"the model `{self._model}` has no input `{unknown}`; inputs: {quoted(columns)}")

    def check_outputs(self, names: Iterable[str]) -> None:
        """Refuse outputs that the answer will not have.

        Raises:
            RequestError: there is one.
        """
        for name in names:
            if self.outputs and name not in self.outputs:
                raise RequestError(f"the model `{self._model}` has no output `{name}`; outputs: {quoted(self.outputs)}")


def takes_as_is(spec: GraphSpec, routers: Collection[str] = ROUTER_KINDS) -> bool:
    """Return whether requests reach the models as they are: only routers of these kinds stand before them."""
    first = [step for step in spec.steps if REQUEST in step.after]
    return bool(first) and all(
        step.router in routers and step.input_path is None and step.after == (REQUEST,) for step in first
    )


def is_direct(spec: GraphSpec) -> bool:
    """Return whether nothing but a router that chooses one model stands between a request and its model.

    Only then may a request stay a table: every other step expects rows.
    """
    return takes_as_is(spec, {"single"})


def answers_as_is(spec: GraphSpec) -> bool:
    """Return whether the answer is what a router says: no step stands behind it."""
    leads_on = {name for step in spec.steps for name in step.after}
    last = [step for step in spec.steps if step.responds] or [
        step for step in spec.steps if step.after and step.name not in leads_on
    ]
    return bool(last) and all(step.router is not None and step.result_path is None for step in last)


def _keys_of(steps: Iterable[StepSpec]) -> frozenset[str]:
    """Return the columns by which routers choose a model."""
    keys = (step.arguments.get("key") for step in steps if step.router == "weighted")
    return frozenset(key.partition(".")[0] for key in keys if isinstance(key, str))
