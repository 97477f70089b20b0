"""What the serving process asks of a message broker.

A queue step puts a message into a stream; a consumer takes it out, runs the steps behind the queue, and acknowledges
it. The promise is *at least once*: a message that was put is taken again and again until it is acknowledged or has
become a dead letter. So a step behind a queue may see an event twice, and knows it by its id.

A stream has one reader: the queue step of one graph. Its processes share the messages among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from ci_core.errors import InvalidStepError, nearest, quoted
from ci_core.serving.problems import shown

if TYPE_CHECKING:
    from datetime import datetime

    from ci_core.serving.spec import StepSpec

DEFAULT_MAX_DELIVERIES: Final = 5
DEFAULT_MAX_LENGTH: Final = 100_000
DEAD_LETTERS_KEPT: Final = 10_000
"""Dead letters of one stream; of more the oldest is thrown away, and the log says so."""

_SETTINGS: Final = ("max-deliveries", "max-length", "concurrency")

FIRST_RETRY_WAIT_S: Final = 0.5
LONGEST_RETRY_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue step, as brokers know it."""

    stream: str
    """Where messages are kept; of one name within a broker."""
    reader: str
    """Who may take messages out of the stream: graph and step. Processes of one reader share the messages."""
    max_deliveries: int = DEFAULT_MAX_DELIVERIES
    """How often a message is tried before it becomes a dead letter."""
    max_length: int = DEFAULT_MAX_LENGTH
    """Messages that are not acknowledged yet; beyond, a put is refused."""
    concurrency: int = 1
    """Messages that one process works on side by side. With more than 1, which gains where steps are async, they may
    overtake each other."""

    @classmethod
    def of(cls, graph: str, step: StepSpec) -> Queue:
        """Return the queue of a queue step of the graph called `graph`.

        Raises:
            InvalidStepError: a setting does not exist, or is no whole number above 0.
        """
        settings: dict[str, Any] = {}
        for word, value in step.arguments.items():
            if word not in _SETTINGS:
                close = nearest(word, _SETTINGS)
                hint = f"did you mean `{close}`?" if close else f"a queue has {quoted(_SETTINGS)}"
                raise InvalidStepError(step=step.name, reason=f"is a queue, which has no setting `{word}`", hint=hint)
            if type(value) is not int or value < 1:
                reason = f"has the `{word}` {shown(value)}: expected a whole number from 1"
                raise InvalidStepError(step=step.name, reason=reason)
            settings[word.replace("-", "_")] = value
        return cls(stream=step.queue or step.name, reader=f"{graph}.{step.name}", **settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that was handed out once more."""

    id: str
    """The broker's own; the same at every delivery of one message."""
    payload: bytes
    attempt: int
    """1 at the first delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the steps behind a queue did not end."""

    error: str
    """Type and text of the exception."""
    step: str = ""
    """That failed; empty when it was not a step."""
    event_id: str = ""
    """Empty when the message could not even be read."""
    is_final: bool = False
    """Whether another delivery cannot help: the message becomes a dead letter at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that was given up."""

    id: str
    payload: bytes
    error: str
    step: str
    event_id: str
    time: datetime
    """When it was given up; with time zone."""
    attempts: int
    """How often it was delivered."""


class Broker(Protocol):
    """Keeps messages until they are acknowledged. Used on one event loop.

    Every method raises :class:`DependencyError` when the broker cannot be reached.
    """

    @property
    def is_lasting(self) -> bool:
        """Whether messages survive the process."""
        ...

    async def put(self, queue: Queue, payload: bytes, *, timeout_s: float) -> str:
        """Keep a message and return its id.

        Raises:
            OverloadedError: `max_length` messages wait already.
            DependencyError: it could not be kept within `timeout_s`; it may have been kept all the same.
        """
        ...

    async def take(self, queue: Queue, *, count: int, wait_s: float) -> list[Delivery]:
        """Hand out at most `count` messages, oldest first; wait at most `wait_s` for the first one.

        What is handed out stays with the taker until it is acknowledged or failed, or until the taker is gone.

        Raises:
            SharedStreamError: another queue step takes messages out of this stream.
        """
        ...

    async def acknowledge(self, queue: Queue, delivery: Delivery) -> None:
        """Forget a message: its steps ended."""
        ...

    async def fail(self, queue: Queue, delivery: Delivery, failure: Failure) -> bool:
        """Deliver the message again after a while, or give it up; return whether it became a dead letter."""
        ...

    async def depth(self, queue: Queue) -> int:
        """Return how many messages are not acknowledged, dead letters left out."""
        ...

    async def close(self) -> int:
        """End; return how many messages are lost by that, dead letters left out."""
        ...


class DeadLetters(Protocol):
    """Messages that were given up; every broker of ours keeps them."""

    async def dead_letters(self, stream: str, *, count: int = 100) -> list[DeadLetter]:
        """Return the oldest dead letters of a stream."""
        ...

    async def replay(self, stream: str, letter: DeadLetter) -> bool:
        """Put a dead letter into its stream again, its deliveries counted from 1; return whether it was still there."""
        ...


def retry_wait_s(attempt: int) -> float:
    """Return how long a message waits after a delivery that failed: half a second, doubled, a minute at most."""
    return min(FIRST_RETRY_WAIT_S * 2.0 ** min(attempt - 1, 20), LONGEST_RETRY_WAIT_S)
