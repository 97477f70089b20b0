"""Routers as a graph's author writes them: descriptions, from which the builder makes a spec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.spec import Load, Switch
    from ci_core.types import JsonValue


@dataclass(frozen=True, slots=True)
class Route:
    """A model with what it must be told.

    Attributes:
        model: file relative to the project, ``module:Class``, or a subclass of ``Model``.
        columns: names of the columns, in order, of a model that takes one matrix and does not know them.
        arguments: constructor arguments of a model class.
        load: before the server answers (``start``), beside the first requests (``background``), or by the first request
            (``first-use``). Until then requests of a model in the background are answered 503.
        batch: whether requests that are ready together share a call; ``auto``: when the model gains from it.
        max_batch_rows: rows of such a call at most.
        batch_window: how long to wait for more requests, in seconds; 0 never waits while the model is idle.
        trust: types in a skops file that the author vouches for: trees and forests need
            ``sklearn.tree._tree.Tree``.
        lower: whether a release replaces the model by an equal, cheaper form.
    """

    model: str | type
    columns: tuple[str, ...] | list[str] = ()
    arguments: Mapping[str, JsonValue] | None = None
    load: Load = "start"
    batch: Switch = "auto"
    max_batch_rows: int = 1024
    batch_window: float = 0.0
    trust: tuple[str, ...] | list[str] = ()
    lower: Switch = "auto"


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
    gets one answer, a list of objects gets a list.
    """

    @staticmethod
    def single(routes: Routes, *, field: str = "model") -> RouterDraft:
        """Return a router that gives each event to one of its models.

        The model is chosen by the path, else by a field of the body when it is one object, else it is the first.

        Args:
            routes: name → model.
            field: of the body, with the value ``name`` or ``name:version``.
        """
        return _draft("single", routes, {"field": field}, {"field": "model"})

    @staticmethod
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
        """
        return _draft("weighted", routes, {"weights": dict(weights), "key": key}, {"key": None})

    @staticmethod
    def shadow(routes: Routes, live: str | None = None, *, waiting: int = 256) -> RouterDraft:
        """Return a router whose one model answers, while the others get the same rows for comparison.

        What the others say reaches captures and metrics only. In a server they run in one thread of their own, after
        the answer; in ``graph.test`` right after it.

        Args:
            routes: name → model.
            live: the model that answers; the first when None.
            waiting: requests that may wait for the others; more are dropped and counted.
        """
        return _draft("shadow", routes, {"live": live, "waiting": waiting}, {"live": None, "waiting": 256})

    @staticmethod
    def vote(
        routes: Routes,
        weights: Mapping[str, float] | None = None,
        *,
        probabilities: bool = False,
        missing: Literal["refuse", "ignore"] = "refuse",
        detail: bool = False,
    ) -> RouterDraft:
        """Return an ensemble of classifiers: the label with the most weight behind it.

        Of labels with equal weight the one wins whose first voter comes first among the routes.

        Args:
            routes: name → model.
            weights: name → weight above 0, one for each model; equal when None.
            probabilities: answer the weighted mean of the probabilities of class 1 instead, and the label it stands
                for; of binary classifiers that decide at 0.5.
            missing: when a model fails, fail too (``refuse``), or go by those that answered (``ignore``). That a model
                refuses the request (4xx) is always told.
            detail: tell each model's prediction, under ``models``.
        """
        given = {"weights": weights, "probabilities": probabilities, "missing": missing, "detail": detail}
        return _draft("vote", routes, given, _ENSEMBLE_DEFAULTS)

    @staticmethod
    def mean(
        routes: Routes,
        weights: Mapping[str, float] | None = None,
        *,
        missing: Literal["refuse", "ignore"] = "refuse",
        detail: bool = False,
    ) -> RouterDraft:
        """Return an ensemble of regressions: the weighted mean of their predictions. Arguments as of :meth:`vote`."""
        return _draft("mean", routes, {"weights": weights, "missing": missing, "detail": detail}, _ENSEMBLE_DEFAULTS)

    @staticmethod
    def parallel(
        routes: Routes,
        *,
        merge: Literal["route", "fields"] = "route",
        missing: Literal["refuse", "ignore"] = "refuse",
    ) -> RouterDraft:
        """Return a router that asks all of its models and answers with what each of them said.

        Args:
            routes: name → model.
            merge: each answer under the name of its model (``route``), or one object of the fields of all, of equal
                ones the later model's (``fields``).
            missing: when a model fails, fail too (``refuse``), or leave it out (``ignore``).
        """
        settings = {"merge": merge, "missing": missing}
        return _draft("parallel", routes, settings, {"merge": "route", "missing": "refuse"})

    @staticmethod
    def custom(router: str | type, routes: Routes, **settings: JsonValue) -> RouterDraft:
        """Return a router whose class the author writes.

        Args:
            router: ``module:Class`` or the class: ``choose(body, event, models)`` returns the name of a model, or a
                list of names; ``merge(answers, body)``, if it has one, makes one answer a row of ``{name: answers}``.
                Both may be coroutine functions.
            routes: name → model.
            settings: arguments of its constructor, JSON values.
        """
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
    named = {name: route if isinstance(route, Route) else Route(route) for name, route in routes.items()}
    changed = {name: value for name, value in settings.items() if name not in defaults or value != defaults[name]}
    return RouterDraft(kind=kind, routes=named, settings=changed)
