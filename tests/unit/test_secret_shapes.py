from __future__ import annotations

import pytest

from ci_core.secret_shapes import kinds_of_secrets


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ghp_" + "a1B2" * 9, "a GitHub token"),
        ("github_pat_" + "A1b2" * 10, "a GitHub token"),
        ("glpat-" + "x9-Z" * 5, "a GitLab token"),
        ("key = AKIA" + "ABCD1234EFGH5678", "the id of an AWS key"),
        ("aws_secret_access_key = " + "k" * 40, "an AWS secret key"),
        ("xoxb-" + "1234567890-abc", "a Slack token"),
        ("hf_" + "Q" * 34, "a Hugging Face token"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "a JSON web token"),
        ("Authorization: Bearer abc.def", "an authorization header"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
        ("postgresql://app:hunter2@db/prod", "a password in an address"),
    ],
)
def test_a_secret_has_a_kind(text: str, kind: str) -> None:
    assert list(kinds_of_secrets(f"x {text} y")) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "https://me:${PASSWORD}@host",
        "https://me:<password>@host",
        "https://me:{password}@host",
        "https://me:$(cat secret)@host",
        "https://me:xxxx@host",
        "https://me:***@host",
        "Authorization: Bearer $TOKEN",
        "Authorization: token {{ secrets.TOKEN }}",
        "nothing at all",
    ],
)
def test_what_a_program_fills_in_later_is_no_secret(text: str) -> None:
    assert list(kinds_of_secrets(text)) == []


def test_each_secret_of_a_line_is_told() -> None:
    line = "ghp_" + "a" * 36 + " https://a:b@c"

    assert list(kinds_of_secrets(line)) == ["a GitHub token", "a password in an address"]
