from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.behaviour.answers import Answer
from ci_core.behaviour.comparison import Comparison, compare_answers
from ci_core.behaviour.spec import FieldChange, ValueChange
from ci_core.masking import Masker

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
BODIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
)
PAIRS = st.lists(st.tuples(BODIES, BODIES), max_size=12)


def compare(*pairs: tuple[Any, Any]) -> Comparison:
    """Compare old answers with new ones; a body, or an :class:`Answer`."""
    old, new = ([_answer(pair[side]) for pair in pairs] for side in (0, 1))
    return compare_answers(list(range(len(pairs))), old, old, new)


def _answer(body: Any) -> Answer:
    return body if isinstance(body, Answer) else Answer(status=200, body=body)


def fields(*pairs: tuple[Any, Any]) -> list[FieldChange]:
    return list(compare(*pairs).fields)


def test_a_number_that_moved_is_told_with_median_largest_and_share_of_the_bases_range() -> None:
    found = fields(({"p": 0.1}, {"p": 0.11}), ({"p": 0.5}, {"p": 0.7}), ({"p": 0.3}, {"p": 0.27}), ({"p": 0.2},) * 2)

    assert found == [FieldChange(place="p", kind="number", answers=3, median=0.03, largest=0.2, share=0.5)]


def test_a_new_field_hides_no_number_that_moved() -> None:
    found = compare(
        ({"late_probability": 0.2}, {"late_probability": 0.25, "call_customer": False}),
        ({"late_probability": 0.4}, {"late_probability": 0.38, "call_customer": True}),
        ({"late_probability": 0.6}, {"late_probability": 0.6, "call_customer": False}),
    )

    assert (found.changed, found.gained) == (3, 1)
    assert found.fields == (
        FieldChange(
            place="call_customer",
            kind="new",
            answers=3,
            values=(ValueChange(old="", new="false", answers=2), ValueChange(old="", new="true", answers=1)),
        ),
        FieldChange(place="late_probability", kind="number", answers=2, median=0.035, largest=0.05, share=0.125),
    )
    assert [one.where for one in found.largest] == ["late_probability", "late_probability", "call_customer"]


def test_rows_of_an_answer_are_one_place_that_counts_answers_and_takes_the_most_of_each() -> None:
    old = {"rows": [{"p": 0.0}, {"p": 1.0}]}
    found = fields((old, {"rows": [{"p": 0.25}, {"p": 0.5}]}), ([0.0], [0.5]))

    assert found == [
        FieldChange(place="[]", kind="number", answers=1, median=0.5, largest=0.5),
        FieldChange(place="rows[].p", kind="number", answers=1, median=0.5, largest=0.5, share=0.5),
    ]


def test_labels_are_told_by_what_became_what_the_most_frequent_first() -> None:
    found = fields(
        *(({"label": "punctual"}, {"label": "late"}),) * 2,
        ({"label": "late"}, {"label": "punctual"}),
        ({"label": "late"}, {"label": None}),
        ({"label": "late"}, {"label": ""}),
    )

    assert found == [
        FieldChange(
            place="label",
            kind="other",
            answers=5,
            values=(
                ValueChange(old='"punctual"', new='"late"', answers=2),
                ValueChange(old='"late"', new='""', answers=1),
                ValueChange(old='"late"', new='"punctual"', answers=1),
            ),
            more_values=1,
        )
    ]


def test_whole_numbers_that_look_like_labels_are_told_like_labels() -> None:
    (found,) = fields((0, 1.0), (0, 1), (1, 2))

    assert found.values == (ValueChange(old="0", new="1", answers=2), ValueChange(old="1", new="2", answers=1))
    assert (found.kind, found.median, found.largest) == ("number", 1.0, 1.0)


def test_whole_numbers_that_change_in_many_ways_are_measurements() -> None:
    (found,) = fields(*((number, number + 1) for number in range(11)))

    assert (found.answers, found.values, found.more_values) == (11, (), 0)


def test_one_number_with_a_fraction_makes_the_others_measurements() -> None:
    (found,) = fields((0, 1), (0, 0.5), (0, 1))

    assert found.values == ()


def test_a_number_that_becomes_none_is_told_by_that_and_not_by_every_value() -> None:
    found = fields(({"p": 0.25}, {"p": None}), ({"p": 0.5}, {"p": None}), ({"p": 0.5}, {"p": math.nan}))

    assert found == [
        FieldChange(
            place="p",
            kind="other",
            answers=3,
            values=(
                ValueChange(old="number", new="null", answers=2),
                ValueChange(old="number", new="NaN", answers=1),
            ),
        )
    ]


def test_lists_and_objects_are_told_by_their_length() -> None:
    found = fields(({"rows": [1]}, {"rows": [1, 2]}), ({"rows": {}}, {"rows": []}), ({"a": [1]}, {}))

    assert [(one.kind, one.place, one.values) for one in found] == [
        ("gone", "a", (ValueChange(old="1 item", new="", answers=1),)),
        (
            "other",
            "rows",
            (
                ValueChange(old="0 fields", new="0 items", answers=1),
                ValueChange(old="1 item", new="2 items", answers=1),
            ),
        ),
    ]


def test_another_status_is_told_by_both_and_says_nothing_of_the_bodies() -> None:
    failed, gone = Answer(status=500, body={"error": "x"}), Answer(status=None, body="no answer: it hung")

    found = fields(({"p": 1.0}, failed), ({"p": 2.0}, failed), ({"p": 3.0}, gone))

    assert found == [
        FieldChange(
            place="",
            kind="status",
            answers=3,
            values=(
                ValueChange(old="200", new="500", answers=2),
                ValueChange(old="200", new="no answer", answers=1),
            ),
        )
    ]


