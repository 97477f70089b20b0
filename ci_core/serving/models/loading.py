"""A model that is loaded when its route says so: at the start, in the background, or on first use.

What routers and the server do with it is in ``served.py``.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal

from ci_core.errors import GraphshipError
from ci_core.serving.crashes import failure_of
from ci_core.serving.modules import graph_code_error
from ci_core.serving.problems import DeadlineError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci_core.serving.base import Model
    from ci_core.serving.spec import RouteSpec

logger = logging.getLogger(__name__)

LoadState = Literal["waiting", "loading", "ready", "failed"]

RETRY_LOAD_S = 10.0
"""After a failed load, the next is tried no sooner than this."""
_ASK_AGAIN_S = 1.0
_JOIN_S = 1.0


class LoadedModel:
    """A model and the state of its loading.

    Args:
        route: when it is loaded.
        model: not loaded yet.
        serving: whether requests come from a server. Else nothing happens in the background.
        code_root: folder of the user's code, when that is what `model` is; for tracebacks.
        clock: in seconds, of ``time.monotonic``.
        retry_s: see `RETRY_LOAD_S`.

    Attributes:
        key: name and version of the route, by which the graph knows it.
        load_state: how far it is.
    """

    def __init__(
        self,
        route: RouteSpec,
        model: Model,
        *,
        serving: bool = False,
        code_root: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        retry_s: float = RETRY_LOAD_S,
    ) -> None:
        self.route, self.model, self.key = route, model, route.key
        self.load_state: LoadState = "waiting"
        self._serving, self._code_root, self._clock, self._retry_s = serving, code_root, clock, retry_s
        self._is_ready = False
        self._failed_at = 0.0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._loader: threading.Thread | None = None
        self._load_under_way: Future[None] | None = None
        self._begin_lock = threading.Lock()

    @property
    def loads_after_fork(self) -> bool:
        """Whether each worker loads it for itself."""
        return bool(getattr(self.model, "loads_after_fork", False))

    @property
    def why_not_loaded(self) -> str:
        """Why it is not ready, as clients may see it; empty when it is. What failed is in the log."""
        waiting = "loads with the first request" if self.route.load == "first-use" else "not loaded yet"
        failed = "could not be loaded"
        return {"waiting": waiting, "loading": "still loading", "ready": "", "failed": failed}[self.load_state]

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

    def _start_loading(self) -> None:
        """Load it, or begin to, if it is time to.

        Raises:
            GraphshipError: it cannot be loaded.
        """
        self._closing.clear()
        if self._is_ready or self.route.load == "first-use":
            return
        if self.route.load == "background" and self._serving:
            self.load_state = "loading"
            name = f"graphship-load-{self.key}"
            self._loader = threading.Thread(target=self._load_until_ready, name=name, daemon=True)
            self._loader.start()
        else:
            self.load()

    def _stop_loading(self) -> None:
        """Try no more; a load under way is not waited for longer than a second."""
        self._closing.set()
        if self._loader is not None:
            self._loader.join(_JOIN_S)

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
        return self.load_state == "failed" and self._clock() - self._failed_at < self._retry_s

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
        if self.load_state != "failed":
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
        self.load_state = "failed"
        logger.error("model not loaded model=%s retry_s=%g", self.key, self._retry_s, exc_info=error)

    def load(self) -> None:
        """Load it here and now, unless it is loaded.

        Raises:
            GraphshipError: it cannot be loaded.
        """
        if self._is_ready:
            return
        self.load_state = "loading"
        try:
            self.model.load()
        except GraphshipError:
            self.load_state = "waiting"
            raise
        except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the model
            self.load_state = "waiting"
            error = failure_of(raised)
            if self._code_root is None:
                raise error  # noqa: B904 - it has its cause
            raise graph_code_error(f"the model `{self.key}`", error, self._code_root) from error
        self.load_state = "ready"
        self._is_ready = True
