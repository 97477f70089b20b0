from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ci_core.pipelines._lines import LINE_BYTES, LineSplitter


def lines(*pieces: bytes) -> tuple[list[str], str]:
    """Return the lines that the pieces end, and what is shown after the last."""
    splitter = LineSplitter()
    ended = [line for piece in pieces for line in splitter.feed(piece)]
    return ended, splitter.unfinished


def test_a_line_may_come_in_pieces() -> None:
    assert lines(b"on", b"e\ntw", b"o\n", b"three") == (["one", "two"], "three")


def test_a_character_may_come_in_pieces() -> None:
    assert lines(b"gr\xc3", b"\xb6\xc3\x9fer\n") == (["größer"], "")


def test_of_a_line_that_overwrites_itself_the_last_state_counts() -> None:
    assert lines(b"\r 10 %\r 50 %", b"\r100 %\ndone\n") == (["100 %", "done"], "")


def test_a_bar_that_returns_after_each_state_still_shows_it() -> None:
    assert lines(b"10 %\r", b"50 %\r") == ([], "50 %")
    assert lines(b"10 %\r", b"50 %\r", b"\n") == (["50 %"], "")


def test_line_ends_of_windows_are_line_ends() -> None:
    assert lines(b"one\r\ntwo\r", b"\n") == (["one", "two"], "")


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert lines(b"caf\xe9\n") == (["caf\ufffd"], "")


def test_a_long_line_is_told_by_its_beginning_and_the_count_of_the_rest() -> None:
    assert lines(*[b"x" * 1_000_000] * 50, b"\n") == (["x" * LINE_BYTES + "… (49,996,000 bytes more)"], "")


def test_a_long_line_is_not_cut_within_a_character() -> None:
    ((line,), _) = lines("ö".encode() * LINE_BYTES + b"\n")
    assert line == "ö" * (LINE_BYTES // 2) + f"… ({LINE_BYTES:,} bytes more)"
    ((line,), _) = lines(b"x" + "ö".encode() * LINE_BYTES + b"\n")
    assert line == "x" + "ö" * (LINE_BYTES // 2 - 1) + f"… ({LINE_BYTES + 1:,} bytes more)"


def test_after_a_long_line_the_next_is_whole() -> None:
    assert lines(b"x" * 10_000 + b"\nshort\n")[0][1] == "short"


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_where_the_pieces_are_cut_does_not_matter(content: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})

    pieces = [content[start:end] for start, end in itertools.pairwise(places)]

    assert lines(*pieces) == lines(content)
