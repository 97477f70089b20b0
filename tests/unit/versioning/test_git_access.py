"""What a Git command that speaks to a remote is given, and which remotes are not spoken to at all."""

from __future__ import annotations

import base64

import pytest

from ci_core.errors import InvalidVariableError
from ci_core.types import GitCredentials
from ci_core.versioning.git_access import access, is_below, refusal, with_settings

TOKEN = "planted-secret-7c1"
BASIC = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
OURS = GitCredentials(url="https://github.com/", header=f"Authorization: Basic {BASIC}")


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/acme/flights.git",
        "https://robin:secret@github.com/acme/flights.git",
        "HTTPS://github.com/acme/flights",
        "ssh://git@github.com:22/acme/flights.git",
        "git@github.com:acme/flights.git",
        "github.com:acme/flights.git",
        "/srv/git/flights.git",
        "../flights.git",
        "./a:b",
        "file:///srv/git/flights.git",
        "http://localhost:3000/acme/flights.git",
        "http://127.0.0.1/acme/flights.git",
        "http://[::1]:80/acme/flights.git",
    ],
)
def test_encrypted_addresses_folders_and_this_machine_are_spoken_to(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ext::sh -c touch% /tmp/pwned", "`ext::` would run a program"),
        ("fd::17", "`fd::` would run a program"),
        ("https::https://github.com/acme/flights", "`https::` would run a program"),
        ("http://github.com/acme/flights.git", "`http` is not encrypted"),
        ("http://localhost.example.com/x.git", "`http` is not encrypted"),
        ("http://127.0.0.1@evil.example.com/x.git", "`http` is not encrypted"),
        ("http://[::1/x.git", "`http` is not encrypted"),
        ("git://github.com/acme/flights.git", "`git` is not among the protocols file, https, ssh"),
        ("ftp://example.com/x.git", "`ftp` is not among"),
        ("--upload-pack=touch pwned", "begins with `-`"),
    ],
)
def test_an_address_that_runs_programs_or_is_open_to_others_is_refused_with_the_reason(address: str, said: str) -> None:
    assert said in (refusal(address) or "")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://github.com/acme/flights.git", "https://github.com/"),
        ("https://github.com:443/acme/flights.git", "https://github.com/"),
        ("https://GitHub.com/acme", "https://github.com/"),
        ("https://robin:pw@github.com/acme", "https://github.com/"),
        ("https://example.com/gitlab/a/b.git", "https://example.com/gitlab/"),
        ("https://example.com/gitlab", "https://example.com/gitlab/"),
        ("http://localhost:8080/a.git", "http://localhost:8080/"),
    ],
)
def test_an_address_below_the_credentials_is_recognized(address: str, url: str) -> None:
    assert is_below(address, url)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://github.com.evil.example/acme", "https://github.com/"),
        ("https://github.com@evil.example/acme", "https://github.com/"),
        ("https://evil.example/github.com/", "https://github.com/"),
        ("https://github.com:8443/acme", "https://github.com/"),
        ("http://github.com/acme", "https://github.com/"),
        ("https://example.com/gitlab-evil/a.git", "https://example.com/gitlab/"),
        ("https://example.com/gitlab/../evil/a.git", "https://example.com/gitlab/"),
        ("https://example.com/gitlab/%2e%2e/evil/a.git", "https://example.com/gitlab/"),
        ("git@github.com:acme/flights.git", "https://github.com/"),
        ("ssh://github.com/acme/flights.git", "https://github.com/"),
        ("/srv/github.com/acme", "https://github.com/"),
        ("https://github.com:port/acme", "https://github.com/"),
    ],
)
def test_any_other_address_is_not(address: str, url: str) -> None:
    assert not is_below(address, url)


def test_the_header_is_told_for_the_remote_alone_after_taking_back_others() -> None:
    given = access(["https://robin:pw@github.com/acme/flights.git"], OURS, {})

    place = "https://github.com/acme/flights.git"
    assert given.variables == {
        "GIT_ALLOW_PROTOCOL": "file:https:ssh",
        "GIT_HTTP_LOW_SPEED_LIMIT": "1",
        "GIT_HTTP_LOW_SPEED_TIME": "300",
        "GIT_ASKPASS": "",
        "GIT_TRACE_REDACT": "1",
        "GIT_CONFIG_COUNT": "4",
        "GIT_CONFIG_KEY_0": f"http.{place}.extraHeader",
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": f"http.{place}.extraHeader",
        "GIT_CONFIG_VALUE_1": f"Authorization: Basic {BASIC}",
        "GIT_CONFIG_KEY_2": f"http.{place}.followRedirects",
        "GIT_CONFIG_VALUE_2": "false",
        "GIT_CONFIG_KEY_3": f"credential.{place}.helper",
        "GIT_CONFIG_VALUE_3": "",
    }


def test_every_form_of_the_token_is_known_as_a_secret_and_shown_nowhere() -> None:
    given = access(["https://github.com/acme/flights.git"], OURS, {})

    assert given.secrets == (f"Basic {BASIC}", BASIC, f"x-access-token:{TOKEN}", TOKEN)
    assert TOKEN not in repr(given)
    assert BASIC not in repr(given)
    assert BASIC not in repr(OURS)


def test_a_bearer_token_is_a_secret_as_it_is() -> None:
    bearer = GitCredentials(url="https://github.com/", header=f"Authorization: Bearer {TOKEN}")

    assert access(["https://github.com/a.git"], bearer, {}).secrets == (f"Bearer {TOKEN}", TOKEN)


@pytest.mark.parametrize("address", ["https://gitlab.com/a.git", "git@github.com:a/b.git", "/srv/a.git"])
def test_another_remote_is_not_told_who_we_are(address: str) -> None:
    given = access([address], OURS, {})

    assert given.secrets == ()
    assert not [name for name in given.variables if name.startswith("GIT_CONFIG") or name == "GIT_ASKPASS"]


def test_of_two_push_addresses_only_ours_gets_the_header() -> None:
    given = access(["https://github.com/a.git", "https://mirror.example/a.git"], OURS, {})

    assert given.variables["GIT_CONFIG_COUNT"] == "4"
    assert not [value for value in given.variables.values() if "mirror.example" in value]


def test_settings_that_are_there_already_are_kept() -> None:
    there = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_VALUE_0": "c"}

    assert with_settings([("d.e", "f")], there) == {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_1": "d.e",
        "GIT_CONFIG_VALUE_1": "f",
    }


@pytest.mark.parametrize("count", ["x", "-1", "1 ", "²"])
def test_a_count_of_settings_that_is_no_number_is_named(count: str) -> None:
    with pytest.raises(InvalidVariableError) as caught:
        with_settings([("a.b", "c")], {"GIT_CONFIG_COUNT": count})

    assert caught.value.variable == "GIT_CONFIG_COUNT"


def test_http_is_allowed_for_a_remote_on_this_machine_only() -> None:
    assert access(["http://localhost:1/a.git"], None, {}).variables["GIT_ALLOW_PROTOCOL"] == "file:https:ssh:http"
    assert access(["https://localhost:1/a.git"], None, {}).variables["GIT_ALLOW_PROTOCOL"] == "file:https:ssh"


def test_a_narrower_choice_of_protocols_and_times_is_respected() -> None:
    environment = {"GIT_ALLOW_PROTOCOL": "https:ext", "GIT_HTTP_LOW_SPEED_TIME": "5"}

    variables = access(["https://github.com/a.git"], None, environment).variables

    assert variables["GIT_ALLOW_PROTOCOL"] == "https"
    assert variables["GIT_HTTP_LOW_SPEED_TIME"] == "5"
