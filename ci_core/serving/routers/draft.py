"""Routers as a graph's author writes them: descriptions, from which the builder makes a spec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ci_core.serving.call_check import checks_call, checks_construction
from ci_core.serving.routers.written import check_route, check_router_class, check_routes
from ci_core.serving.spec import ROUTER_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.spec import Load, Switch
    from ci_core.types import JsonValue


@checks_construction
@dataclass(frozen=True, slots=True)
class Route:
    """A model with what it must be told.

    Example:
        >>> route = Route("models/forest.skops", columns=["age", "income"], trust=["sklearn.tree._tree.Tree"])
        >>> draft = Router.vote({"linear": "models/linear.onnx", "forest": route}, weights={"linear": 1, "forest": 2})
        >>> list(draft.routes), draft.routes["linear"].load
        (['linear', 'forest'], 'start')
    """

    model: str | type
    """File relative to the project (``.onnx``, ``.skops``, XGBoost's ``.ubj`` and ``.json``, LightGBM's ``.txt``),
    ``module:Class``, or a subclass of ``Model``."""
    columns: tuple[str, ...] | list[str] = ()
    """Names of the columns, in order, of a model that takes one matrix and does not know them."""
    arguments: Mapping[str, JsonValue] | None = None
    """Constructor arguments of a model class."""
    load: Load = "start"
    """Before the server answers (``start``), beside the first requests (``background``: the server is not ready, and
    the model's requests are answered 503, until it is there), or by the first request, which waits for it
    (``first-use``: the server is ready without the model)."""
    batch: Switch = "auto"
    """Whether requests that are ready together share a call; ``auto``: when the model gains from it."""
    max_batch_rows: int = 1024
    """Rows of such a call at most."""
    batch_window: float = 0.0
    """How long to wait for more requests, in seconds; 0 never waits while the model is idle."""
    trust: tuple[str, ...] | list[str] = ()
    """Types in a skops file that the author vouches for: trees and forests need ``sklearn.tree._tree.Tree``."""
    lower: Switch = "auto"
    """Whether a release replaces the model by an equal, cheaper form; ``on`` fails where it cannot."""

    def __post_init__(self) -> None:
        check_route(self)


Routes: TypeAlias = "Mapping[str, str | type | Route]"
"""``name`` or ``name:version`` → model file, ``module:Class``, model class, or :class:`Route`."""


@dataclass(frozen=True, slots=True)
class RouterDraft:
    """A router as a graph's author wrote it."""

    kind: str | type
    routes: Mapping[str, Route]
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


class Router:
    """Makes routers for :meth:`Graph.to`.

    All of them: a request for ``/v2/models/<m>[/versions/<v>]/infer`` goes to that model, whatever the router would
    choose; all but ``single`` are models themselves, ``/v2/models/<name of the step>/infer``. An object is one row and
    gets one answer, a list of objects gets a list. Several models are asked one after the other, those whose calls
    requests share, and all of a step with ``blocking`` or ``timeout``, side by side.

    Example:
        >>> from ci_core.serving import Graph, Model
        >>> class Says(Model):
        ...     def __init__(self, value):
        ...         self.value = value
        ...
        ...     def predict(self, rows):
        ...         return [{"prediction": self.value} for _ in rows]
        >>> routes = {name: Route(Says, arguments={"value": one}) for name, one in {"a": 1, "b": 0, "c": 1}.items()}
        >>> def ask(router, body):
        ...     graph = Graph("asked")
        ...     _ = graph.to(router, "router")
        ...     return graph.test(body)
        >>> ask(Router.single(routes), {"model": "b"})
        {'prediction': 0}
        >>> ask(Router.weighted(routes, {"a": 0, "b": 1, "c": 0}, key="user"), {"user": "u1"})
        {'prediction': 0}
        >>> ask(Router.shadow(routes, live="b"), {"x": 1})
        {'prediction': 0}
        >>> ask(Router.vote(routes, {"a": 1, "b": 3, "c": 1}, detail=True), {"x": 1})
        {'prediction': 0, 'models': {'a': 1, 'b': 0, 'c': 1}}
        >>> ask(Router.mean(routes, {"a": 1, "b": 2, "c": 1}), [{"x": 1}, {"x": 2}])
        [{'prediction': 0.5}, {'prediction': 0.5}]
        >>> ask(Router.parallel(routes), {"x": 1})
        {'a': {'prediction': 1}, 'b': {'prediction': 0}, 'c': {'prediction': 1}}
    """

    @staticmethod
    @checks_call("Router.single")
    def single(routes: Routes, *, field: str = "model") -> RouterDraft:
        """Return a router that gives each event to one of its models.

        The model is chosen by the path, else by a field of the body when it is one object, else it is the first.

        Args:
            routes: name → model.
            field: of the body, with the value ``name`` or ``name:version``.

        Raises:
            UnknownModelError: of a request: it asks for a model that is not there (404).
        """
        return _draft("single", routes, {"field": field}, {"field": "model"})

    @staticmethod
    @checks_call("Router.weighted")
    def weighted(routes: Routes, weights: Mapping[str, float], *, key: str | None = None) -> RouterDraft:
        """Return a router that gives each model its share of the events: a canary.

        The same key always gets the same model, in every process, and a model whose weight grows only takes keys from
        the others (rendezvous hashing).

        Args:
            routes: name → model.
            weights: name → weight, one for each model; only their ratios matter, 0 gets nothing.
            key: dotted path into a row: rows of a list are then split by it. Where a row has none, and without this,
                ``event.key`` decides when a step has set it, else the event's id, so that a repeated request gets the
                same model.

        Raises:
            InvalidStepError: when the graph is compiled: a model has no weight, or there is no weight above 0.
        """
        return _draft("weighted", routes, {"weights": weights, "key": key}, {"key": None})

    @staticmethod
    @checks_call("Router.shadow")
    def shadow(routes: Routes, live: str | None = None, *, waiting: int = 256) -> RouterDraft:
        """Return a router whose one model answers, while the others get the same rows for comparison.

        What the others say reaches captures and metrics only. In a server they run in one thread of their own, after
        the answer; in ``graph.test`` right after it.

        Args:
            routes: name → model.
            live: the model that answers; the first when None.
            waiting: requests that may wait for the others, as long as their rows take no more than 64 MB; more are
                dropped and counted.
        """
        return _draft("shadow", routes, {"live": live, "waiting": waiting}, {"live": None, "waiting": 256})

    @staticmethod
    @checks_call("Router.vote")
    def vote(
        routes: Routes,
        weights: Mapping[str, float] | None = None,
        *,
        probabilities: bool = False,
        missing: Literal["refuse", "ignore"] = "refuse",
        detail: bool = False,
    ) -> RouterDraft:
        """Return an ensemble of classifiers: the label with the most weight behind it.

        Each row is answered ``{"prediction": label}``, with ``probability`` where `probabilities` asks for it. Of
        labels with equal weight the one wins whose first voter comes first among the routes.

        Args:
            routes: name → model.
            weights: name → weight above 0, one for each model; equal when None.
            probabilities: answer the weighted mean of the probabilities of class 1 instead, and the label it stands
                for; of binary classifiers that decide at 0.5. One with more classes, or with a threshold of its own, is
                refused; where the labels told do not go with the probabilities, the request fails.
            missing: when a model fails, fail too (``refuse``), or go by those that answered (``ignore``). That a model
                refuses the request (4xx) is always told.
            detail: tell each model's prediction, under ``models``.

        Raises:
            InvalidStepError: when the graph is compiled: `weights` leave a model out, or one is not above 0.
        """
        given = {"weights": weights, "probabilities": probabilities, "missing": missing, "detail": detail}
        return _draft("vote", routes, given, _ENSEMBLE_DEFAULTS)

    @staticmethod
    @checks_call("Router.mean")
    def mean(
        routes: Routes,
        weights: Mapping[str, float] | None = None,
        *,
        missing: Literal["refuse", "ignore"] = "refuse",
        detail: bool = False,
    ) -> RouterDraft:
        """Return an ensemble of regressions: the weighted mean of their predictions.

        Each row is answered ``{"prediction": mean}``. The arguments, and what is refused, are those of :meth:`vote`.

        Raises:
            InvalidStepError: when the graph is compiled, or when the model is loaded: it is a classifier, whose labels
                have no mean.
        """
        return _draft("mean", routes, {"weights": weights, "missing": missing, "detail": detail}, _ENSEMBLE_DEFAULTS)

    @staticmethod
    @checks_call("Router.parallel")
    def parallel(
        routes: Routes,
        *,
        merge: Literal["route", "fields"] = "route",
        extend: bool = False,
        missing: Literal["refuse", "ignore"] = "refuse",
    ) -> RouterDraft:
        """Return a router that asks all of its models and answers with what each of them said.

        Each row is answered ``{"m1": answer, "m2": answer}``.

        Args:
            routes: name → model.
            merge: each answer under the name of its model (``route``), or one object of the fields of all, of equal
                ones the later model's (``fields``).
            extend: put that into a copy of the row; of equal fields the models' stay.
            missing: when a model fails, fail too (``refuse``), or leave it out (``ignore``).
        """
        settings = {"merge": merge, "extend": extend, "missing": missing}
        return _draft("parallel", routes, settings, {"merge": "route", "extend": False, "missing": "refuse"})

    @staticmethod
    @checks_call("Router.custom")
    def custom(router: str | type, routes: Routes, **settings: JsonValue) -> RouterDraft:
        """Return a router whose class the author writes.

        The class is constructed once, with `settings`, and with ``context`` when its constructor has an argument of
        that name. It must have ``choose(self, body, event, models)``: returns the name of one of its models, or a
        list of names, for the whole request. `body` is the row, or the list of rows; `models` holds the router's
        models by name, in the order of the routes. It may have ``merge(self, answers, body)``, asked when ``choose``
        returned a list: `answers` is name → list of answers, one a row; it returns one list, one answer a row.
        Without it each row is answered ``{name: answer}``. Both may be coroutine functions. ``start(self)`` and
        ``close(self)``, if there, are called when the server starts and ends. A request for a model's own path never
        reaches ``choose``.

        Args:
            router: ``module:Class`` or the class.
            routes: name → model.
            settings: arguments of its constructor, JSON values.

        Raises:
            InvalidStepError: when the graph is compiled: the class has no ``choose``, or `settings` do not fit.

        Example:
            >>> from ci_core.serving import Graph, Model
            >>> class Times(Model):
            ...     def __init__(self, factor):
            ...         self.factor = factor
            ...
            ...     def predict(self, rows):
            ...         return [row["x"] * self.factor for row in rows]
            >>> class BySize:
            ...     def __init__(self, limit):
            ...         self.limit = limit
            ...
            ...     def choose(self, body, event, models):
            ...         rows = body if isinstance(body, list) else [body]
            ...         return "small" if all(row["x"] < self.limit for row in rows) else ["small", "large"]
            ...
            ...     def merge(self, answers, body):
            ...         return [max(row) for row in zip(*answers.values())]
            >>> factors = {"small": 1, "large": 9}
            >>> routes = {name: Route(Times, arguments={"factor": one}) for name, one in factors.items()}
            >>> graph = Graph("sizes")
            >>> _ = graph.to(Router.custom(BySize, routes, limit=10))
            >>> graph.test({"x": 2}), graph.test([{"x": 2}, {"x": 20}])
            (2, [18, 180])
        """
        check_router_class(router)
        return _draft(router, routes, settings, {})


_ENSEMBLE_DEFAULTS: Mapping[str, JsonValue] = {
    "weights": None,
    "probabilities": False,
    "missing": "refuse",
    "detail": False,
}


def _draft(
    kind: str | type, routes: Routes, settings: Mapping[str, Any], defaults: Mapping[str, JsonValue]
) -> RouterDraft:
    """Return a draft that holds what differs from the defaults, so that the spec stays as short as YAML."""
    check_routes(f"Router.{kind}" if kind in ROUTER_KINDS else "Router.custom", routes)
    named = {name: route if isinstance(route, Route) else Route(route) for name, route in routes.items()}
    changed = {name: value for name, value in settings.items() if name not in defaults or value != defaults[name]}
    return RouterDraft(kind=kind, routes=named, settings=changed)
