"""Drafts by title, and lines that GitLab would obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.hosts.gitlab.texts import is_draft_title, without_draft, without_quick_actions


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Draft: Retrain", "Retrain"),
        ("draft:Retrain", "Retrain"),
        ("[Draft] Retrain", "Retrain"),
        ("(draft) Retrain", "Retrain"),
        ("Draft: Draft: Retrain", "Retrain"),
    ],
)
def test_a_draft_is_known_by_its_title_and_the_title_is_read_without_it(title: str, plain: str) -> None:
    assert is_draft_title(title)
    assert without_draft(title) == plain


@pytest.mark.parametrize("title", ["Retrain", "Drafty windows", "Redraft: x", "WIP: x", ""])
def test_other_titles_are_no_drafts_and_stay_as_they_are(title: str) -> None:
    assert not is_draft_title(title)
    assert without_draft(title) == title


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("/merge", " /merge"),
        ("text\n/close\nmore", "text\n /close\nmore"),
        ("text\r\n/close\r/label ~x", "text\n /close\n /label ~x"),
        ("```\n/usr/bin/python\n```", "```\n /usr/bin/python\n```"),
        ("a/b and / alone\n / indented\n//comment", "a/b and / alone\n / indented\n//comment"),
    ],
)
def test_lines_that_gitlab_would_obey_are_moved_by_a_blank(body: str, sent: str) -> None:
    assert without_quick_actions(body) == sent


@given(st.text(alphabet="/ab \n\r`~>", max_size=60))
def test_no_line_begins_with_a_command_and_nothing_is_lost(body: str) -> None:
    sent = without_quick_actions(body)

    assert not any(line[:1] == "/" and line[1:2].isalpha() for line in sent.split("\n"))
    assert sent.replace(" ", "").replace("\n", "") == body.replace(" ", "").replace("\n", "").replace("\r", "")
    assert without_quick_actions(sent) == sent
