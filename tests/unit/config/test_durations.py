from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.config.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "24", "h", "1 h", "1.5h", "-1h", "1H", "1day", "1h30m", "９h", "9999999h", "1h\n"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as `30s`"):
        parse_duration(text)


@given(st.integers(0, 999_999))
def test_a_formatted_duration_reads_back_as_itself(seconds: int) -> None:
    duration = timedelta(seconds=seconds)

    assert parse_duration(format_duration(duration)) == duration


def test_a_duration_is_shown_in_its_largest_whole_unit() -> None:
    shown = [format_duration(timedelta(seconds=seconds)) for seconds in (86_400, 5_400, 30, 0)]

    assert shown == ["1d", "90m", "30s", "0s"]
