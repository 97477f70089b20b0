from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.hosts.choose import HostChoice
from ci_core.hosts.github.permissions import (
    CHECKS,
    DEPLOYMENTS,
    PULL_REQUESTS,
    READ,
    STATUSES,
    Permission,
    Token,
    accepted,
)

if TYPE_CHECKING:
    from ci_core.hosts.spec import TokenKind


def _token(value: str | None, variable: str = "GITHUB_TOKEN") -> Token:
    return Token.of(HostChoice(kind="github", token=value, token_variable=variable if value else None))


@pytest.mark.parametrize(
    ("value", "variable", "login", "kind"),
    [
        (None, "", None, "none"),
        ("", "GITHUB_TOKEN", None, "none"),
        (" \n", "GITHUB_TOKEN", None, "none"),
        ("ghs_x", "GITHUB_TOKEN", None, "job"),
        ("ghs_x", "GITHUB_TOKEN", "graphship-app[bot]", "app"),
        ("ghs_x", "GRAPHSHIP_TOKEN", None, "app"),
        ("ghs_x", "GRAPHSHIP_TOKEN", "github-actions[bot]", "job"),
        ("ghp_x", "GITHUB_TOKEN", None, "personal"),
        ("gho_x", "GH_TOKEN", None, "personal"),
        ("ghu_x", "GH_TOKEN", None, "personal"),
        ("github_pat_x", "GH_TOKEN", None, "personal"),
        ("0123456789abcdef0123456789abcdef01234567", "GITHUB_TOKEN", None, "unknown"),
        ("0123456789abcdef0123456789abcdef01234567", "GITHUB_TOKEN", "some[bot]", "app"),
    ],
)
def test_the_kind_of_a_token_is_known_by_its_prefix_its_variable_and_its_name(
    value: str | None, variable: str, login: str | None, kind: TokenKind
) -> None:
    assert _token(value, variable).kind(login) == kind


def test_blanks_and_line_ends_around_a_token_are_no_part_of_it() -> None:
    assert _token(" ghp_abc\r\n").value == "ghp_abc"


@pytest.mark.parametrize(
    ("value", "is_sendable"),
    [("ghp_abc", True), (None, True), ("ghp_a b", False), ("ghp_a\nX-Header: 1", False), ("ghp_ü", False)],
)
def test_a_token_that_would_break_out_of_its_header_is_not_sent(value: str | None, is_sendable: bool) -> None:
    assert _token(value).is_sendable is is_sendable


@pytest.mark.parametrize(
    ("permission", "title"),
    [
        (PULL_REQUESTS, "Pull requests: Read and write"),
        (STATUSES, "Commit statuses: Read and write"),
        (DEPLOYMENTS, "Deployments: Read and write"),
        (CHECKS, "Checks: Read and write"),
        (READ, "Contents: Read-only"),
    ],
)
def test_permissions_have_titles_as_on_the_pages_of_settings(permission: Permission, title: str) -> None:
    assert permission.title == title


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("ghs_x", "statuses: write"),
        ("ghp_x", "repo"),
        ("github_pat_x", "Commit statuses: Read and write"),
        (None, "statuses: write"),
    ],
)
def test_a_permission_is_spelled_as_its_token_has_it(value: str | None, words: str) -> None:
    assert _token(value).spelled(STATUSES) == words


@pytest.mark.parametrize(
    ("value", "variable", "hint"),
    [
        ("ghs_x", "GITHUB_TOKEN", "add `statuses: write` under `permissions:` of the job"),
        (
            "ghs_x",
            "GRAPHSHIP_TOKEN",
            (
                "add `statuses: write` under `permissions:` of the job; an App or a fine-grained token is given "
                "`Commit statuses: Read and write` where it was made"
            ),
        ),
        ("ghp_x", "GH_TOKEN", "give the token the scope `repo` (`public_repo` is enough for a public repository)"),
        ("github_pat_x", "GH_TOKEN", "give the token `Commit statuses: Read and write` for this repository"),
        (
            "ghu_x",
            "GH_TOKEN",
            "give the App `Commit statuses: Read and write`, and accept that where it is installed",
        ),
        (None, "", "give this step a token; add `statuses: write` under `permissions:` of the job"),
    ],
)
def test_what_to_do_for_a_permission_depends_on_the_token(value: str | None, variable: str, hint: str) -> None:
    assert _token(value, variable).how_to_get(STATUSES) == hint


def test_the_header_of_accepted_permissions_is_read_whole() -> None:
    found = list(accepted("issues=write; pull_requests=write, contents=read; administration=admin; metadata"))

    assert found == [Permission("issues"), Permission("pull-requests"), Permission("contents", "read")]
