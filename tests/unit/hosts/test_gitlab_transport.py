"""The session of the GitLab adapter: where it goes, and how long a limit lasts. Nothing is sent here."""

from __future__ import annotations

import pytest
import requests

from ci_core.hosts.gitlab.tokens import Token
from ci_core.hosts.gitlab.transport import ForeignAddressError, GuardedSession, open_gitlab, wait_s

_API = "https://gitlab.example.com/sub/api/v4"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example.com/sub/api/v4/user",
        "http://gitlab.example.com/sub/api/v4/user",
        "https://gitlab.example.com:8443/sub/api/v4/user",
        "https://gitlab.example.com/api/v4/user",
        "https://gitlab.example.com/sub/api/v4evil/user",
        "https://gitlab.example.com/sub/api/v4/../../../elsewhere",
        "https://user@gitlab.example.com/sub/api/v4/user",
        "https://gitlab.example.com.evil.example/sub/api/v4/user",
    ],
)
def test_nothing_is_sent_to_another_address(address: str) -> None:
    session = GuardedSession(_API)

    with pytest.raises(ForeignAddressError):
        session.get(address, headers={"PRIVATE-TOKEN": "glpat-abc"})


class _Echo(requests.adapters.BaseAdapter):
    """Stands where requests opens sockets; fails the test that reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_args: object, **_kwargs: object) -> requests.Response:
        self.seen.append(request)
        raise requests.ConnectionError("no network in unit tests")

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("kind", "header", "value"),
    [("personal", "Authorization", "Bearer glpat-abc"), ("job", "JOB-TOKEN", "glpat-abc")],
)
def test_a_token_goes_into_the_header_of_its_kind(kind: str, header: str, value: str) -> None:
    token = Token(value="glpat-abc", variable=None, kind=kind)  # type: ignore[arg-type] # literals from a parameter
    gitlab, echo = open_gitlab("https://gitlab.example.com/sub", token, timeout_s=1, verify=True), _Echo()
    gitlab.session.mount("https://", echo)

    with pytest.raises(requests.ConnectionError):
        gitlab.http_request("get", "/user")

    (sent,) = echo.seen
    assert sent.url == f"{_API}/user"
    assert sent.headers[header] == value


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "30", "RateLimit-Reset": "1100"}, 30.0),
        ({"RateLimit-Reset": "1100"}, 100.0),
        ({"RateLimit-Reset": "900"}, None),
        ({"RateLimit-Reset": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_a_limit_lasts_as_long_as_its_headers_say(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_s(headers, 1000.0) == seconds
