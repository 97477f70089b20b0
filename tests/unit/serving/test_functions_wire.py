"""What travels between processes arrives as it was, or is refused."""

import collections
import enum
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ci_core.serving import Event, RequestError
from ci_core.serving.event import StepFailure
from ci_core.serving.functions.calls import (
    read_reply,
    read_request,
    write_failed_reply,
    write_reply,
    write_request,
)
from ci_core.serving.functions.failures import RemoteStepError, read_failure, write_failure
from ci_core.serving.functions.wire import WireError, decode, encode
from ci_core.serving.problems import DependencyError, HttpError, OverloadedError, UnknownModelError

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(
        timezones=st.none() | st.timezones().map(lambda _zone: UTC) | st.just(timezone(timedelta(hours=5.5)))
    )
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
_KEYS = st.text() | st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.none()
_BODIES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=30)


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: (type(key), _types(item)) for key, item in value.items()}
    if isinstance(value, list):
        return [_types(item) for item in value]
    return type(value)


@given(_BODIES)
@example({"a": [1, {"b": [2**70, -(2**70)]}]})
@example(10**5000)
def test_plain_data_arrives_equal_and_of_the_same_types(body: Any) -> None:
    arrived = decode(encode(body))

    assert arrived == body
    assert _types(arrived) == _types(body)


_ARRAYS = hnp.arrays(
    dtype=hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.floating_dtypes(sizes=(16, 32, 64), endianness="?")
    | hnp.complex_number_dtypes(sizes=(64, 128))
    | hnp.unicode_string_dtypes(min_len=1, max_len=5)
    | hnp.datetime64_dtypes(),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(_ARRAYS)
def test_an_array_arrives_with_its_type_and_shape_and_can_be_written_to(array: Any) -> None:
    arrived = decode(encode({"x": [array]}))["x"][0]

    assert type(arrived) is np.ndarray
    assert arrived.dtype == array.dtype
    assert arrived.shape == array.shape
    assert arrived.tobytes() == array.tobytes()
    assert arrived.flags.writeable


def test_a_part_of_an_array_arrives_as_that_part() -> None:
    part = np.arange(12.0).reshape(3, 4).T[1:, ::2]

    assert decode(encode(part)).tolist() == [[1.0, 9.0], [2.0, 10.0], [3.0, 11.0]]


@pytest.mark.parametrize(
    "scalar", [np.float32(1.5), np.int64(-3), np.bool_(1), np.str_("é"), np.str_(""), np.uint8(255)]
)
def test_a_numpy_scalar_arrives_as_one_of_its_type(scalar: Any) -> None:
    arrived = decode(encode([scalar]))[0]

    assert (type(arrived), arrived) == (type(scalar), scalar)


def test_not_a_number_and_infinity_arrive() -> None:
    arrived = decode(encode([math.nan, math.inf, -math.inf]))

    assert math.isnan(arrived[0])
    assert arrived[1:] == [math.inf, -math.inf]


def test_a_tuple_arrives_as_a_list() -> None:
    assert decode(encode({"a": (1, (2, "x"))})) == {"a": [1, [2, "x"]]}


class _Own:
    pass


class _Colour(enum.StrEnum):
    RED = "red"


@dataclass
class _Row:
    x: int


_Point = collections.namedtuple("_Point", "x")  # noqa: PYI024 - what users have


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({1, 2}, "the body is of type `set`, which cannot travel to another process: give `list(…)` of it"),
        (
            {"rows": [{"m": _Own()}]},
            (
                "`rows[0].m` of the body is of type `test_functions_wire._Own`, which cannot travel to another "
                "process: give plain data (text, numbers, lists, dicts) or a numpy array"
            ),
        ),
        (
            collections.OrderedDict(a=1),
            (
                "the body is of type `collections.OrderedDict`, which cannot travel to another process: "
                "give `dict(…)` of it"
            ),
        ),
        (
            [_Colour.RED],
            (
                "`[0]` of the body is of type `test_functions_wire._Colour`, which cannot travel to another process: "
                "give `str(…)` of it"
            ),
        ),
        (
            {(1, 2): 3},
            (
                "the body is of type `dict`, which cannot travel to another process: a key is (1, 2), a tuple; "
                "keys are text or numbers"
            ),
        ),
        (
            np.array([object()]),
            (
                "the body is of type `ndarray`, which cannot travel to another process: its type is `object`; "
                "numbers, text and dates travel"
            ),
        ),
    ],
)
def test_what_would_change_on_the_way_is_refused_with_its_place(body: Any, message: str) -> None:
    with pytest.raises(WireError) as caught:
        encode(body)

    assert str(caught.value).replace(f"{__name__}.", "test_functions_wire.") == message


