from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.behaviour.answers import Answer, Difference, differences, numbers, place, value_at

if TYPE_CHECKING:
    from ci_core.types import JsonValue

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANSWERS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)


def between(old: JsonValue, new: JsonValue, *, tolerance: float = 1e-6) -> list[tuple[str, float | None]]:
    found = differences(Answer(status=200, body=old), Answer(status=200, body=new), tolerance=tolerance)
    return [(one.where, one.size) for one in found]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (1, 1.0),
        (1_000_000.0, 1_000_000.9),
        (-1_000_000.0, -1_000_000.9),
        (0.0, 1e-9),
        (2e-10, 5e-10),
        (math.nan, math.nan),
        (math.inf, math.inf),
        ({"a": 1, "b": [None, "x"]}, {"b": [None, "x"], "a": 1.0}),
        ([], []),
    ],
)
def test_what_means_the_same_is_equal(old: Any, new: Any) -> None:
    assert between(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (1_000_000.0, 1_000_002.0, [("", 2.0)]),
        (0.0, 2e-9, [("", 2e-9)]),
        (True, 1, [("", None)]),
        (None, 0, [("", None)]),
        ("1", 1, [("", None)]),
        (math.nan, 1.0, [("", None)]),
        (math.inf, -math.inf, [("", None)]),
        ([1, 2], [1, 2, 3], [("", None)]),
        ({"a": 1}, {"a": 1, "b": None}, [("b", None)]),
        ({"a": 1}, {"b": 1}, [("a", None), ("b", None)]),
        ([{"p": 0.25, "label": "yes"}], [{"p": 0.75, "label": "no"}], [("[0].p", 0.5), ("[0].label", None)]),
        ({"outputs": [{"data": [1.0, 2.0]}]}, {"outputs": [{"data": [1.0, 4.0]}]}, [("outputs[0].data[1]", 2.0)]),
        ({"a.b": 1}, {"a.b": 2}, [('["a.b"]', 1.0)]),
    ],
)
def test_what_differs_is_found_with_its_place_and_size(
    old: Any, new: Any, expected: list[tuple[str, float | None]]
) -> None:
    assert between(old, new) == expected


def test_a_difference_says_what_happened_at_its_place() -> None:
    old: JsonValue = {"gone": 1, "p": 0.5, "label": "a", "rows": [1]}
    new: JsonValue = {"p": 0.6, "label": "b", "rows": [], "new": 1}

    found = differences(Answer(status=200, body=old), Answer(status=200, body=new), tolerance=1e-6)

    assert [(one.where, one.kind) for one in found] == [
        ("gone", "gone"),
        ("p", "number"),
        ("label", "other"),
        ("rows", "other"),
        ("new", "new"),
    ]


def test_whole_numbers_are_equal_only_when_they_are_the_same() -> None:
    assert between(10_000_001, 10_000_002) == [("", 1.0)]
    assert between(10_000_001.0, 10_000_002.0) == []


def test_a_whole_number_that_no_float_can_hold_is_compared_all_the_same() -> None:
    huge = 10**400

    assert between(huge, huge) == []
    assert between(huge, -huge) == [("", None)]
    assert between(huge, 0.5) == [("", None)]


def test_another_status_is_one_difference_whatever_the_bodies_say() -> None:
    found = differences(Answer(status=200, body={"a": 1}), Answer(status=500, body={"a": 2}), tolerance=1e-6)

    assert found == (Difference(path=(), size=None, kind="status"),)


def test_bodies_that_were_not_kept_are_compared_by_their_digests() -> None:
    one = Answer(status=200, body="[0, 1…", digest="aa", is_whole=False)

    assert differences(one, Answer(status=200, body="[0, 1…", digest="aa"), tolerance=1e-6) == ()
    assert differences(one, Answer(status=200, body="[0, 1…", digest="ab", is_whole=False), tolerance=1e-6) == (
        Difference(path=(), size=None),
    )


def test_no_more_than_a_thousand_places_are_looked_at() -> None:
    assert len(between([0] * 5_000, [1] * 5_000)) == 1_000


@given(ANSWERS)
def test_an_answer_never_differs_from_itself(body: Any) -> None:
    assert between(body, body) == []


@given(ANSWERS, ANSWERS)
def test_differences_are_the_same_in_both_directions_but_for_their_order(one: Any, other: Any) -> None:
    assert sorted(map(str, between(one, other))) == sorted(map(str, between(other, one)))


@given(ANSWERS, ANSWERS)
def test_a_place_of_a_difference_holds_values_that_differ(one: Any, other: Any) -> None:
    for found in differences(Answer(status=200, body=one), Answer(status=200, body=other), tolerance=1e-6):
        old, new = value_at(one, found.path), value_at(other, found.path)
        if old is not None and new is not None:
            assert between(old, new) == [("", found.size)] or isinstance(old, list)


@given(st.floats(-1e300, 1e300), st.floats(0, 1e-7))
def test_a_relative_difference_below_the_tolerance_is_none(number: float, share: float) -> None:
    assert between(number, number * (1 + share)) == []


def test_numbers_are_listed_by_the_kind_of_their_place() -> None:
    body: JsonValue = {"rows": [{"p": 0.5}, {"p": 1}], "ok": True, "name": "x", "bad": math.nan}

    assert list(numbers(body)) == [("rows[].p", 0.5), ("rows[].p", 1.0)]


def test_a_place_names_keys_and_positions() -> None:
    assert place(("outputs", 0, "data", 3)) == "outputs[0].data[3]"
    assert place((0, "a b", "c-d")) == '[0]["a b"].c-d'
    assert place(()) == ""


def test_a_failure_shows_its_status_and_the_text_of_the_error() -> None:
    plain = Answer(status=500, body={"error": {"slug": "step-failed", "message": "the step `score` failed"}})
    protocol = Answer(status=400, body={"error": "the body is no JSON"})
    gone = Answer(status=None, body="no answer: the process hung")

    assert plain.shown == "500: the step `score` failed"
    assert protocol.shown == "400: the body is no JSON"
    assert gone.shown == "no answer: the process hung"
    assert Answer(status=201, body=[1]).shown == [1]


def test_an_answer_is_expected_when_it_succeeds_or_fails_as_recorded() -> None:
    assert Answer(status=204).is_expected(200)
    assert Answer(status=404).is_expected(404)
    assert not Answer(status=404).is_expected(200)
    assert not Answer(status=None).is_expected(200)
