"""Sentences with names in backticks, whole and shortened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.document import Code
from ci_core.reports.prose import prose

REASONS = (
    "the DVC remote lacks `data/imgs` (2.8 kB), `data/imgs/5.bin` (401 B), `data/imgs/new.bin` (398 B) and 4 more; "
    "the schema changed of `data/train.csv`: `age` is gone; "
    "drifted: `income` of `data/train.csv` by 0.62; 0.2 is allowed"
)


def text(line: tuple[str | Code, ...]) -> str:
    return "".join(f"`{piece.text}`" if isinstance(piece, Code) else piece for piece in line)


def test_names_in_backticks_are_code() -> None:
    assert prose("`a` is `b`, not c") == (Code("a"), " is ", Code("b"), ", not c")


def test_a_backtick_without_a_partner_stays_a_character() -> None:
    assert prose("`a` and `b") == (Code("a"), " and `b")
    assert prose("``") == ()


def test_a_sentence_that_fits_is_whole() -> None:
    assert text(prose(REASONS, 600)) == REASONS


def test_something_of_every_reason_is_seen_when_a_sentence_is_shortened() -> None:
    assert text(prose(REASONS, 160)) == (
        "the DVC remote lacks `data/imgs` (2.8 kB), …; the schema changed of `data/train.csv`: `age` is gone; "
        "drifted: `income` of `data/train.csv` by 0.62; 0.2 is allowed"
    )


def test_long_names_are_shortened_before_words_are_left_out() -> None:
    assert text(prose(f"`{'a' * 100}` is gone", 100)) == f"`{'a' * 40}…{'a' * 19}` is gone"


def test_a_semicolon_inside_of_a_name_parts_nothing() -> None:
    line = prose(f"`a; b` and {'word ' * 100}; `c; d` is gone", 60)

    assert [piece.text for piece in line if isinstance(piece, Code)] == ["a; b", "c; d"]


def test_of_more_reasons_than_have_room_the_first_are_shown() -> None:
    assert text(prose("; ".join(f"`{number}.csv` is gone" for number in range(50)), 40)) == (
        "`0.csv` is gone; `1.csv` is gone; `2.csv` is …"
    )


@pytest.mark.parametrize("sentence", ["`" + "n" * 200 + "` is gone", "n" * 200 + " is gone"])
def test_of_a_name_that_is_too_long_itself_the_ends_or_the_beginning_are_shown(sentence: str) -> None:
    (first, *_) = prose(sentence, 32)

    assert len(first.text if isinstance(first, Code) else first) == 30


@given(st.text("ab; `", max_size=300), st.integers(30, 200))
def test_what_is_shown_is_short_enough_and_never_turns_words_into_names(sentence: str, most: int) -> None:
    shown, whole = prose(sentence, most), prose(sentence)

    assert sum(len(piece.text if isinstance(piece, Code) else piece) for piece in shown) <= most
    names = [piece.text for piece in whole if isinstance(piece, Code)]
    for piece in shown:
        if isinstance(piece, Code):
            head, _, tail = piece.text.partition("…")
            assert any(name.startswith(head) and name.endswith(tail) for name in names)
        elif "`" in piece:
            assert sentence.count("`") % 2
