"""How long a host is waited for: reads again, writes never, limits as long as it asks, all out of one budget."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - in signatures of fixtures' values

import pytest

from ci_core.errors import HostAnswerError, HostError, HostLimitError, HostTokenError, HostUnreachableError
from ci_core.hosts.patience import Patience

DOWN = HostUnreachableError(host="https://example.com", action="list comments", reason="502 Bad Gateway")
PAGE = HostAnswerError(host="https://example.com", action="list comments", reason="a page, not JSON")
DENIED = HostTokenError(host="https://example.com", action="list comments", reason="it is expired", hint="make one")


def limit(wait_s: float | None) -> HostLimitError:
    return HostLimitError(host="https://example.com", action="write a comment", wait_s=wait_s)


class Waits:
    """What was waited for; no time passes."""

    def __init__(self, budget_s: float = 120.0) -> None:
        self.seconds: list[float] = []
        self.said: list[str] = []
        self.patience = Patience(budget_s=budget_s, say=self.said.append, sleep=self.seconds.append)

    def were(self, *seconds: float) -> bool:
        """Say whether so long was waited for, apart from what is added at random: at most a tenth."""
        pairs = zip(self.seconds, seconds, strict=True)
        return all(asked <= waited <= asked * 1.1 for waited, asked in pairs)


def failing(*errors: HostError) -> Callable[[], str]:
    left = list(errors)

    def once() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return once


@pytest.mark.parametrize("error", [DOWN, PAGE])
def test_a_read_that_was_not_answered_is_asked_again(error: HostError) -> None:
    waits = Waits()

    assert waits.patience.read(failing(error, error, error)) == "done"

    assert waits.were(1, 2, 4)
    assert waits.said[0].endswith("asking again (waiting 1 s)")


def test_a_read_that_is_never_answered_ends_with_the_last_error() -> None:
    with pytest.raises(HostUnreachableError):
        Waits().patience.read(failing(DOWN, DOWN, DOWN, DOWN))


def test_a_write_that_was_not_answered_is_not_repeated_but_the_next_one_comes_later() -> None:
    waits = Waits()

    for _ in range(4):
        with pytest.raises(HostUnreachableError):
            waits.patience.write(failing(DOWN))

    assert waits.were(1, 2, 4, 4)


def test_after_a_write_that_went_well_the_pauses_begin_anew() -> None:
    waits = Waits()

    for once in (failing(DOWN), failing(), failing(DOWN)):
        try:
            waits.patience.write(once)
        except HostUnreachableError:
            continue

    assert waits.were(1, 1)


@pytest.mark.parametrize("ask", [Patience.read, Patience.write])
def test_a_limit_is_waited_for_as_long_as_the_host_asks(ask: Callable[[Patience, Callable[[], str]], str]) -> None:
    waits = Waits()

    assert ask(waits.patience, failing(limit(17))) == "done"

    assert waits.were(17)
    assert "takes no more requests" in waits.said[0]


def test_a_limit_without_a_time_is_waited_for_a_minute_then_two() -> None:
    waits = Waits(budget_s=1_000)

    waits.patience.write(failing(limit(None), limit(None)))

    assert waits.were(60, 120)


def test_a_limit_that_ends_after_the_budget_costs_no_time() -> None:
    """D13: the reset of the primary limit is 40 minutes away."""
    waits = Waits()

    with pytest.raises(HostLimitError) as caught:
        waits.patience.write(failing(limit(2_400)))

    assert waits.seconds == []
    assert caught.value.wait_s == 2_400


def test_all_pauses_of_a_run_come_out_of_one_budget() -> None:
    """D16."""
    waits = Waits(budget_s=30)

    waits.patience.read(failing(limit(20)))
    with pytest.raises(HostLimitError) as caught:
        waits.patience.read(failing(limit(20)))

    assert sum(waits.seconds) <= 30
    assert caught.value.waited_s == pytest.approx(sum(waits.seconds))


@pytest.mark.parametrize("ask", [Patience.read, Patience.write])
def test_what_waiting_does_not_help_is_raised_at_once(ask: Callable[[Patience, Callable[[], str]], str]) -> None:
    waits = Waits()

    with pytest.raises(HostTokenError):
        ask(waits.patience, failing(DENIED))

    assert waits.seconds == []
