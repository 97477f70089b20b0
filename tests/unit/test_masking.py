from __future__ import annotations

import pytest

from ci_core.masking import secret_values


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN",
        "CI_JOB_TOKEN",
        "GITLAB_PAT",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "DB_PASSWORD",
        "api_key",
        "MY_SECRET_FOR_X",
        "GOOGLE_CREDENTIALS",
        "SENTRY_DSN",
    ],
)
def test_a_variable_named_like_a_secret_is_one(name: str) -> None:
    assert list(secret_values({name: "hunter2-hunter2"})) == ["hunter2-hunter2"]


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "GITHUB_SHA",
        "MONKEY",
        "KEYBOARD",
        "COMPASS",
        "AWS_ACCESS_KEY_ID",
        "GOOGLE_APPLICATION_CREDENTIALS_FILE",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "PATTERN",
    ],
)
def test_a_variable_named_otherwise_is_none(name: str) -> None:
    assert list(secret_values({name: "hunter2-hunter2"})) == []


def test_a_value_too_short_to_tell_from_a_word_is_left_out() -> None:
    assert list(secret_values({"DB_PASSWORD": "root"})) == []
