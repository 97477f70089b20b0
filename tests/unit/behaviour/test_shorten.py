from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.behaviour.shorten import MOST_CHARACTERS, shortened
from ci_core.masking import Masker

JSON = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3_000),
    lambda inner: st.lists(inner, max_size=50) | st.dictionaries(st.text(max_size=400), inner, max_size=50),
    max_leaves=60,
)


SECRET = "s3cr-vAlu3/of+t4e=sTag3?420"
TOKEN = "ghp_" + "a1B2" * 9


def shorten(value: Any) -> Any:
    return shortened(value, Masker([SECRET]))


def test_what_is_short_stays_as_it_is() -> None:
    assert shorten({"x": [1, None, "text"]}) == {"x": [1, None, "text"]}


def test_half_of_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert shorten({"\ud800": ["a\udfff", "😀"]}) == {"?": ["a?", "😀"]}


def test_a_long_list_ends_with_how_many_items_more_there_are() -> None:
    assert shorten(list(range(1_000))) == [*range(20), "… 980 more"]


def test_a_long_text_and_an_object_of_many_keys_are_cut() -> None:
    short = shorten({"text": "a" * 5_000, **{f"k{number}": number for number in range(40)}})

    assert short["text"] == "a" * 200 + "…"
    assert list(short)[-2:] == ["k18", "…"]
    assert short["…"] == "21 more"


def test_what_is_nested_too_deep_becomes_text() -> None:
    value: Any = ["x" * 190] * 20
    for _ in range(3):
        value = [value] * 20

    short = shorten(value)

    assert isinstance(short, str)
    assert len(short) == MOST_CHARACTERS + 1


@given(JSON)
def test_whatever_is_shortened_is_short_and_stays_so(value: Any) -> None:
    short = shorten(value)

    assert len(json.dumps(short, ensure_ascii=False)) <= 3 * MOST_CHARACTERS
    assert isinstance(short, str) or type(short) is type(value)


@pytest.mark.parametrize("secret", [SECRET, TOKEN])
@pytest.mark.parametrize("kept", [1, 12, 20, 27])
def test_a_secret_is_masked_before_a_text_is_cut_in_it(secret: str, kept: int) -> None:
    text = "x" * (200 - kept) + secret + "y" * 3_000

    assert shorten({"text": text}) == {"text": ("x" * (200 - kept) + "***" + "y" * 200)[:200] + "…"}


@pytest.mark.parametrize("kept", range(3, len(TOKEN)))
def test_a_secret_is_masked_before_what_became_text_is_cut_in_it(kept: int) -> None:
    before = ["x" * 190] * 10
    start = len(json.dumps([before])[:-2] + ', "')
    row = [*before, "x" * (MOST_CHARACTERS - kept - start) + TOKEN]

    short = shorten([row, *[["x" * 190] * 20] * 20])

    assert len(short) == MOST_CHARACTERS + 1
    assert TOKEN[:3] not in short


def test_a_secret_in_a_name_or_a_number_is_masked() -> None:
    assert shortened({f"of {SECRET}": 1, "pin": 12345678}, Masker([SECRET, "12345678"])) == {"of ***": 1, "pin": "***"}
