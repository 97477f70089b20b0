"""Which host: by a variable of ours, the CI system's own, or the remote's address; and what is no safe address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import InvalidVariableError, MissingVariableError
from ci_core.hosts.choose import HostChoice, choose_host

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_API_URL": "https://api.github.com",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/flights",
}
GITLAB_CI = {
    "GITLAB_CI": "true",
    "CI_API_V4_URL": "https://example.com/gitlab/api/v4",
    "CI_SERVER_URL": "https://example.com/gitlab",
    "CI_PROJECT_PATH": "acme/ml/flights",
}


def chosen(env: Mapping[str, str], remote: str | None = None) -> HostChoice:
    choice = choose_host(env, remote)
    assert choice is not None
    return choice


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/acme/flights.git",
        "https://github.com/acme/flights",
        "git@github.com:acme/flights.git",
        "ssh://git@github.com/acme/flights.git",
        "https://GitHub.com/acme/flights/",
    ],
)
def test_the_remote_names_a_repository_on_github(remote: str) -> None:
    choice = chosen({}, remote)

    assert (choice.kind, choice.api_url, choice.web_url) == ("github", "https://api.github.com", "https://github.com")
    assert (choice.repository, choice.token) == ("acme/flights", None)


def test_the_remote_names_a_project_in_subgroups_on_gitlab() -> None:
    choice = chosen({"GITLAB_TOKEN": "glpat-x"}, "git@gitlab.com:acme/ml/flights.git")

    assert (choice.kind, choice.api_url, choice.repository) == ("gitlab", "https://gitlab.com", "acme/ml/flights")
    assert (choice.token, choice.token_variable) == ("glpat-x", "GITLAB_TOKEN")


def test_actions_says_where_it_runs() -> None:
    choice = chosen({**ACTIONS, "GITHUB_TOKEN": "ghs_x"}, "https://elsewhere.example/acme/other.git")

    assert (choice.kind, choice.repository, choice.token_variable) == ("github", "acme/flights", "GITHUB_TOKEN")


def test_gitlab_ci_below_a_path_says_where_it_runs() -> None:
    choice = chosen({**GITLAB_CI, "CI_JOB_TOKEN": "j"})

    assert (choice.kind, choice.api_url, choice.repository) == (
        "gitlab",
        "https://example.com/gitlab",
        "acme/ml/flights",
    )
    assert choice.token_variable == "CI_JOB_TOKEN"


def test_a_merge_request_pipeline_in_a_fork_is_about_the_project_that_it_is_to_be_merged_into() -> None:
    env = {**GITLAB_CI, "CI_PROJECT_PATH": "eve/flights", "CI_MERGE_REQUEST_PROJECT_PATH": "acme/ml/flights"}

    assert chosen(env).repository == "acme/ml/flights"


def test_our_own_token_comes_before_that_of_the_system() -> None:
    choice = chosen({**ACTIONS, "GRAPHSHIP_TOKEN": "ghp_mine", "GITHUB_TOKEN": "ghs_job"})

    assert (choice.token, choice.token_variable) == ("ghp_mine", "GRAPHSHIP_TOKEN")


def test_a_token_is_not_in_what_is_printed_of_a_choice() -> None:
    assert "ghs_secret" not in repr(chosen({**ACTIONS, "GITHUB_TOKEN": "ghs_secret"}))


def test_a_server_of_ones_own_is_named_by_variables() -> None:
    github = chosen({"GRAPHSHIP_HOST": "github"}, "git@git.example.com:acme/flights.git")
    gitlab = chosen(
        {"GRAPHSHIP_HOST": "gitlab", "GRAPHSHIP_API_URL": "https://example.com/gitlab/"},
        "https://example.com/gitlab/acme/flights.git",
    )

    assert (github.api_url, github.web_url) == ("https://git.example.com/api/v3", "https://git.example.com")
    assert (gitlab.api_url, gitlab.repository) == ("https://example.com/gitlab", "acme/flights")


@pytest.mark.parametrize("remote", ["/srv/git/flights.git", "../flights.git", "file:///srv/git/flights.git"])
def test_a_folder_is_the_local_host_s(remote: str) -> None:
    assert chosen({}, remote).kind == "local"


@pytest.mark.parametrize(
    ("env", "remote"),
    [
        ({}, None),
        ({}, "https://git.example.com/acme/flights.git"),
        ({}, "ssh://git@bitbucket.org/acme/flights"),
        ({"GRAPHSHIP_HOST": "none"}, "https://github.com/acme/flights"),
    ],
)
def test_nothing_names_a_host_that_we_know(env: Mapping[str, str], remote: str | None) -> None:
    assert choose_host(env, remote) is None


def test_an_unknown_host_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidVariableError) as caught:
        choose_host({"GRAPHSHIP_HOST": "gitlub"}, None)

    assert caught.value.variable == "GRAPHSHIP_HOST"
    assert "gitlab" in " ".join([*caught.value.known, caught.value.hint or ""])


@pytest.mark.parametrize(
    "address",
    [
        "http://git.example.com/api/v3",
        "https://user:pass@git.example.com",
        "https://git.example.com/?q=1",
        "https://git.example.com:port",
        "ftp://git.example.com",
        "git.example.com",
        "https://",
        "https://[::1",
    ],
)
def test_a_token_is_sent_to_no_unsafe_address(address: str) -> None:
    """C17."""
    with pytest.raises(InvalidVariableError) as caught:
        choose_host({**ACTIONS, "GITHUB_API_URL": address}, None)

    assert caught.value.variable == "GITHUB_API_URL"


def test_a_server_on_this_machine_may_speak_plainly() -> None:
    assert chosen({**ACTIONS, "GITHUB_API_URL": "http://localhost:8080"}).api_url == "http://localhost:8080"


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({"GRAPHSHIP_HOST": "github"}, "GRAPHSHIP_API_URL"),
        ({"GRAPHSHIP_HOST": "gitlab", "GRAPHSHIP_API_URL": "https://example.com"}, "GRAPHSHIP_REPOSITORY"),
    ],
)
def test_what_a_known_host_lacks_is_named(env: Mapping[str, str], variable: str) -> None:
    with pytest.raises(MissingVariableError) as caught:
        choose_host(env, None)

    assert variable in f"{caught.value} {caught.value.hint} {caught.value.known}"
