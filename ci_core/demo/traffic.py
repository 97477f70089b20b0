"""Clients of a served graph: send a list of bodies, or keep sending until told to stop; count what failed.

Used by ``story.py`` and by tests that need traffic. Plain HTTP/1.1 with connections that are kept, as a client in
production does it; nothing is tried twice, so a failure that is counted is one that a client would have seen.
"""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    OnProgress = Callable[[int], None]
    """Told, now and then and from several threads, how many requests were sent so far."""

_JSON = {"content-type": "application/json"}
_OK = 200
_PROGRESS_EVERY = 100
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficReport:
    """What became of some requests."""

    sent: int
    failed: int
    """Requests without an answer, or with one of another status than 200."""
    seconds: float
    median_ms: float
    """Half of the answers took at most this long; NaN when there was none."""
    slow_ms: float
    """99 of 100 answers took at most this long; NaN when there was none."""
    first_failure: str | None = None

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.sent / self.seconds if self.seconds else 0.0


def send(
    url: str, bodies: Iterable[bytes], *, connections: int = 4, on_progress: OnProgress = lambda _sent: None
) -> TrafficReport:
    """Post each body once, in order of their starts, and wait for all answers.

    Args:
        url: of the served graph, such as ``http://127.0.0.1:8080``.
        bodies: JSON documents.
        connections: clients that send at the same time.
        on_progress: told how far it is.
    """
    with Hammer(url, bodies, connections=connections, on_progress=on_progress) as hammer:
        hammer.wait()
    return hammer.report()


class Hammer:
    """Clients that post bodies, one after the other, until the bodies or the ``with`` block end.

    Args:
        url: of the served graph.
        bodies: JSON documents; each is sent once.
        connections: clients that send at the same time.
        pause_s: rest of each client between an answer and its next request.
        on_progress: told how far it is.
    """

    def __init__(
        self,
        url: str,
        bodies: Iterable[bytes],
        *,
        connections: int = 2,
        pause_s: float = 0.0,
        on_progress: OnProgress = lambda _sent: None,
    ) -> None:
        address = urlsplit(url)
        self._host, self._port, self._path = address.hostname or "127.0.0.1", address.port, address.path or "/"
        self._bodies: Iterator[bytes] = iter(bodies)
        self._pause_s, self._on_progress = pause_s, on_progress
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._latencies_s: list[float] = []
        self._sent, self._failures = 0, list[str]()
        self._started_at, self._seconds = 0.0, 0.0
        self._threads = [
            threading.Thread(target=self._work, name=f"client-{number}", daemon=True) for number in range(connections)
        ]

    def __enter__(self) -> Self:
        self._started_at = time.perf_counter()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let every client finish the request it is at; none begins another."""
        self._stopping.set()
        self.wait()
        self._seconds = time.perf_counter() - self._started_at

    def wait(self) -> None:
        """Wait until all bodies are sent and answered."""
        for thread in self._threads:
            thread.join()

    @property
    def sent(self) -> int:
        """Requests that were begun so far."""
        return self._sent

    def report(self) -> TrafficReport:
        """Return what became of the requests so far."""
        with self._lock:
            ordered, failures, sent = sorted(self._latencies_s), list(self._failures), self._sent
        return TrafficReport(
            sent=sent,
            failed=len(failures),
            seconds=self._seconds or time.perf_counter() - self._started_at,
            median_ms=_quantile(ordered, 0.5) * 1000,
            slow_ms=_quantile(ordered, 0.99) * 1000,
            first_failure=failures[0] if failures else None,
        )

    def _work(self) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            while not self._stopping.is_set():
                body = self._next_body()
                if body is None:
                    return
                self._post(connection, body)
                if self._pause_s:
                    self._stopping.wait(self._pause_s)
        finally:
            connection.close()

    def _next_body(self) -> bytes | None:
        with self._lock:
            body = next(self._bodies, None)
            if body is None:
                return None
            self._sent += 1
            sent = self._sent
        if sent % _PROGRESS_EVERY == 0:
            self._on_progress(sent)
        return body

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        begin = time.perf_counter()
        failure = None
        try:
            connection.request("POST", self._path, body, _JSON)
            response = connection.getresponse()
            answer = response.read()
            if response.status != _OK:
                failure = f"status {response.status}: {answer[:200].decode('utf-8', 'replace')}"
        except (OSError, http.client.HTTPException) as error:
            failure = str(error) or type(error).__name__
            connection.close()  # the next request opens a new one
        taken_s = time.perf_counter() - begin
        with self._lock:
            if failure is None:
                self._latencies_s.append(taken_s)
            else:
                self._failures.append(failure)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")
