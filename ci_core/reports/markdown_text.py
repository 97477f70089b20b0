r"""Escape a stranger's text for comments on GitHub and GitLab (pure).

Backslashes are not enough there: mentions, cross-references and addresses are looked for in the *rendered* text, so
``\@team`` still calls the team. Only code is left alone by both hosts. Hence the rule: prose passes word by word if it
is made of harmless characters only; any other word becomes a code span, and so does every name.
"""

from __future__ import annotations

import re

from ci_core.reports.text import visible

_HARMLESS = re.compile(r"[\w.,;:()'\"’“”?!+\-–—…→×=%/·≤≥&±▲▼≈✓⏎]+")
_NUMBER_OR_TIME = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?|\d\d:\d\d(:\d\d)?", re.ASCII)
_HARMFUL = re.compile(
    r"""
    _                                # emphasis
    | ^[%!/&+=\-~:.]*[%!/&]\w        # %milestone, /quick-action
    | [!%&]\d                        # GitLab's !merge-request, %milestone and &epic, wherever they stand
    | &\#?\w+;                       # &entity;
    | :// | :[\w+\-]+: | (?i:www\.)  # addresses, :emoji:
    | (?i:g[hl]-\d)                  # GH-1, GL-1: issues
    | [0-9a-f]{7,}                   # would become a link to a commit
    """,
    re.VERBOSE,
)
_BLOCK_START = re.compile(r"([-+=]|\d+(?=[.)]))")
_COMMENT = re.compile(r"<(?=!)")
_FENCE = re.compile(r"(?<=``)`|(?<=~~)~")


def escape_prose(text: str) -> str:
    """Return prose as one line of Markdown that shows exactly these words and does nothing else."""
    return " ".join(word if _is_harmless(word) else escape_code(word) for word in visible(text).split())


def _is_harmless(word: str) -> bool:
    return bool(_NUMBER_OR_TIME.fullmatch(word) or (_HARMLESS.fullmatch(word) and not _HARMFUL.search(word)))


def escape_block_start(line: str) -> str:
    """Return a rendered line with a list or heading sign at its start disarmed."""
    start = _BLOCK_START.match(line)
    if start is None:
        return line
    sign = start.group()
    return f"{sign}\\{line[len(sign) :]}" if sign.isdigit() else f"\\{line}"


def escape_code(text: str, *, in_table: bool = False) -> str:
    """Return a name or value as a code span.

    Args:
        text: any text; line ends and characters without a glyph are made visible.
        in_table: whether it stands in a table cell, where a pipe ends the cell even inside code.
    """
    text = disarm_comment(visible(text))
    if not text.strip():
        return "(empty)" if not text else "(blank)"
    if in_table:
        text = text.replace("|", "\\|")
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def disarm_fence(text: str) -> str:
    """Return program output that holds no fence, so that three backticks around it are enough for every reader.

    A longer fence around it would be enough for Markdown, but not for GitLab's quick actions: they are looked for by a
    pattern that takes any three backticks on a line of their own for the end of the code.
    """
    return _FENCE.sub(lambda sign: f"\u200b{sign.group()}", text)


def disarm_comment(text: str) -> str:
    """Return `text` in which no HTML comment begins, even for a reader that looks for bytes only.

    Our own comments are found by such a marker; a zero-width blank after the ``<`` keeps a printed one from passing
    for it.
    """
    return _COMMENT.sub("<\u200b", text)


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
