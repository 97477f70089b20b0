from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.versioning._dvc_parse import MAX_ALIASED, MAX_DEPTH, _is_of_dvc_1, _RefusedError, bound_parsers, check

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=30,
)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@given(PLAIN)
def test_what_people_write_is_never_refused(data: Any) -> None:
    check(data)


def test_the_deepest_that_is_read_and_one_level_more() -> None:
    check(nested(MAX_DEPTH))

    with pytest.raises(_RefusedError, match="it nests deeper than 100 levels"):
        check(nested(MAX_DEPTH + 1))


def test_depth_is_counted_through_aliases() -> None:
    half = nested(60)
    outer: Any = half
    for _ in range(60):
        outer = {"a": half, "b": outer}

    with pytest.raises(_RefusedError, match="deeper"):
        check(outer)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop

    with pytest.raises(_RefusedError, match="deeper"):
        check(loop)


def test_aliases_that_grow_beyond_the_bound_are_refused_without_writing_them_out() -> None:
    level: list[Any] = ["x"] * 10
    for _ in range(50):  # 10^51 values
        level = [level] * 10

    with pytest.raises(_RefusedError, match="its aliases stand for more than 1,000,000 values"):
        check(level)


def test_aliases_within_the_bound_and_many_values_without_aliases_are_read() -> None:
    shared = ["x"] * 1000

    check([shared] * (MAX_ALIASED // 1000 - 1))
    check([[number] for number in range(MAX_ALIASED // 4)])


@pytest.mark.parametrize(
    ("lock", "is_old"),
    [
        ({"train": {"cmd": "x", "outs": []}}, True),
        ({"schema": "2.0", "stages": {}}, False),
        ({}, False),
        ({"stages": {"train": {"cmd": "x"}}}, False),
        ({"train": {"cmd": "x"}, "note": "y"}, False),
    ],
)
def test_a_lock_file_of_dvc_1_is_known_by_its_stages(lock: dict[str, Any], is_old: bool) -> None:
    assert _is_of_dvc_1(lock) is is_old


def test_a_file_that_is_read_again_is_as_new_whatever_became_of_the_first() -> None:
    from dvc.utils.serialize import parse_yaml

    bound_parsers()
    from dvc.utils import serialize

    text = "a: {b: [1]}\nday: 2024-01-01\n"
    first = serialize.parse_yaml(text, "params.yaml")
    first["a"]["b"].append(2)

    assert serialize.parse_yaml(text, "params.yaml") == parse_yaml(text, "params.yaml")
    assert serialize.parse_yaml(text, "params.yaml")["a"] == {"b": [1]}
    assert type(serialize.parse_yaml(text, "x", typ="rt")).__name__ == "CommentedMap"
