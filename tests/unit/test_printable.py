from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ci_core.printable import one_line, printable


def test_an_escape_sequence_is_shown_and_not_obeyed() -> None:
    assert printable("\x1b[31mred\x1b[0m\a\t\r") == r"\x1b[31mred\x1b[0m\x07\t\r"


def test_a_right_to_left_override_is_shown() -> None:
    assert printable("abc\u202etxt.exe") == r"abc\u202etxt.exe"


def test_words_of_any_script_stay() -> None:
    assert printable("größe 数据 données 👩‍🔬") == "größe 数据 données 👩‍🔬"


def test_an_undecodable_byte_of_a_file_name_is_shown() -> None:
    assert printable(b"a\xff".decode("utf-8", "surrogateescape")) == r"a\udcff"


def test_line_breaks_stay_in_a_text_and_are_shown_in_a_line() -> None:
    assert printable("a\nb") == "a\nb"
    assert one_line("a\nb") == r"a\nb"


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert printable("abcdef", max_chars=4) == "abc…"


@given(st.text())
def test_no_control_character_but_the_line_break_comes_through(text: str) -> None:
    assert all(unicodedata.category(character) != "Cc" or character == "\n" for character in printable(text))
