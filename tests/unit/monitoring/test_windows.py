"""How time is cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from ci_core.monitoring.windows import is_complete, to_judge, window_at, window_index

DAY = timedelta(days=1)


@given(
    time=st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    minutes=st.integers(1, 60 * 24 * 30),
)
def test_every_instant_lies_in_exactly_one_window(time: datetime, minutes: int) -> None:
    length = timedelta(minutes=minutes)

    window = window_at(window_index(time, length), length)

    assert window.start <= time < window.end
    assert window.end - window.start == length


def test_windows_are_cut_in_utc_whatever_the_zone_of_the_time() -> None:
    evening_in_new_york = datetime(2013, 6, 15, 21, 0, tzinfo=timezone(timedelta(hours=-4)))

    assert window_at(window_index(evening_in_new_york, DAY), DAY).label == "2013-06-16"


def test_a_window_is_complete_when_its_end_has_passed() -> None:
    window = window_at(0, DAY)

    assert is_complete(window, window.end)
    assert not is_complete(window, window.end - timedelta(seconds=1))


def test_complete_windows_without_a_verdict_are_judged_in_order() -> None:
    found = to_judge([4, 2, 2, 3, 1], DAY, judged=[window_at(2, DAY)], now=window_at(3, DAY).end)

    assert found == [window_at(1, DAY), window_at(3, DAY)]
