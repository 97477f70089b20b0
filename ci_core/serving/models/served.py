"""A model as a plan holds it: loaded when its route says so, and called alone or with requests joined into batches.

Routers call it, the server asks it whether it is ready. It adds nothing to a call of a model that is ready but one
look at a flag.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ci_core.serving.models.loading import RETRY_LOAD_S, LoadedModel, LoadState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.base import Model, ModelCall, Row
    from ci_core.serving.batching import Batcher
    from ci_core.serving.lane import Isolation
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.spec import RouteSpec
    from ci_core.serving.table import Table
    from ci_core.types import JsonValue

    State: TypeAlias = LoadState | Literal["stuck"]

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper edges of the histogram of rows a call."""


class ServedModel(LoadedModel):
    """A model with its route.

    Args:
        route: when and how.
        model: not loaded yet.
        batching: whether the plan may join requests; the route and the model have a say, too.
        isolate: whether a call of the user's own code may hang and must not stop other requests: a time limit is set.
        serving: whether requests come from a server. Else nothing happens in the background.
        code_root: folder of the user's code, when that is what `model` is; for tracebacks.
        clock: in seconds, of ``time.monotonic``.
        retry_s: see `RETRY_LOAD_S`.

    Attributes:
        name: of the route.
        version: of the route, or None.
        key: name and version, by which the graph knows it.
        is_batched: whether requests that are ready together share a call.
        is_isolated: whether it is called in a thread of its own, where a call that hangs can be left behind.
        is_async: whether :meth:`call_async` is to be awaited instead of :meth:`call`.
    """

    def __init__(
        self,
        route: RouteSpec,
        model: Model,
        *,
        batching: bool = False,
        isolate: bool = False,
        serving: bool = False,
        code_root: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        retry_s: float = RETRY_LOAD_S,
    ) -> None:
        super().__init__(route, model, serving=serving, code_root=code_root, clock=clock, retry_s=retry_s)
        self.name, self.version = route.name, route.version
        self.is_batched = batching and (route.batch == "on" or (route.batch == "auto" and self.gains_from_batches))
        # what a file holds computes, and so ends
        self.is_isolated = isolate and serving and not route.is_file
        # awaited, so that its loading does not stop the other requests of a server
        self.is_async = self.is_batched or self.is_isolated or (serving and route.load == "first-use")
        self._in_flight: Callable[[], int] | None = None
        self._call = model.call
        self._batcher: Batcher | None = None
        self._is_started = False

    def isolate(self) -> None:
        """Call it in a thread of its own, whatever it is; before :meth:`start`, and by those who can await it."""
        self.is_isolated = self.is_async = True

    def tell_in_flight(self, in_flight: Callable[[], int]) -> None:
        """Let a window for batches end as soon as all the requests wait that a server has begun and not answered."""
        self._in_flight = in_flight
        if self._batcher is not None:
            self._batcher.in_flight = in_flight

    @property
    def state(self) -> State:
        """Whether it can answer: ``waiting``, ``loading``, ``ready``, ``failed``, or ``stuck``."""
        batcher = self._batcher
        return "stuck" if batcher is not None and batcher.is_stuck else self.load_state

    @property
    def reason(self) -> str:
        """Why it is not ready, as clients may see it; empty when it is. What failed is in the log."""
        return "too many of its calls hang" if self.state == "stuck" else self.why_not_loaded

    @property
    def delays_readiness(self) -> bool:
        """Whether a server is not ready before this model is; not of one that loads on first use.

        A server that gets no requests would never load it.
        """
        return self.route.load != "first-use" or self.state == "stuck"

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Names of the columns it reads; until it is loaded, what the route says."""
        return self.model.input_columns or self.route.columns

    @property
    def columns(self) -> tuple[Any, ...]:
        """The columns it reads with their kinds; empty when nobody knows."""
        return getattr(self.model, "columns", ())

    @property
    def output_columns(self) -> Mapping[str, str]:
        """Field of its answers → kind; empty when nobody knows."""
        return getattr(self.model, "output_columns", {})

    @property
    def reads_nothing_else(self) -> bool:
        """Whether a column that is not among :attr:`input_columns` is of no use to it."""
        return bool(getattr(self.model, "reads_nothing_else", False))

    @property
    def operations(self) -> tuple[str, ...]:
        """What can be asked of it beside ``infer``."""
        return getattr(self.model, "operations", ())

    @property
    def gains_from_batches(self) -> bool:
        """Whether one call of n rows costs much less than n calls."""
        return bool(getattr(self.model, "gains_from_batches", False))

    @property
    def takes_tables(self) -> bool:
        """Whether a call may get a table instead of rows."""
        return not self.is_batched and getattr(self.model, "takes_tables", False)

    @property
    def n_classes(self) -> int | None:
        """How many classes a classifier has; None when nobody knows."""
        return getattr(self.model, "n_classes", None)

    @property
    def decides_itself(self) -> bool:
        """Whether its label may be another than that of the highest probability."""
        return bool(getattr(self.model, "decides_itself", False))

    def start(self) -> None:
        """Load what is not loaded yet, or begin to; called in the process that serves.

        Raises:
            GraphshipError: it cannot be loaded.
        """
        if self._is_started:
            return
        self._is_started = True
        if self.is_batched or self.is_isolated:
            self._batcher = self._make_batcher()
        self._start_loading()

    def _make_batcher(self) -> Batcher:
        from ci_core.serving.batching import Batcher

        route = self.route
        isolation: Isolation = "always" if self.is_isolated else "never" if route.is_file else "deadlines"
        return Batcher(
            self._call,
            name=self.key,
            max_rows=route.max_batch_rows,
            window_s=route.batch_window_s,
            in_flight=self._in_flight,
            joins=self.is_batched,
            isolate=isolation,
        )

    def follow(self, metrics: Metrics) -> None:
        """Let `metrics` tell how requests are joined, and what hangs; once, after :meth:`start`."""
        batcher = self._batcher
        if batcher is None:
            return
        text = "Rows that wait for the next call of a model that is called in turns."
        metrics.follow_gauge("graphship_model_waiting_rows", text, lambda: batcher.waiting_rows, model=self.key)
        text = "Calls of a model that hang, were left behind, and have not come back."
        metrics.follow_gauge("graphship_model_stuck_calls", text, lambda: batcher.stuck_calls, model=self.key)
        if not self.is_batched:
            return
        text = "Rows of one call of a model that requests share."
        sizes = metrics.histogram("graphship_model_call_rows", text, _ROWS, model=self.key)
        call = batcher.call

        def counted(rows: list[Row]) -> ModelCall:
            sizes.observe(len(rows))
            return call(rows)

        batcher.call = counted

    def ignore_calls(self) -> None:
        """Take note that nobody reads more of the model's calls than their answers; a user's model then saves that."""
        if getattr(self.model, "is_observed", False):
            # of the base class of users' models; not by its own `__setattr__`, as it may be a frozen dataclass
            object.__setattr__(self.model, "is_observed", False)

    def close(self) -> None:
        """End what was begun; a load under way is not waited for longer than a second."""
        self._is_started = False
        self._stop_loading()
        if self._batcher is not None:
            self._batcher.close()
            self._batcher = None
        close = getattr(self.model, "close", None)
        if callable(close):
            close()

    def call(self, rows: list[Row] | Table, deadline: float | None = None) -> ModelCall:
        """Answer `rows` alone, whether or not the model is batched.

        Args:
            rows: at least one.
            deadline: on the clock; until then a model that loads on first use is waited for.

        Raises:
            NotReadyError: the model is loading, or could not be loaded.
            DeadlineError: the deadline passed while another request had it loaded.
            RequestError: a row cannot be used.
        """
        if not self._is_ready:
            self._make_ready(deadline)
        return self._call(rows)  # type: ignore[arg-type]  # a table only when `takes_tables`

    def call_async(self, rows: list[Row] | Table, deadline: float | None = None) -> Awaitable[ModelCall]:
        """Answer `rows`, together with other requests when the model is batched; see :meth:`call`."""
        if self._is_ready and self._batcher is not None:
            return self._batcher(rows, deadline)  # type: ignore[arg-type]  # without a coroutine around it
        return self._call_when_ready(rows, deadline)

    async def _call_when_ready(self, rows: list[Row] | Table, deadline: float | None) -> ModelCall:
        if not self._is_ready:
            await self._make_ready_async(deadline)
        if self._batcher is None:
            return self._call(rows)  # type: ignore[arg-type]
        return await self._batcher(rows, deadline)  # type: ignore[arg-type]

    def operate(self, operation: str, rows: list[Row], deadline: float | None = None) -> list[JsonValue]:
        """Return one answer a row of one of :attr:`operations`; see :meth:`call`."""
        if not self._is_ready:
            self._make_ready(deadline)
        return self.model.operate(operation, rows)

    async def operate_async(self, operation: str, rows: list[Row], deadline: float | None = None) -> list[JsonValue]:
        """Return one answer a row of one of :attr:`operations`; see :meth:`call`."""
        if not self._is_ready:
            await self._make_ready_async(deadline)
        if self._batcher is None:
            return self.model.operate(operation, rows)
        # never while it is called for rows of others
        answers: list[JsonValue] = await self._batcher.run(
            partial(self.model.operate, operation, rows), len(rows), deadline
        )
        return answers

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return one output a row of a table; see ``ci_core.serving.base.Model.score``."""
        if not self._is_ready:
            self._make_ready(None)
        return self.model.score(columns)

    def __repr__(self) -> str:
        return f"ServedModel({self.key!r}, {self.state})"
