from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ci_core.behaviour.shorten import MOST_CHARACTERS, shortened

JSON = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3_000),
    lambda inner: st.lists(inner, max_size=50) | st.dictionaries(st.text(max_size=400), inner, max_size=50),
    max_leaves=60,
)


def test_what_is_short_stays_as_it_is() -> None:
    assert shortened({"x": [1, None, "text"]}) == {"x": [1, None, "text"]}


def test_half_of_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert shortened({"\ud800": ["a\udfff", "😀"]}) == {"?": ["a?", "😀"]}


def test_a_long_list_ends_with_how_many_items_more_there_are() -> None:
    assert shortened(list(range(1_000))) == [*range(20), "… 980 more"]


def test_a_long_text_and_an_object_of_many_keys_are_cut() -> None:
    short: Any = shortened({"text": "a" * 5_000, **{f"k{number}": number for number in range(40)}})

    assert short["text"] == "a" * 200 + "…"
    assert list(short)[-2:] == ["k18", "…"]
    assert short["…"] == "21 more"


def test_what_is_nested_too_deep_becomes_text() -> None:
    value: Any = ["x" * 190] * 20
    for _ in range(3):
        value = [value] * 20

    short = shortened(value)

    assert isinstance(short, str)
    assert len(short) == MOST_CHARACTERS + 1


@given(JSON)
def test_whatever_is_shortened_is_short_and_stays_so(value: Any) -> None:
    short = shortened(value)

    assert len(json.dumps(short, ensure_ascii=False)) <= 3 * MOST_CHARACTERS
    assert isinstance(short, str) or type(short) is type(value)