@pytest.mark.parametrize("body", [_Row(1), _Point(1), bytes, frozenset(), bytearray(b"x"), 1j, "\ud800"])
def test_what_has_no_form_of_its_own_is_refused(body: Any) -> None:
    with pytest.raises(WireError):
        encode([body])


def test_what_contains_itself_is_refused() -> None:
    body: list[Any] = []
    body.append(body)

    with pytest.raises(WireError, match="nested too deeply, or contains itself"):
        encode(body)


@given(st.binary(max_size=200))
def test_bytes_of_anybody_are_read_or_refused(data: bytes) -> None:
    try:
        decode(data)
    except ValueError:
        return


@given(_BODIES, st.integers(0, 10_000), st.integers(0, 255))
def test_a_message_with_a_flipped_byte_is_read_or_refused(body: Any, at: int, value: int) -> None:
    data = bytearray(encode(body))
    data[at % len(data)] = value
    try:
        decode(bytes(data))
    except ValueError:
        return


# --- requests and replies -----------------------------------------------------------------------------------------


def _event() -> Event:
    event = Event(
        {"x": 1},
        id="e-1",
        path="/v2/models/m/infer",
        method="PUT",
        headers={"authorization": "Bearer t", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"},
        time=datetime(2026, 1, 2, tzinfo=UTC),
        content_type="application/json",
    )
    event.key = "k"
    event.rows = (("r-1", datetime(2026, 1, 3, tzinfo=UTC)), (1, None))
    return event


def test_a_request_carries_all_of_the_event() -> None:
    arrived = read_request(write_request(_event(), [1, 2], segment="a..b", function="heavy"))

    assert arrived.body == [1, 2]
    assert (arrived.id, arrived.key, arrived.path, arrived.method) == ("e-1", "k", "/v2/models/m/infer", "PUT")
    assert (arrived.time, arrived.content_type) == (datetime(2026, 1, 2, tzinfo=UTC), "application/json")
    assert (arrived.headers["authorization"], arrived.trace_id) == ("Bearer t", "a" * 32)
    assert arrived.rows == (("r-1", datetime(2026, 1, 3, tzinfo=UTC)), (1, None))
    assert (arrived.deadline, arrived.error) == (None, None)


def test_a_deadline_travels_as_the_time_that_is_left() -> None:
    event = _event()
    event.deadline = 0.0  # of a clock that another machine need not share: long ago

    arrived = read_request(write_request(event, 1, segment="a", function="f"))

    assert arrived.remaining_s is not None
    assert arrived.remaining_s < 0


def test_an_error_handler_elsewhere_sees_which_step_failed_and_why() -> None:
    event = _event()
    event.error = StepFailure(step="score", exception=KeyError("age"))

    arrived = read_request(write_request(event, 1, segment="tell", function="f"))

    assert arrived.error is not None
    assert (arrived.error.step, str(arrived.error)) == ("score", "KeyError: 'age'")
    assert isinstance(arrived.error.exception, KeyError)


def test_a_reply_brings_back_what_the_steps_made_of_the_event() -> None:
    inside, outside = _event(), _event()
    inside.id, inside.key, inside.headers = "e-2", "k-2", {"x-new": "1"}

    body, failure, step = read_reply(write_reply(inside, {"y": 2}, segment="a", function="f"), outside)

    assert (body, failure, step) == ({"y": 2}, None, "")
    assert (outside.id, outside.key, outside.headers) == ("e-2", "k-2", {"x-new": "1"})


def test_a_failed_reply_names_the_step_and_brings_the_failure() -> None:
    body, failure, step = read_reply(
        write_failed_reply(_event(), RequestError("no age", status=422), step="b"), _event()
    )

    assert (body, step) == (None, "b")
    assert type(failure) is RequestError
    assert (failure.status, failure.message) == (422, "no age")


class _MuteError(Exception):
    def __str__(self) -> str:
        raise AttributeError("no text")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no \udc80 name"), r"no \udc80 name"),
        (RequestError("no \udc80 name"), r"no \udc80 name"),
        (_MuteError(), "its text raised AttributeError"),
    ],
)
def test_a_failure_whose_text_no_message_can_hold_arrives_all_the_same(error: Exception, told: str) -> None:
    _body, failure, step = read_reply(write_failed_reply(_event(), error, step="b"), _event())

    assert (type(failure).__name__, str(failure), step) == (type(error).__name__, told, "b")


