"""The built-in steps about columns; each as a user sees it, by its place in a graph or its `do`."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.errors import InvalidStepError
from ci_core.serving import Context, Event, Graph, GraphSpec, RequestError, steps

rows = st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers() | st.text(max_size=3), max_size=4)


@given(st.lists(rows, max_size=4))
def test_a_list_of_rows_is_changed_row_by_row_and_the_request_is_left_alone(body: list[dict[str, Any]]) -> None:
    step = steps.Impute(a=1, **{"*": 0})
    before = [dict(row) for row in body]

    answers = step.do(body)

    assert answers == [step.do(row) for row in body]
    assert body == before


def test_impute_fills_every_other_column_of_a_row_by_the_star() -> None:
    step = steps.Impute(age=33, **{"*": 0})

    assert step.do({"income": None, "rate": math.nan, "city": "Oslo"}) == {
        "income": 0,
        "rate": 0,
        "city": "Oslo",
        "age": 33,
    }


def test_map_values_leaves_what_is_not_listed_and_reads_numbers_and_booleans_as_json_writes_them() -> None:
    step = steps.MapValues(values={"sex": {"M": 0}, "flag": {"true": "yes"}, "n": {"1": "one"}})

    assert step.do({"sex": "X", "flag": True, "n": 1, "other": 5}) == {
        "sex": "X",
        "flag": "yes",
        "n": "one",
        "other": 5,
    }


@pytest.mark.parametrize(
    ("age", "label"), [(-1, None), (0, "child"), (17.9, "child"), (18, "adult"), (300, "adult"), (None, None)]
)
def test_a_range_holds_its_lower_end_and_not_its_upper_end(age: float | None, label: str | None) -> None:
    step = steps.MapValues(ranges={"age": {"child": [0, 18], "adult": [18, None]}}, suffix="group")

    assert step.do({"age": age}) == {"age": age, "age_group": label}


def test_a_text_where_a_range_needs_a_number_is_refused_with_row_and_column() -> None:
    step = steps.MapValues(ranges={"age": {"child": [0, 18]}})

    with pytest.raises(RequestError, match='row 1, column `age`: expected a number, found "old"'):
        step.do([{"age": 3}, {"age": "old"}])


def test_one_hot_gives_zeros_to_an_unknown_level_and_to_a_missing_one() -> None:
    step = steps.OneHotEncode(levels={"city": ["Oslo", "Rome"], "floor": [1, 2]})

    assert step.do([{"city": "Bern", "floor": 2}, {}]) == [
        {"city_Oslo": 0, "city_Rome": 0, "floor_1": 0, "floor_2": 1},
        {"city_Oslo": 0, "city_Rome": 0, "floor_1": 0, "floor_2": 0},
    ]


def test_one_hot_keeps_the_column_when_asked() -> None:
    assert steps.OneHotEncode(levels={"city": ["Oslo"]}, keep=True).do({"city": "Oslo"}) == {
        "city": "Oslo",
        "city_Oslo": 1,
    }


def test_a_date_is_taken_apart_in_its_own_time_zone() -> None:
    step = steps.ExtractDate("t", ["year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour"])

    assert step.do({"t": "2024-12-30T23:30:00-05:00"}) == {
        "t": "2024-12-30T23:30:00-05:00",
        "t_year": 2024,
        "t_quarter": 4,
        "t_month": 12,
        "t_week": 1,
        "t_day": 30,
        "t_day_of_week": 0,
        "t_day_of_year": 365,
        "t_hour": 23,
    }


def test_the_flags_of_a_date_tell_ends_and_starts() -> None:
    flags = [
        *("is_leap_year", "is_month_start", "is_month_end", "is_quarter_start", "is_quarter_end"),
        *("is_year_start", "is_year_end", "days_in_month", "minute", "second"),
    ]
    step = steps.ExtractDate("t", flags)

    first, last = (step.change({"t": time}, 0) for time in ("2024-01-01T00:00:00", "2023-12-31T23:59:58"))

    assert [first[f"t_{flag}"] for flag in flags] == [True, True, False, True, False, True, False, 31, 0, 0]
    assert [last[f"t_{flag}"] for flag in flags] == [False, False, True, False, True, False, True, 31, 59, 58]


def test_a_missing_date_has_missing_parts_and_a_bad_one_is_refused() -> None:
    step = steps.ExtractDate("t", ["hour"])

    assert step.do({"t": None}) == {"t": None, "t_hour": None}
    with pytest.raises(RequestError, match='row 0, column `t`: expected a time, found "soon"'):
        step.do({"t": "soon"})
    with pytest.raises(RequestError, match="row 0 lacks the column `t`"):
        step.do({})


def test_seconds_since_1970_are_a_time_in_utc() -> None:
    assert steps.ExtractDate("t", ["hour"]).do({"t": 3600}) == {"t": 3600, "t_hour": 1}


def test_drop_takes_columns_out_and_minds_no_missing_one() -> None:
    assert steps.Drop(["a", "z"]).do({"a": 1, "b": 2}) == {"b": 2}


def test_set_event_gives_id_key_and_time_to_the_steps_after_it() -> None:
    graph = Graph("who")
    graph.to(steps.SetEvent(id="request", key="user.id", time="at")).to(
        lambda event: [event.id, event.key, event.time.isoformat()], "tell", full_event=True
    )

    answer = graph.test({"request": "r-1", "user": {"id": 7}, "at": "2024-05-01T10:00:00Z"})

    assert answer == ["r-1", "7", "2024-05-01T10:00:00+00:00"]


@pytest.mark.parametrize("body", [{}, {"user": {}}, {"user": {"id": None}}, {"user": {"id": ""}}, [{"user": 1}]])
def test_set_event_refuses_a_body_that_does_not_say(body: Any) -> None:
    graph = Graph("who")
    graph.to(steps.SetEvent(key="user.id"))

    with pytest.raises(RequestError, match=r"`user\.id`"):
        graph.test(body)


RULES: dict[str, dict[str, Any]] = {
    "age": {"type": "integer", "min": 0, "max": 120},
    "name": {"type": "string", "min-length": 2, "max-length": 5, "pattern": "[A-Z][a-z]+", "required": False},
    "city": {"one-of": ["Oslo", "Rome"], "null": True},
}


def test_validate_lets_a_sound_body_pass_as_it_is() -> None:
    body = [{"age": 0, "name": "Ada", "city": None}, {"age": 120, "city": "Rome", "other": object}]

    assert steps.Validate(RULES).do(body) is body


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"age": -1, "city": "Oslo"}, "row 0, column `age`: expected at least 0, found -1"),
        ({"age": 121, "city": "Oslo"}, "row 0, column `age`: expected at most 120, found 121"),
        ({"age": 1.5, "city": "Oslo"}, "row 0, column `age`: expected a whole number, found 1.5"),
        ({"age": True, "city": "Oslo"}, "row 0, column `age`: expected a whole number, found true"),
        ({"age": None, "city": "Oslo"}, "row 0, column `age`: it has no value"),
        ({"city": "Oslo"}, "row 0, column `age`: it is missing"),
        ({"age": 1, "city": "Bern"}, 'row 0, column `city`: expected one of Oslo, Rome, found "Bern"'),
        ({"age": 1, "city": "Oslo", "name": "A"}, 'row 0, column `name`: expected at least 2 letters, found "A"'),
        (
            {"age": 1, "city": "Oslo", "name": "Adaada"},
            'row 0, column `name`: expected at most 5 letters, found "Adaada"',
        ),
        ({"age": 1, "city": "Oslo", "name": "ada"}, 'row 0, column `name`: expected `[A-Z][a-z]+`, found "ada"'),
    ],
)
def test_validate_refuses_what_breaks_a_rule_and_says_which_row_and_column(row: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError) as caught:
        steps.Validate(RULES).do(row)

    assert caught.value.message == told


def test_validate_tells_all_violations_of_a_request_at_once_up_to_ten() -> None:
    with pytest.raises(RequestError) as caught:
        steps.Validate({"a": {}}).do([{} for _ in range(12)])

    assert caught.value.message.count("it is missing") == 10
    assert caught.value.message.endswith("and 2 more")


@pytest.mark.parametrize(
    "step",
    [
        steps.Validate({"a": {"type": "number"}}),
        steps.MapValues(ranges={"a": {"x": [0, 1]}}),
        steps.ExtractDate("a", ["hour"]),
    ],
)
def test_a_value_nested_deeper_than_python_can_show_is_refused_like_any_other(step: Any) -> None:
    with pytest.raises(RequestError, match=r"row 0, column `a`: expected .*, found a list"):
        step.do({"a": nested(1_000)})


def test_a_value_nested_deeper_than_python_can_show_names_no_event_and_is_not_mapped() -> None:
    deep = nested(1_000)

    with pytest.raises(RequestError, match="the field `a` is no text or whole number: a list"):
        steps.SetEvent(id="a").do_event(Event({"a": deep}))
    assert steps.MapValues(values={"a": {"[]": 1}}).change({"a": deep}, 0)["a"] is deep


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_validate_may_count_instead_of_refusing() -> None:
    context = Context(graph="g", release=None, logger=logging.getLogger("test"))
    step = steps.Validate({"age": {"min": 0}}, violations="count", context=context)

    assert step.do([{"age": -1}, {"age": 1}, {}]) == [{"age": -1}, {"age": 1}, {}]
    assert context.counter("graph_violations", "Values that broke a rule, by column.", column="age").value == 2


def test_values_that_are_counted_forge_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    context = Context(graph="g", release=None, logger=logging.getLogger("test"))
    step = steps.Validate({"name": {"one-of": ["a"]}}, violations="count", context=context)

    step.do([{"name": "x\nERROR forged"}, {"name": "plain"}])

    told = r"""'row 0, column `name`: expected one of a, found "x\nERROR forged"'"""
    assert caplog.messages == [f'values break rules: {told}; row 1, column `name`: expected one of a, found "plain"']


@pytest.mark.parametrize(("value", "is_among"), [(1, True), (1.0, True), (True, False), ("1", False), ([1], False)])
def test_one_of_tells_numbers_from_booleans_and_texts(value: Any, is_among: bool) -> None:
    step = steps.Validate({"a": {"one-of": [1]}})

    if is_among:
        assert step.do({"a": value}) == {"a": value}
    else:
        with pytest.raises(RequestError, match="expected one of 1"):
            step.do({"a": value})


def test_a_pattern_is_not_tried_on_a_text_of_a_million_letters() -> None:
    step = steps.Validate({"a": {"pattern": "(x+x+)+y"}})

    with pytest.raises(RequestError, match="expected at most 1000 letters"):
        step.do({"a": "x" * 1_000_000})


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (lambda: steps.Validate({"a": {"one-of": "abc"}}), "has `one-of: 'abc'` of `a`"),
        (lambda: steps.Validate({"a": {"mni": 0}}), "has the rule `mni` of `a`"),
        (lambda: steps.Validate({"a": {"type": "int"}}), "has the type `int` of `a`"),
        (lambda: steps.Validate({}, violations="print"), "has `violations: print`"),
        (lambda: steps.MapValues(ranges={"a": {"x": [3, 1]}}), "has the range `x` of `a`"),
        (lambda: steps.ExtractDate("t", ["hours"]), "extracts `hours`"),
    ],
)
def test_settings_that_make_no_sense_are_refused_when_the_step_is_made(step: Any, told: str) -> None:
    with pytest.raises(InvalidStepError) as caught:
        step()

    assert told in str(caught.value)


def test_yaml_and_python_spell_the_same_steps() -> None:
    graph = Graph("g")
    graph.to(steps.MapValues(values={"sex": {"M": 0}}, suffix="code")).to(
        steps.OneHotEncode(levels={"city": ["Oslo"]})
    ).to(steps.ExtractDate("t", ["hour"])).to(steps.SetEvent(key="user")).to(steps.Drop(["user"])).to(
        steps.Validate({"age": {"min": 0}})
    )

    written = GraphSpec.from_dict(
        {
            "name": "g",
            "steps": [
                {"step": "MapValues", "with": {"values": {"sex": {"M": 0}}, "suffix": "code"}},
                {"step": "OneHotEncode", "with": {"levels": {"city": ["Oslo"]}}},
                {"step": "ExtractDate", "with": {"column": "t", "parts": ["hour"]}},
                {"step": "SetEvent", "with": {"key": "user"}},
                {"step": "Drop", "with": {"columns": ["user"]}},
                {"step": "Validate", "with": {"columns": {"age": {"min": 0}}}},
            ],
        }
    )

    assert graph.spec == written
    assert Graph.from_spec(written).test(
        {"sex": "M", "city": "Oslo", "t": "2024-01-01T07:00:00", "user": "u", "age": 1}
    ) == {"sex": "M", "t": "2024-01-01T07:00:00", "age": 1, "sex_code": 0, "city_Oslo": 1, "t_hour": 7}
