"""A model as a plan holds it: loaded when its route says so, alone or with requests joined into batches.

Routers call it, the server asks it whether it is ready. It adds nothing to a call of a model that is ready but one
look at a flag.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ci_core.errors import GraphshipError
from ci_core.serving.crashes import failure_of
from ci_core.serving.modules import graph_code_error
from ci_core.serving.problems import DeadlineError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.base import Model, ModelCall, Row
    from ci_core.serving.batching import Batcher
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.spec import RouteSpec
    from ci_core.serving.table import Table
    from ci_core.types import JsonValue

logger = logging.getLogger(__name__)

State = Literal["waiting", "loading", "ready", "failed"]

RETRY_LOAD_S = 10.0
"""After a failed load, the next is tried no sooner than this."""
_ASK_AGAIN_S = 1.0
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper edges of the histogram of rows a call."""
_JOIN_S = 1.0


class ServedModel:
    """A model with its route.

    Args:
        route: when and how.
        model: not loaded yet.
        batching: whether the plan may join requests; the route and the model have a say, too.
        serving: whether requests come from a server. Else nothing happens in the background.
        code_root: folder of the user's code, when that is what `model` is; for tracebacks.
        clock: in seconds, of ``time.monotonic``.
        retry_s: see `RETRY_LOAD_S`.

    Attributes:
        name: of the route.
        version: of the route, or None.
        key: name and version, by which the graph knows it.
        state: ``waiting``, ``loading``, ``ready`` or ``failed``.
        is_batched: whether requests that are ready together share a call.
        is_async: whether :meth:`call_async` is to be awaited instead of :meth:`call`.
        delays_readiness: whether a server is not ready before this model is; not of one that loads on first use,
            which a server that gets no requests would never load.
    """

    def __init__(
        self,
        route: RouteSpec,
        model: Model,
        *,
        batching: bool = False,
        serving: bool = False,
        code_root: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        retry_s: float = RETRY_LOAD_S,
    ) -> None:
        self.route, self.model = route, model
        self.name, self.version, self.key = route.name, route.version, route.key
        self.state: State = "waiting"
        self.is_batched = batching and (route.batch == "on" or (route.batch == "auto" and self.gains_from_batches))
        # awaited, so that its loading does not stop the other requests of a server
        self.is_async = self.is_batched or (serving and route.load == "first-use")
        self.delays_readiness = route.load != "first-use"
        self._call = model.call
        self._is_ready = False
        self._failed_at = 0.0
        self._serving, self._code_root, self._clock, self._retry_s = serving, code_root, clock, retry_s
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._loader: threading.Thread | None = None
        self._load_under_way: Future[None] | None = None
        self._begin_lock = threading.Lock()
        self._batcher: Batcher | None = None
        self._is_started = False

    @property
    def reason(self) -> str:
        """Why it is not ready, as clients may see it; empty when it is. What failed is in the log."""
        waiting = "loads with the first request" if self.route.load == "first-use" else "not loaded yet"
        failed = "could not be loaded"
        return {"waiting": waiting, "loading": "still loading", "ready": "", "failed": failed}[self.state]

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Names of the columns it reads; until it is loaded, what the route says."""
        return self.model.input_columns or self.route.columns

    @property
    def columns(self) -> tuple[Any, ...]:
        """The columns it reads with their kinds; empty when nobody knows."""
        return getattr(self.model, "columns", ())

    @property
    def operations(self) -> tuple[str, ...]:
        """What can be asked of it beside ``infer``."""
        return getattr(self.model, "operations", ())

    @property
    def loads_after_fork(self) -> bool:
        """Whether each worker loads it for itself."""
        return bool(getattr(self.model, "loads_after_fork", False))

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

    def prepare(self) -> None:
        """Load now what may be loaded before a fork, so that workers share its memory.

        Raises:
            GraphshipError: it cannot be loaded.
        """
        if self.route.load == "start" and not self.loads_after_fork:
            self.load()
            rehearse = getattr(self.model, "rehearse", None) if self._serving else None
            if callable(rehearse):
                rehearse()

    def start(self) -> None:
        """Load what is not loaded yet, or begin to; called in the process that serves.

        Raises:
            GraphshipError: it cannot be loaded.
        """
        if self._is_started:
            return
        self._is_started = True
        self._closing.clear()
        if self.is_batched:
            from ci_core.serving.batching import Batcher

            route = self.route
            self._batcher = Batcher(self._call, max_rows=route.max_batch_rows, window_s=route.batch_window_s)
        if self._is_ready or self.route.load == "first-use":
            return
        if self.route.load == "background" and self._serving:
            self.state = "loading"
            name = f"graphship-load-{self.key}"
            self._loader = threading.Thread(target=self._load_until_ready, name=name, daemon=True)
            self._loader.start()
        else:
            self.load()

    def follow(self, metrics: Metrics) -> None:
        """Let `metrics` tell how requests are joined; once, after :meth:`start`."""
        batcher = self._batcher
        if batcher is None:
            return
        text = "Rows that wait for the next call of a model that requests share."
        metrics.follow_gauge("graphship_model_waiting_rows", text, lambda: batcher.waiting_rows, model=self.key)
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
            self.model.is_observed = False  # type: ignore[attr-defined]  # of the base class of users' models

    def close(self) -> None:
        """End what was begun; a load under way is not waited for longer than a second."""
        self._is_started = False
        self._closing.set()
        if self._loader is not None:
            self._loader.join(_JOIN_S)
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

    async def _make_ready_async(self, deadline: float | None) -> None:
        """Await the load on first use that is under way, or begin it; refuse the request of any other model."""
        if self.route.load != "first-use" or self._rests():
            raise self._not_ready()
        try:
            async with asyncio.timeout(None if deadline is None else max(0.0, deadline - self._clock())):
                # a load is running from its beginning on, so that nobody who waits for it can cancel it
                await asyncio.wrap_future(self._begun_load())
        except TimeoutError:
            raise self._too_late() from None
        if not self._is_ready:
            raise self._not_ready()

    def _begun_load(self) -> Future[None]:
        """Return the load that is under way, in a thread of its own: the loop's are for short calls."""
        with self._begin_lock:
            load = self._load_under_way
            if load is None:
                load = self._load_under_way = Future()
                load.set_running_or_notify_cancel()
                name = f"graphship-load-{self.key}"
                threading.Thread(target=self._load_for_all, args=(load,), name=name, daemon=True).start()
            return load

    def _load_for_all(self, load: Future[None]) -> None:
        try:
            self._make_ready(None)
        except Exception:  # noqa: BLE001 - it was noted, and is told to each who waits
            logger.debug("model not loaded model=%s", self.key)
        finally:
            with self._begin_lock:
                self._load_under_way = None
            load.set_result(None)

    def _rests(self) -> bool:
        """Whether its last load failed so lately that it is not tried again yet."""
        return self.state == "failed" and self._clock() - self._failed_at < self._retry_s

    def _too_late(self) -> DeadlineError:
        return DeadlineError(f"the deadline passed while the model `{self.key}` was loading")

    def _make_ready(self, deadline: float | None) -> None:
        """Load a model that loads on first use; refuse the request of any other."""
        if self.route.load != "first-use":
            raise self._not_ready()
        timeout = -1 if deadline is None else max(0.0, deadline - self._clock())
        if not self._lock.acquire(timeout=timeout):
            raise self._too_late()
        try:
            if self._is_ready:
                return
            if self._rests():
                raise self._not_ready()
            try:
                self.load()
            except Exception as error:
                self._note_failure(error)
                raise self._not_ready() from error
        finally:
            self._lock.release()

    def _not_ready(self) -> NotReadyError:
        if self.state != "failed":
            return NotReadyError(f"the model `{self.key}` is still loading", retry_after_s=_ASK_AGAIN_S)
        wait_s = self._retry_s - (self._clock() - self._failed_at)
        # why is for those who run the server, not for its clients
        return NotReadyError(f"the model `{self.key}` could not be loaded", retry_after_s=max(_ASK_AGAIN_S, wait_s))

    def _load_until_ready(self) -> None:
        while not self._closing.is_set():
            try:
                self.load()
            except Exception as error:  # noqa: BLE001 - it is told in the log and by readiness, and tried again
                self._note_failure(error)
            else:
                return
            self._closing.wait(self._retry_s)

    def _note_failure(self, error: Exception) -> None:
        self._failed_at = self._clock()
        self.state = "failed"
        logger.error("model not loaded model=%s retry_s=%g", self.key, self._retry_s, exc_info=error)

    def load(self) -> None:
        """Load it here and now, unless it is loaded.

        Raises:
            GraphshipError: it cannot be loaded.
        """
        if self._is_ready:
            return
        self.state = "loading"
        try:
            self.model.load()
        except GraphshipError:
            self.state = "waiting"
            raise
        except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the model
            self.state = "waiting"
            error = failure_of(raised)
            if self._code_root is None:
                raise error  # noqa: B904 - it has its cause
            raise graph_code_error(f"the model `{self.key}`", error, self._code_root) from error
        self.state = "ready"
        self._is_ready = True

    def __repr__(self) -> str:
        return f"ServedModel({self.key!r}, {self.state})"