def test_a_body_that_cannot_travel_names_the_segment_and_its_function() -> None:
    with pytest.raises(WireError) as caught:
        write_reply(_event(), {"model": _Own()}, segment="a..b", function="heavy")

    assert caught.value.path == "model"
    assert str(caught.value).endswith("(the result of `a..b`, in the function `heavy`)")


@pytest.mark.parametrize("data", [b"", b"\x80", encode([]), encode({"body": 1}), encode({"body": 1, "event": {}})])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"the request is none of ours|cannot be read"):
        read_request(data)


@pytest.mark.parametrize("data", [b"<html>", encode([]), encode({"failure": {}, "step": "a"})])
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"the reply is none of ours|cannot be read"):
        read_reply(data, _event())


# --- failures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        RequestError("no", status=409),
        DependencyError("away", retry_after_s=2.0),
        OverloadedError("full", retry_after_s=7.0),
        UnknownModelError("m9", ("m1", "m2")),
        HttpError("odd", status=418),
    ],
)
def test_a_failure_of_http_arrives_as_the_same_class_with_the_same_facts(error: HttpError) -> None:
    arrived = read_failure(decode(encode(write_failure(error))))

    assert type(arrived) is type(error)
    assert isinstance(arrived, HttpError)
    assert (arrived.status, arrived.slug, arrived.message) == (error.status, error.slug, error.message)
    assert (arrived.retry_after_s, str(arrived)) == (error.retry_after_s, str(error))


def test_a_failure_of_a_users_own_http_class_keeps_what_the_client_is_told() -> None:
    class TooOldError(RequestError):
        slug = "too-old"
        status = 410

    arrived = read_failure(decode(encode(write_failure(TooOldError("before 2020")))))

    assert isinstance(arrived, HttpError)
    assert (arrived.status, arrived.slug, arrived.message) == (410, "too-old", "before 2020")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("age"),
        ZeroDivisionError(),
        OSError(2, "gone"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "y"),
    ],
)
def test_another_failure_arrives_with_its_name_and_text_and_is_caught_as_what_it_was(error: Exception) -> None:
    arrived = read_failure(decode(encode(write_failure(error))))

    assert isinstance(arrived, RemoteStepError)
    assert (type(arrived).__name__, str(arrived)) == (type(error).__name__, str(error))
    if not isinstance(error, UnicodeDecodeError):  # which cannot be made of a text
        assert isinstance(arrived, type(error))


def test_a_failure_that_crosses_two_processes_is_still_the_same() -> None:
    once = read_failure(write_failure(KeyError("age")))
    twice = read_failure(write_failure(once))

    assert (type(twice).__name__, str(twice)) == ("KeyError", "'age'")


def test_dates_of_all_kinds_arrive() -> None:
    body = [date(2026, 1, 2), time(3, 4, 5, 6), timedelta(-1, 2, 3), Decimal("1.20"), UUID(int=7), datetime(2026, 1, 2)]  # noqa: DTZ001 - it has none on purpose

    assert decode(encode(body)) == body
