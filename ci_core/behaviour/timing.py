"""Let two graphs answer the same requests in turns, so that what slows the machine down hits both.

In one round both answer on the same processor, and in the next one on the next: else the one whose processor is shared
with somebody else's program would look slow.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ci_core.behaviour.latency import LEAST_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.behaviour.side import Side

BLOCK_S: Final = 0.03
"""One block of requests: much longer than a call, much shorter than the whims of a shared machine."""
BLOCK_REQUESTS: Final = 200
"""Few requests are asked several times in a block, up to so many."""
MOST_ROUNDS: Final = 20
MOST_S: Final = 15.0
"""For all rounds together. Requests of which six rounds take longer are not timed in turns."""
_OUTLIER: Final = 20
"""Times the median: no request takes so long again."""
_GRACE = 50.0
"""A block that takes so many times as long as it should, and ten seconds more, hangs."""
_GRACE_S = 10.0


@dataclass(slots=True, kw_only=True)
class Times:
    """The seconds of each request, block by block."""

    base: list[list[float]] = field(default_factory=list)
    head: list[list[float]] = field(default_factory=list)


def choose_block(seconds: Mapping[int, float]) -> tuple[int, ...]:
    """Return the numbers of the requests that one block asks (pure): all, a part, or all several times.

    Args:
        seconds: number of the request → how long it takes.
    """
    numbers = sorted(seconds)
    total = sum(seconds.values())
    if total <= BLOCK_S:
        repeats = max(1, min(BLOCK_REQUESTS // len(numbers), int(BLOCK_S / total) if total > 0 else 1))
        return tuple(numbers * repeats)
    count = max(1, round(len(numbers) * BLOCK_S / total))
    return tuple(numbers[len(numbers) * index // count] for index in range(count))


def rounds_in_time(block_s: float) -> int:
    """Return how many rounds of four blocks are made (pure); 0 when there is no time for enough of them."""
    rounds = min(MOST_ROUNDS, int(MOST_S / (4 * block_s))) if block_s > 0 else MOST_ROUNDS
    return rounds if rounds >= LEAST_ROUNDS else 0


def take_turns(base: Side, head: Side, seconds: Mapping[int, float]) -> Times | None:
    """Time both graphs in rounds of base, head, head, base; None when their requests take too long for that.

    Args:
        base: a graph that answers these requests.
        head: another one.
        seconds: number of the request → how long the slower of both took.

    Raises:
        SideFailedError: one of them hangs or ended.
    """
    block = choose_block(seconds)
    expected_s = sum(seconds[number] for number in block)
    if rounds_in_time(expected_s) == 0:
        return None
    within_s = _GRACE_S + _GRACE * expected_s
    warm = [sum(side.time(block, within_s=within_s)) for side in (base, head)]
    times = Times()
    processors = _processors()
    deadline = time.monotonic() + MOST_S
    for number in range(rounds_in_time(max(warm))):
        if number >= LEAST_ROUNDS and time.monotonic() > deadline:  # the machine has more to do than this
            break
        if processors:
            for side in (base, head):
                side.stay_on(processors[number % len(processors)])
        for side, blocks in ((base, times.base), (head, times.head), (head, times.head), (base, times.base)):
            blocks.append(side.time(block, within_s=within_s))
    return times


def _processors() -> list[int]:
    """Return the processors that we may use; empty where the system does not let us choose."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def flat(blocks: Sequence[Sequence[float]]) -> list[float]:
    """Return the times of all blocks."""
    return [seconds for block in blocks for seconds in block]


def typical(seconds: Mapping[int, float]) -> list[float]:
    """Return the times of a single pass, without the first request when there are more: it may load things."""
    ordered = [seconds[number] for number in sorted(seconds)]
    return ordered[1:] if len(ordered) > 1 else ordered


def slower(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    """Return the longer time of each request that both answered; what a first call took for loading things is cut."""
    longer = {number: max(one[number], other[number]) for number in sorted(one.keys() & other.keys())}
    most = _OUTLIER * statistics.median(longer.values()) if longer else 0.0
    return {number: min(seconds, most) for number, seconds in longer.items()}
