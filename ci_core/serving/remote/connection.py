"""One connection to a service: carries one request at a time and hands its answer back whole.

Nothing of the service is trusted: heads, bodies and times are bounded, and a connection that carried anything odd is
closed instead of used again.
"""

# ruff: noqa: D102 - the callbacks are asyncio's and httptools'; what they promise is said there
from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from ci_core.errors import MissingExtraError
from ci_core.serving.remote.failures import CallError, CallTimeoutError, ConnectionLostError, MalformedAnswerError

try:
    import httptools
except ModuleNotFoundError as error:
    raise MissingExtraError(extra="serve", module="httptools") from error

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_FINAL_STATUS = 200
"""RFC 9110, section 15: 1xx is not the answer yet."""


class Answer(NamedTuple):
    """What a service answered."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """As they came: order, case and repetitions kept."""
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever the case of its name; None when it is not there."""
        wanted = name.lower().encode()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLimits:
    """What one answer may cost."""

    head_bytes: int = 64 * 1024
    """Status line and headers, also of what follows a chunked body. 64 KiB: twice what common servers send."""
    body_bytes: int = 8 * 1024 * 1024
    """8 MiB: a thousand rows of a hundred numbers as JSON are 2 MB."""


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        limits: of each answer.
        on_lost: called when the connection is closed, from either side.
    """

    def __init__(self, limits: AnswerLimits, on_lost: Callable[[Connection], None]) -> None:
        self.idle_since = 0.0
        self.is_fresh = True
        """Whether it has carried no request yet."""
        self._limits = limits
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._fault: CallError | None = None
        self._is_head_request = False
        self._can_be_reused = True
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._begin_answer()

    def _begin_answer(self) -> None:
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._body_bytes = 0
        self._quiet_bytes = 0
        """Received since the body last grew: heads, interim answers, chunk extensions, trailers."""
        self._has_begun = False

    @property
    def is_reusable(self) -> bool:
        """Whether it can carry another request."""
        transport = self._transport
        return (
            self._can_be_reused
            and self._waiter is None
            and transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() == 0  # answered before the request was out: the rest still comes
        )

    def send(self, request: bytes, *, is_head_request: bool, deadline: float) -> asyncio.Future[Answer]:
        """Send a request and return its answer to come.

        Args:
            request: head and body.
            is_head_request: whether the answer has no body whatever its head says.
            deadline: on the loop's clock; when it passes, the answer is a :class:`CallTimeoutError`.

        Raises (from the future):
            CallError: there is no answer.
        """
        waiter = self._waiter = self._loop.create_future()
        if not self.is_fresh:
            self._begin_answer()
        self.is_fresh = False
        if self._transport is None or self._transport.is_closing():
            self._fail(ConnectionLostError(has_begun=False, may_have_arrived=False))
            return waiter
        self._is_head_request = is_head_request
        self._deadline = deadline
        # one timer serves many requests: it is set again when it goes off too early, which costs less than one each
        if self._timer is None or self._timer.when() > deadline:
            self._set_timer()
        self._transport.write(request)
        return waiter

    def close(self) -> None:
        """Close at once; whoever waits is told that the connection was lost."""
        self._can_be_reused = False
        if self._transport is not None:
            self._transport.abort()

    # deadline

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look_at_clock)

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._fail(CallTimeoutError(may_have_arrived=True))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.close()  # nobody asked: what comes next could be taken for the next answer
            return
        self._has_begun = True
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fault = MalformedAnswerError("it switches to another protocol")
        except httptools.HttpParserError as error:
            self._can_be_reused = False
            self._fault = self._fault or MalformedAnswerError(f"it is no HTTP/1.1: {error}")
        if self._quiet_bytes > self._limits.head_bytes:
            self._fault = self._fault or self._head_too_large()
        if self._fault is not None:
            self._fail(self._fault)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._can_be_reused = False
        if self._waiter is not None:
            if exc is None and self._is_ended_by_close():
                self._finish()
            else:
                self._fail(ConnectionLostError(has_begun=self._has_begun))
        del self._parser  # parser and connection hold each other, and servers run with a lazy garbage collector
        self._on_lost(self)

    def _is_ended_by_close(self) -> bool:
        """Whether the answer has no length of its own (RFC 9112, section 6.3, rule 8), so that its end is the close."""
        names = {name.lower() for name, _ in self._headers}
        is_head_complete = self._status >= _FIRST_FINAL_STATUS
        return is_head_complete and not names & {b"content-length", b"transfer-encoding"}

    # httptools

    def on_message_begin(self) -> None:
        if self._waiter is None:
            self._can_be_reused = False  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._status < _FIRST_FINAL_STATUS:  # else it is a trailer
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._waiter is None:
            return
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            self._headers = []
            return
        self._status = status
        if self._quiet_bytes > self._limits.head_bytes and self._head_bytes() > self._limits.head_bytes:
            self._fault = self._head_too_large()
        elif self._is_head_request:
            # the parser would wait for a body, so this connection ends here
            self._can_be_reused = False
            self._finish()
        self._quiet_bytes = 0

    def on_body(self, body: bytes) -> None:
        if self._waiter is None or self._fault is not None:
            return
        self._quiet_bytes = 0
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._pieces.clear()
            self._fault = MalformedAnswerError(f"it is larger than {self._limits.body_bytes} bytes")
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._status < _FIRST_FINAL_STATUS or self._waiter is None or self._fault is not None:
            return
        if not self._parser.should_keep_alive():
            self._can_be_reused = False
        self._finish()

    # ends

    def _head_bytes(self) -> int:
        return sum(len(name) + len(value) for name, value in self._headers)

    def _head_too_large(self) -> CallError:
        return MalformedAnswerError(f"its head is larger than {self._limits.head_bytes} bytes")

    def _finish(self) -> None:
        waiter, self._waiter = self._waiter, None
        pieces = self._pieces
        if waiter is not None and not waiter.done():
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            waiter.set_result(Answer(self._status, self._headers, body))

    def _fail(self, error: CallError) -> None:
        waiter, self._waiter = self._waiter, None
        self.close()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