def test_bodies_that_were_not_kept_are_counted_without_values() -> None:
    old, new = (Answer(status=200, body="[0, 1…", digest=digest, is_whole=False) for digest in ("aa", "ab"))

    assert fields((old, new)) == [FieldChange(place="", kind="other", answers=1)]


def test_long_texts_are_cut() -> None:
    (found,) = fields(("a" * 40, "b" * 300_000))

    assert found.values == (ValueChange(old=f'"{"a" * 40}"', new=f'"{"b" * 40}…"', answers=1),)


def test_halves_of_surrogate_pairs_are_written_out() -> None:
    (found,) = fields(({"\ud800": "a"}, {"\ud800": "\udfff"}))

    assert found.place == r'["\ud800"]'
    assert found.values == (ValueChange(old='"a"', new=r'"\udfff"', answers=1),)


def test_numbers_come_by_how_far_they_moved_in_the_range_of_the_base() -> None:
    found = fields(
        ({"price": 0.0, "p": 0.0}, {"price": 10.0, "p": 0.1}),
        ({"price": 1000.0, "p": 1.0}, {"price": 1000.0, "p": 1.0}),
    )

    assert [(one.place, one.share) for one in found] == [("p", 0.1), ("price", 0.01)]


def test_many_new_fields_leave_room_for_the_other_kinds_and_are_counted() -> None:
    old = {"p": 0.1, "q": 0.1, "label": "a", "id": 7}
    new = {"p": 0.2, "q": 0.1, "label": "b"} | {f"new_{number:02}": number for number in range(30)}

    found = compare((old, new))

    assert [one.place for one in found.fields] == ["id", *(f"new_{number:02}" for number in range(17)), "label", "p"]
    assert found.more_fields == 13


def test_keys_that_are_data_take_bounded_room() -> None:
    old = [{f"u{answer}-{key}": 0.5 for key in range(10)} for answer in range(200)]
    new = [dict.fromkeys(body, 0.75) for body in old]

    found = compare(*zip(old, new, strict=True))

    assert (found.changed, len(found.fields), found.more_fields) == (200, 20, 980)


def test_what_differs_by_itself_is_in_no_field() -> None:
    old, again, new = (
        [Answer(status=200, body={"at": at, "p": p})] for at, p in (("10:00", 0.1), ("10:02", 0.1), ("10:01", 0.2))
    )

    found = compare_answers([{}], old, again, new)

    assert [(one.place, one.answers) for one in found.fields] == [("p", 1)]


@given(PAIRS)
def test_there_are_fields_when_answers_changed_and_none_counts_more_answers_than_changed(
    pairs: list[tuple[Any, Any]],
) -> None:
    found = compare(*pairs)

    assert bool(found.fields) == bool(found.changed)
    assert len(found.fields) <= 20
    assert all(1 <= one.answers <= found.changed for one in found.fields)
    assert found.gained <= found.changed


@given(PAIRS, st.randoms())
def test_the_order_of_requests_changes_no_field(pairs: list[tuple[Any, Any]], random: Any) -> None:
    assert compare(*random.sample(pairs, len(pairs))).fields == compare(*pairs).fields


@pytest.mark.parametrize("secret", ["s3cr-vAlu3/of+t4e=sTag3?420", "ghp_" + "a1B2" * 9])
@pytest.mark.parametrize("before", [0, 1, 17, 39])
def test_a_secret_is_masked_before_a_value_is_cut_in_it(secret: str, before: int) -> None:
    old, new = Answer(status=200, body="none"), Answer(status=200, body="x" * before + secret + " " * 50)

    (field,) = compare_answers([1], [old], [old], [new], masker=Masker(["s3cr-vAlu3/of+t4e=sTag3?420"])).fields

    shown = ("x" * before + "***" + " " * 50)[:40]
    assert field.values == (ValueChange(old='"none"', new=f'"{shown}…"', answers=1),)


def test_a_secret_of_many_digits_is_masked_before_it_is_cut() -> None:
    digits = "1234567890" * 5
    old, new = Answer(status=200, body=0), Answer(status=200, body=int(digits))

    (field,) = compare_answers([1], [old], [old], [new], masker=Masker([digits])).fields

    assert field.values == (ValueChange(old="0", new="***", answers=1),)


@given(PAIRS)
def test_new_fields_are_gone_when_base_and_head_change_places(pairs: list[tuple[Any, Any]]) -> None:
    there = {(one.kind, one.place): one.answers for one in compare(*pairs).fields}
    back = {(one.kind, one.place): one.answers for one in compare(*((new, old) for old, new in pairs)).fields}

    if len(there) < 20:
        turned = {"new": "gone", "gone": "new"}
        assert {(turned.get(kind, kind), where): count for (kind, where), count in there.items()} == back


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=20))
def test_the_median_lies_between_nothing_and_the_largest(pairs: list[tuple[float, float]]) -> None:
    for one in fields(*pairs):
        assert one.median is not None
        assert one.largest is not None
        assert 0 < one.median <= one.largest


@given(PAIRS, st.lists(st.dictionaries(st.sampled_from(["x", "y"]), LEAVES, min_size=1), max_size=12))
def test_fields_that_are_new_change_nothing_that_is_told_of_the_others(
    pairs: list[tuple[Any, Any]], more: list[dict[str, Any]]
) -> None:
    wrapped = [({"body": old}, {"body": new}) for old, new in pairs]
    gained = [(old, {**new, **(more[index] if index < len(more) else {})}) for index, (old, new) in enumerate(wrapped)]

    before = [one for one in fields(*wrapped) if one.place not in {"x", "y"}]
    after = [one for one in fields(*gained) if one.place not in {"x", "y"}]

    assert after == before or len(before) > 16
