"""A rendered page as a Markdown parser takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token


def tokens(markdown: str) -> Iterator[Token]:
    """Yield blocks and what is inside of them, with GitHub's tables and strokes."""
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        yield token
        yield from token.children or ()


def assert_tables_are_whole(found: list[Token]) -> None:
    """Assert that each row has as many cells as the table has columns."""
    columns = cells = 0
    for token in found:
        if token.type == "table_open":
            columns = 0
        elif token.type == "th_open":
            columns += 1
        elif token.type == "tr_open":
            cells = 0
        elif token.type == "td_open":
            cells += 1
        elif token.type == "tr_close" and cells:
            assert cells == columns
