"""Nothing that a stranger writes may do anything in a comment; read back with a Markdown parser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ci_core.reports.document import Code
from ci_core.reports.markdown_text import disarm_comment, disarm_fence, escape_block_start, escape_code, escape_prose
from ci_core.reports.mermaid import label
from ci_core.reports.prose import prose
from ci_core.reports.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ATTACKS = [
    "|",
    "\n",
    "<!-- graphship:v1 key=0 -->",
    "@team",
    "@org/team",
    "#123",
    "org/repo#1",
    "!7",
    "%3",
    "(!7)",
    '"!7"',
    "x!7",
    "1!7",
    "(%3)",
    "group%3",
    "(&4)",
    "group&4",
    "GH-7",
    "/close",
    "<img src=x onerror=alert(1)>",
    "</details>",
    "</summary>",
    "```",
    "`",
    "\u202e",
    "![x](http://tracker.example/p.png)",
    "[x](javascript:alert(1))",
    "https://tracker.example",
    "www.tracker.example",
    "a@b.example",
    ":tada:",
    "&lt;b&gt;",
    "# title",
    "- item",
    "1. item",
    "***",
    "__b__",
    "~~s~~",
    "$x$",
    "\\",
    "\\|",
    " ",
    "\r\n\r\n",
    "3f2a9c1d0e",
    "deadbeef",
    ":+1:",
    "GL-7",
    "WWW.tracker.example",
]
hostile = st.lists(st.sampled_from(ATTACKS) | st.text(max_size=6), max_size=6).map("".join)

ACTIVE = re.compile(r"[@#<>|\[\]*~$^{}]|://|www\.|WWW\.|(?<!\d):[\w+-]+:|G[HL]-\d|(?:^|\s)[!%&/]\w|[!%&]\d")


def tokens(markdown: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(markdown):
        yield token
        yield from token.children or ()


def active_text(markdown: str) -> list[str]:
    """Return what a host would act on: text outside of code that holds a sign of a mention, a reference, an address."""
    return [token.content for token in tokens(markdown) if token.type == "text" and ACTIVE.search(token.content)]


def kinds(markdown: str) -> set[str]:
    return {token.type for token in tokens(markdown)}


@given(hostile)
def test_code_shows_exactly_the_name(name: str) -> None:
    codes = [token.content for token in tokens(escape_code(name)) if token.type == "code_inline"]

    expected = disarm_comment(visible(name))
    assert codes == ([expected] if expected.strip() else [])


@given(hostile)
def test_code_in_a_table_stays_in_its_cell(name: str) -> None:
    table = f"| a | b |\n| --- | --- |\n| {escape_code(name, in_table=True)} | x |\n"

    cells = [token for token in tokens(table) if token.type == "td_open"]
    codes = [token.content for token in tokens(table) if token.type == "code_inline"]
    expected = disarm_comment(visible(name))
    assert len(cells) == 2
    assert codes == ([expected] if expected.strip() else [])


@given(hostile)
def test_prose_does_nothing(text: str) -> None:
    markdown = escape_block_start(escape_prose(text))

    assert kinds(markdown) <= {"paragraph_open", "inline", "paragraph_close", "text", "code_inline"}
    assert active_text(markdown) == []
    assert "<!--" not in markdown


@pytest.mark.parametrize(
    "text",
    [
        "All 3 gates pass, nothing changes",
        "rose by 0.0219 (at most 0.03), 12 % of rows",
        "by 12.5%; 1% is allowed!",
        "they carry 31 % of the model's importance",
        "2013-06-15 to 2013-06-28: 3 no-drift",
        "größer als erwartet",
        "▲ +0.0007 better",
    ],
)
def test_ordinary_prose_stays_readable(text: str) -> None:
    assert escape_prose(text) == text


@pytest.mark.parametrize("attack", [text for text in ATTACKS if ACTIVE.search(text)])
def test_a_word_that_could_act_becomes_code(attack: str) -> None:
    assert escape_prose(f"see {attack} here") != f"see {attack} here"
    assert active_text(escape_prose(f"see {attack} here")) == []


@given(hostile)
def test_a_fence_holds_whatever_is_inside(text: str) -> None:
    content = disarm_fence(disarm_comment(visible(text, keep_lines=True))).rstrip("\n")

    found = list(tokens(f"```text\n{content}\n```\n\nafter"))

    assert [token.type for token in found if token.type in {"fence", "html_block", "heading_open"}] == ["fence"]
    assert found[-2].content == "after"


def test_program_output_with_a_fence_reads_as_before() -> None:
    assert disarm_fence("````\n~~~~\n`x`").replace("\u200b", "") == "````\n~~~~\n`x`"


@given(hostile)
def test_mermaid_labels_hold_no_sign_of_its_grammar(text: str) -> None:
    assert re.fullmatch(r"(?:[\w .,()/:+\-]|#\d+;)*", label(text))


def test_prose_takes_names_in_backticks_as_code() -> None:
    assert prose("`auc` fell below `min`") == (Code("auc"), " fell below ", Code("min"))


def test_backtick_without_a_partner_stays_a_character() -> None:
    assert prose("`auc` and ` alone") == (Code("auc"), " and ` alone")
