"""All models answer, and their predictions become one: votes of classifiers, means of regressions."""

from __future__ import annotations

from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from ci_core.errors import InvalidStepError, quoted
from ci_core.serving.base import MEMBER, ModelCall
from ci_core.serving.model_path import INFER
from ci_core.serving.models.answers import ModelAnswerError
from ci_core.serving.problems import UnknownPathError
from ci_core.serving.routers.base import WorkingRouter
from ci_core.serving.routers.combining import majority, mean, number_of, prediction_of, soft_majority
from ci_core.serving.routers.members import Members, Share

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.base import Row
    from ci_core.serving.event import Event
    from ci_core.types import JsonValue

_BINARY = 2
_LABELS = frozenset({"string", "boolean"})
"""Kinds of predictions that are labels."""


class Ensemble(WorkingRouter):
    """What votes and means share.

    Args:
        name: of its step.
        members: its models.
        known: the models of the whole graph.
        weights: of all models, above 0.
        ignores_failures: go by the models that answered.
        detail: tell each model's prediction.

    Attributes:
        beside: field of the answers beside the prediction → kind.
    """

    beside: ClassVar[Mapping[str, str]] = MappingProxyType({})
    combines_by: ClassVar[str] = ""
    """What it does with the models' answers, for messages."""
    instead: ClassVar[str] = ""
    """What to do with models that it cannot combine."""
    _is_checked = False

    def __init__(
        self,
        name: str,
        members: Members,
        known: Collection[str] = (),
        *,
        weights: Mapping[str, float],
        ignores_failures: bool = False,
        detail: bool = False,
    ) -> None:
        super().__init__(name, members, known)
        self.ignores_failures = ignores_failures
        self._weights = weights
        self._detail = detail

    def why_not(self) -> str | None:
        """Return why the answers of one of its models cannot be combined; None when they can, as far as is known."""
        return None

    def check(self) -> None:
        """Make sure that the models' answers can be combined, as far as is known by now.

        Raises:
            InvalidStepError: those of one cannot.
        """
        reason = self.why_not()
        if reason is not None:
            raise InvalidStepError(step=self.name, reason=f"{self.combines_by}, and {reason}", hint=self.instead)

    def start(self) -> None:
        """Look at the models that were loaded since the graph was compiled.

        Raises:
            InvalidStepError: the answers of one cannot be combined.
        """
        super().start()
        self.check()

    @property
    def operations(self) -> tuple[str, ...]:
        """None: explanations of several models have no mean."""
        return ()

    @property
    def output_columns(self) -> Mapping[str, str]:
        """``prediction`` and what goes with it; empty when the models do not say the same of their predictions."""
        kind = self.kind_of_prediction()
        if kind is None:
            return {}
        # an object travels as its JSON text
        return {"prediction": kind, **self.beside, **({"models": "string"} if self._detail else {})}

    def kind_of_prediction(self) -> str | None:
        """Return the kind that all models predict; None when they differ, or do not say."""
        told = [model.output_columns for model in self.members.models.values()]
        kinds = {one.get("prediction", one.get("output")) for one in told}
        return kinds.pop() if len(kinds) == 1 else None

    def combine(self, answers: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the answer to one row.

        Args:
            answers: key of a model → its answer to the row; at least one.
        """
        raise NotImplementedError

    def choose(self, rows: list[Row], body: Any, event: Event) -> Sequence[Share]:
        """Return all models."""
        del body, event
        return self.apart([Share(key, rows, role=MEMBER) for key in self.keys])

    def route(self, rows: list[Row], body: Any, event: Event, operation: str) -> ModelCall:
        """Return what the ensemble says of `rows`; it is observed like a model, beside its models."""
        self._check_operation(operation)
        started = perf_counter()
        try:
            call = super().route(rows, body, event, operation)
        except Exception as error:
            self.members.observe_failure(event, self.name, error)
            raise
        self.members.observe_call(event, self.name, call, perf_counter() - started)
        return call

    async def route_async(self, rows: list[Row], body: Any, event: Event, operation: str) -> ModelCall:
        """Return what :meth:`route` does, awaiting models that are async."""
        self._check_operation(operation)
        started = perf_counter()
        try:
            call = await super().route_async(rows, body, event, operation)
        except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
            raise self.members.told_failure(event, self.name, raised)  # noqa: B904 - it has its cause
        self.members.observe_call(event, self.name, call, perf_counter() - started)
        return call

    def _check_operation(self, operation: str) -> None:
        if operation != INFER:
            raise UnknownPathError(
                f"the ensemble `{self.name}` has no operation `{operation}`; ask one of its models: {quoted(self.keys)}"
            )

    def merge(
        self, shares: Sequence[Share], outcomes: Sequence[ModelCall | Exception], rows: list[Row], operation: str
    ) -> ModelCall:
        """Combine the predictions row by row.

        Raises:
            ModelAnswerError: those of a model that was loaded for this request cannot be combined.
        """
        if not self._is_checked:
            reason = self.why_not()
            if reason is not None:
                raise ModelAnswerError(reason)
            self._is_checked = all(model.state == "ready" for model in self.members.models.values())
        del operation
        calls = {
            share.key: outcome
            for share, outcome in zip(shares, outcomes, strict=True)
            if isinstance(outcome, ModelCall)
        }
        answers: list[JsonValue] = []
        outputs: list[float | None] = []
        for index in range(len(rows)):
            of_row = {key: call.answers[index] for key, call in calls.items()}
            answer = self.combine(of_row)
            output = answer.get("probability", answer["prediction"])
            outputs.append(float(output) if isinstance(output, bool | int | float) else None)
            if self._detail:
                answer["models"] = {key: prediction_of(one, key) for key, one in of_row.items()}
            answers.append(answer)
        return ModelCall(answers=answers, columns=self._columns_of(calls.values()), outputs=outputs)

    def _columns_of(self, calls: Collection[ModelCall]) -> dict[str, Any]:
        """Return the columns that any of the models received; none when nobody reads them, as some are made for it."""
        if not self.members.are_read:
            return {}
        return {name: values for call in calls for name, values in call.columns.items()}

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return one output a row of a table, shape ``(n_rows,)``: what the ensemble says, NaN for a label of text."""
        import numpy as np

        rows: list[Row] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if not rows:
            return np.empty(0)
        shares = self.apart([Share(key, rows) for key in self.keys])
        calls = [self.members.models[share.key].call(share.rows) for share in shares]
        outputs = self.merge(shares, calls, rows, INFER).outputs
        return np.array([np.nan if output is None else output for output in outputs], dtype=np.float64)

    def weights_of(self, keys: Collection[str]) -> list[float]:
        """Return the weights of models that answered."""
        return [self._weights[key] for key in keys]


class VoteRouter(Ensemble):
    """See ``Router.vote``."""

    def combine(self, answers: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the label that most weight is behind."""
        labels = [prediction_of(answer, key) for key, answer in answers.items()]
        return {"prediction": majority(labels, self.weights_of(answers))}


class SoftVoteRouter(Ensemble):
    """See ``Router.vote``, ``probabilities=True``."""

    platform: ClassVar[str] = "vote"
    beside: ClassVar[Mapping[str, str]] = MappingProxyType({"probability": "number"})
    combines_by = "votes by probability"
    instead = "let them vote by label: leave `probabilities` out"

    def why_not(self) -> str | None:
        """Return why one of its models cannot vote by probability; None when all can, as far as is known by now."""
        for key, model in self.members.models.items():
            if model.n_classes is not None and model.n_classes > _BINARY:
                return f"the model `{key}` has {model.n_classes} classes; only binary classifiers vote by probability"
            if model.decides_itself:
                return f"the model `{key}` does not decide at 0.5; its label would contradict the mean probability"
        return None

    def combine(self, answers: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the mean probability and the label it stands for."""
        labels = [prediction_of(answer, key) for key, answer in answers.items()]
        probabilities = [number_of(answer, key, "probability") or 0.0 for key, answer in answers.items()]
        label, probability = soft_majority(labels, probabilities, self.weights_of(answers))
        return {"prediction": label, "probability": probability}


class MeanRouter(Ensemble):
    """See ``Router.mean``."""

    combines_by = "takes the mean"
    instead = "ask classifiers by `Router.vote`; with `probabilities=True` it answers their mean probability"

    def why_not(self) -> str | None:
        """Return why one of its models has no mean; None when all have, as far as is known by now."""
        for key, model in self.members.models.items():
            tells = model.output_columns
            if model.n_classes is not None or "probability" in tells or tells.get("prediction") in _LABELS:
                return f"the model `{key}` is a classifier; its labels have no mean"
        return None

    def kind_of_prediction(self) -> str | None:
        """Return ``number``: a mean is one whatever it is of."""
        return "number"

    def combine(self, answers: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the weighted mean; a model that predicts null has not answered the row.

        Raises:
            ModelAnswerError: a model, or each of them, gave no number.
        """
        numbers = {key: number_of(answer, key, "prediction") for key, answer in answers.items()}
        present = {key: number for key, number in numbers.items() if number is not None}
        if not present or (len(present) < len(numbers) and not self.ignores_failures):
            silent = next(key for key, number in numbers.items() if number is None)
            raise ModelAnswerError(f"the model `{silent}` predicts null, which has no mean")
        return {"prediction": mean(list(present.values()), self.weights_of(present))}
