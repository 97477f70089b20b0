from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.text import (
    exact,
    number,
    pair,
    percent,
    plural,
    seconds,
    shorten,
    signed,
    size,
    sparkline,
    thin,
    visible,
)

if TYPE_CHECKING:
    from ci_core.reports.report import Scalar


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.76314159, "0.7631"),
        (-0.5, "-0.5000"),
        (12, "12"),
        (31840, "31,840"),
        (1234567.0, "1,234,567"),
        (3.1e-7, "3.100e-07"),
        (0.0414 - 0.0413, "0.0001000"),
        (9.9999e14, "1.000e+15"),
        (0.0, "0"),
        (float("nan"), "NaN"),
        (float("-inf"), "-∞"),
    ],
)
def test_numbers_have_four_significant_digits(value: float, expected: str) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (0.76314159, 0.76314999, ("0.76314", "0.76315")),
        (0.5, None, ("0.5000", "–")),
        ("low", True, ("low", "true")),
        (0.7, 0.7, ("0.7000", "0.7000")),
    ],
)
def test_pairs_have_as_many_digits_as_tell_them_apart(old: Scalar, new: Scalar, expected: tuple[str, str]) -> None:
    assert pair(old, new) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0219, "+0.0219"), (-3, "-3"), (0.0007, "+0.0007"), (0, "0"), (1e-9, "+1e-09")]
)
def test_differences_carry_their_sign(value: float, expected: str) -> None:
    assert signed(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(0.06, "0.06"), (240, "240"), (True, "true"), (None, "null")])
def test_params_are_shown_as_the_user_writes_them(value: Scalar, expected: str) -> None:
    assert exact(value) == expected


@pytest.mark.parametrize(
    ("bytes_", "expected"), [(912, "912 B"), (3_400, "3.4 kB"), (999_960, "1.0 MB"), (5 * 10**15, "5000.0 TB")]
)
def test_sizes_are_decimal(bytes_: int, expected: str) -> None:
    assert size(bytes_) == expected


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [(0.04, "40 ms"), (1.94, "1.9 s"), (12.4, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (3600, "1 h")],
)
def test_durations_are_said_as_people_say_them(duration_s: float, expected: str) -> None:
    assert seconds(duration_s) == expected


def test_small_things() -> None:
    assert percent(0.123) == "12 %"
    assert percent(0.0049) == "0.5 %"
    assert plural(1, "gate") == "1 gate"
    assert plural(20_000, "row") == "20,000 rows"
    assert sparkline([1, 2, 3]) == "▁▅█"
    assert sparkline([]) == ""
    assert sparkline([2, 2]) == "▄▄"
    assert thin([1, 3, 5, 7], 2) == [2, 6]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", "a⏎b"),
        ("a\tb", "a b"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\udcff", "\\udcff"),
        ("\x1b[31m", "\\u001b[31m"),
        ("größe 数据 ✓", "größe 数据 ✓"),
    ],
)
def test_characters_without_a_glyph_are_written_out(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(st.text(), st.integers(min_value=5, max_value=50))
def test_shortened_text_keeps_its_ends_and_fits(text: str, limit: int) -> None:
    short = shorten(text, limit)

    assert len(short) <= limit
    assert short == text or (short[0] == text[0] and short[-1] == text[-1])
