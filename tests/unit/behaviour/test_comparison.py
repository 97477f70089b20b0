from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ci_core.behaviour.answers import Answer
from ci_core.behaviour.comparison import Comparison, compare_answers
from ci_core.behaviour.spec import ChangedAnswer


def answers(*bodies: Any) -> list[Answer | None]:
    return [Answer(status=200, body=body) for body in bodies]


def compare(
    base: list[Answer | None], head: list[Answer | None], again: list[Answer | None] | None = None
) -> Comparison:
    return compare_answers(list(range(len(base))), base, again if again is not None else base, head)


def test_equal_answers_are_none_that_changed() -> None:
    found = compare(answers({"y": 1.0}, {"y": 2.0}), answers({"y": 1.0}, {"y": 2.0 + 1e-9}))

    assert found == Comparison(
        requests=2,
        changed=0,
        added=0,
        added_changed=0,
        gained=0,
        unsteady=0,
        unsteady_places=(),
        fields=(),
        more_fields=0,
        largest=(),
    )


def test_a_changed_answer_is_told_with_request_old_new_size_and_place() -> None:
    found = compare(answers({"y": 1.0}, {"y": 2.0}), answers({"y": 1.0}, {"y": 2.5}))

    assert (found.requests, found.changed) == (2, 1)
    assert found.largest == (ChangedAnswer(request=1, old={"y": 2.0}, new={"y": 2.5}, size=0.5, where="y"),)


def test_requests_that_one_side_was_not_asked_are_not_compared() -> None:
    found = compare([*answers(1.0, 2.0), None], [None, *answers(3.0, 4.0)])

    assert (found.requests, found.changed) == (1, 1)


def test_requests_that_only_the_change_records_are_counted_by_themselves() -> None:
    found = compare_answers(["a", "b", "c", "d"], answers(1, 2, 3, 4), [None] * 4, [*answers(1, 7, 8), None], added=2)

    assert (found.requests, found.changed, found.added, found.added_changed) == (3, 2, 1, 1)
    assert [(one.request, one.is_added) for one in found.largest] == [("b", False), ("c", True)]


def test_a_request_that_fails_on_one_side_is_changed_and_comes_first() -> None:
    failed = Answer(status=500, body={"error": {"message": "the step `score` failed"}})

    found = compare(answers({"y": 1.0}, {"y": 2.0}), [*answers({"y": 100.0}), failed])

    assert [(one.old, one.new, one.size) for one in found.largest] == [
        ({"y": 2.0}, "500: the step `score` failed", None),
        ({"y": 1.0}, {"y": 100.0}, 99.0),
    ]


def test_a_request_that_fails_alike_on_both_sides_did_not_change() -> None:
    failed = Answer(status=400, body={"error": {"message": "row 0 lacks the column `age`"}})

    assert compare([failed], [failed]).changed == 0


def test_differences_are_ordered_by_how_much_the_base_varies_at_their_place() -> None:
    base = answers({"p": 0.0, "price": 100.0}, {"p": 1.0, "price": 100_000.0}, {"p": 0.5, "price": 5.0})
    head = answers({"p": 0.0, "price": 110.0}, {"p": 0.8, "price": 100_000.0}, {"p": 0.5, "price": 5.0})

    assert [(one.where, one.size) for one in compare(base, head).largest] == [("p", 0.2), ("price", 10.0)]


def test_of_several_differences_of_one_answer_the_largest_is_told() -> None:
    base = answers({"p": 0.0, "price": 0.0}, {"p": 1.0, "price": 1000.0})
    head = answers({"p": 0.5, "price": 10.0}, {"p": 1.0, "price": 1000.0})

    assert [(one.where, one.size) for one in compare(base, head).largest] == [("p", 0.5)]


def test_the_largest_are_failures_then_other_values_then_numbers_then_answers_that_only_gained_fields() -> None:
    base = answers({"y": 1.0}, {"y": 1.0}, {"y": "a"}, {"y": 1.0}, {"y": 1.0, "z": 1})
    failed = Answer(status=500, body={"error": {"message": "the step `score` failed"}})
    head = [*answers({"y": 1.0, "new": 1}, {"y": 2.0, "new": 1}, {"y": "b", "new": 1}), failed, *answers({"y": 1.0})]

    found = compare(base, head)

    assert [(one.request, one.where) for one in found.largest] == [(3, ""), (2, "y"), (4, "z"), (1, "y"), (0, "new")]
    assert found.gained == 1


def test_no_more_than_ten_changed_answers_are_kept() -> None:
    found = compare(answers(*range(30)), answers(*range(1, 31)))

    assert found.changed == 30
    assert [one.request for one in found.largest] == list(range(10))


def test_a_place_that_differs_by_itself_is_left_out_and_the_others_are_compared() -> None:
    base = answers({"y": 1.0, "time": "10:00"}, {"y": 2.0, "time": "10:00"})
    again = answers({"y": 1.0, "time": "10:02"}, {"y": 2.0, "time": "10:02"})
    head = answers({"y": 1.0, "time": "10:01"}, {"y": 3.0, "time": "10:01"})

    found = compare(base, head, again)

    assert (found.changed, found.unsteady, found.unsteady_places) == (1, 2, ("time",))
    assert [(one.where, one.size) for one in found.largest] == [("y", 1.0)]


def test_an_answer_that_differs_by_itself_as_a_whole_is_never_called_changed() -> None:
    found = compare(answers("a", 1.0), answers("b", 1.0), answers("c", 1.0))

    assert (found.changed, found.unsteady, found.unsteady_places) == (0, 1, ("",))


def test_an_answer_that_differs_by_itself_at_too_many_places_is_left_out() -> None:
    base, again, head = answers([0] * 2_000), answers([1] * 2_000), answers([2] * 2_000)

    found = compare(base, head, again)

    assert (found.changed, found.unsteady) == (0, 1)


def test_a_large_answer_is_shown_by_the_part_that_differs() -> None:
    old: Any = {"rows": [{"y": float(number)} for number in range(1_000)]}
    new: Any = {"rows": [{"y": float(number)} for number in range(999)] + [{"y": 0.0}]}

    (changed,) = compare(answers(old), answers(new)).largest

    assert (changed.old, changed.new, changed.where, changed.size) == (999.0, 0.0, "rows[999].y", 999.0)


@given(st.lists(st.floats(-1e5, 1e5), max_size=30), st.randoms())
def test_the_order_of_requests_does_not_change_how_many_changed(values: list[float], random: Any) -> None:
    pairs = [(value, value + 1.0 if index % 3 else value) for index, value in enumerate(values)]
    shuffled = random.sample(pairs, len(pairs))

    one = compare(answers(*(old for old, _ in pairs)), answers(*(new for _, new in pairs)))
    other = compare(answers(*(old for old, _ in shuffled)), answers(*(new for _, new in shuffled)))

    assert one.changed == other.changed == sum(old != new for old, new in pairs)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_a_base_whose_every_answer_is_unsteady_changes_nothing(values: list[float]) -> None:
    again = answers(*(value + 5.0 for value in values))

    found = compare(answers(*values), answers(*(value - 5.0 for value in values)), again)

    assert (found.changed, found.unsteady) == (0, len(values))
