from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.hosts.marker import (
    MARKER_ROOM,
    Marker,
    Run,
    content_hash,
    parse_marker,
    scope_key,
    without_marker,
)
from ci_core.types import CommitId

_MARKER = Marker(key="00112233445566aa", sha=CommitId("0" * 40), run=Run(id=12, attempt=3), body="ffeeddccbbaa9988")
_LINE = f"<!-- graphship:v1 key=00112233445566aa sha={'0' * 40} run=12.3 body=ffeeddccbbaa9988 -->"


def test_the_line_is_the_documented_one() -> None:
    assert _MARKER.render() == _LINE
    assert _MARKER.attach("text") == f"{_LINE}\ntext"


@pytest.mark.parametrize("body", [_LINE, f"{_LINE}\nhello", f"{_LINE}\r\nhello\r\n"])
def test_a_marker_in_the_first_line_is_read(body: str) -> None:
    assert parse_marker(body) == _MARKER


@pytest.mark.parametrize(
    "body",
    [
        "",
        f"hello\n{_LINE}",
        f" {_LINE}",
        f"{_LINE} and more",
        f"> {_LINE}",
        f"`{_LINE}`",
        _LINE.replace("v1", "v2"),
        _LINE.replace("key=00112233445566aa", "key=00112233445566AA"),
        _LINE.replace("key=00112233445566aa", "key=00112233445566aab"),
        _LINE.replace("0" * 40, "0" * 41),
        _LINE.replace("run=12.3", "run=-1.3"),
        _LINE.replace("run=12.3", "run=٣.3"),
        _LINE.replace("run=12.3", f"run={'9' * 19}.3"),
        _LINE.replace(" -->", "\n -->"),
    ],
)
def test_anything_but_a_whole_first_line_is_no_marker(body: str) -> None:
    assert parse_marker(body) is None
    assert without_marker(body) == body


def test_the_reader_sees_the_text_without_the_marker() -> None:
    assert without_marker(_MARKER.attach("# Report\n\ntext")) == "# Report\n\ntext"


def test_runs_are_ordered_by_id_and_then_by_attempt() -> None:
    assert Run(id=2, attempt=9) < Run(id=10, attempt=1) < Run(id=10, attempt=2)


def test_scopes_that_are_spelled_alike_differ() -> None:
    assert len({scope_key(scope) for scope in (["prod"], ["non-prod"], ["a", "b"], ["ab"], ["a,b"], [])}) == 6


def test_what_hosts_change_does_not_count_as_new() -> None:
    assert content_hash("a\nb") == content_hash("a  \r\nb\r\n") == content_hash("a\nb\n\n")
    assert content_hash("a\nb") != content_hash("a\n\nb")
    assert content_hash("a", "b") != content_hash("ab")


@given(
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.sampled_from([40, 64]),
    st.integers(0, 10**18 - 1),
    st.integers(0, 10**9 - 1),
    st.text(),
)
def test_what_is_rendered_is_parsed_and_fits_its_room(key: str, digits: int, run: int, attempt: int, text: str) -> None:
    marker = Marker(key=key, sha=CommitId("a" * digits), run=Run(id=run, attempt=attempt), body=content_hash(text))

    body = marker.attach(text)

    assert parse_marker(body) == marker
    assert without_marker(body) == text
    assert len(body) - len(text) <= MARKER_ROOM


@given(st.text())
def test_no_text_makes_the_parser_fail(text: str) -> None:
    assert parse_marker(text) is None
