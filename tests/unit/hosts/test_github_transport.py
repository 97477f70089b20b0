from __future__ import annotations

import json

import pytest
import requests
from urllib3.exceptions import ProtocolError

from ci_core.errors import HostUnreachableError
from ci_core.hosts.choose import HostChoice
from ci_core.hosts.github.answers import UnusableAnswerError
from ci_core.hosts.github.client import translated_error
from ci_core.hosts.github.permissions import READ, Token
from ci_core.hosts.github.refusals import Doing, Refusals
from ci_core.hosts.github.transport import RedirectedError, open_requester, usable_text


@pytest.mark.parametrize(
    ("verb", "status", "content", "said"),
    [
        ("GET", 200, b"", "it is empty"),
        ("POST", 201, b"  \n", "it is empty"),
        ("GET", 200, b"<!DOCTYPE html><h1>Sign in</h1>", "it is a web page"),
        ("GET", 200, b'[{"id": 1}, {"id"', "it is 17 bytes that are not JSON"),
        ("GET", 200, b"\xff\xfe{}", "it is 4 bytes that are not JSON"),
        ("GET", 200, b'"text"', "it is neither a record nor a list"),
        ("GET", 200, b"null", "it is neither a record nor a list"),
        ("GET", 200, b"17", "it is neither a record nor a list"),
        ("GET", 200, b"[" * 100_000, "it is 100000 bytes that are not JSON"),
        ("GET", 202, b"{}", "it is not ready"),
    ],
)
def test_what_is_no_answer_is_let_through_as_none(verb: str, status: int, content: bytes, said: str) -> None:
    with pytest.raises(UnusableAnswerError) as caught:
        usable_text(verb, status, {}, content)

    assert str(caught.value) == said


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"a": "\xc3\xbc"}', b' [{"id": 1}]\n'])
def test_records_and_lists_pass_as_they_are(content: bytes) -> None:
    assert usable_text("GET", 200, {}, content) == content.decode()


@pytest.mark.parametrize("status", [204, 205])
def test_an_answer_that_has_nothing_to_say_may_be_empty(status: int) -> None:
    assert usable_text("DELETE", status, {}, b"") == ""


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_a_redirect_is_never_followed_and_shown_without_its_query(verb: str, status: int) -> None:
    with pytest.raises(RedirectedError) as caught:
        usable_text(verb, status, {"location": "https://evil.example/x?token=secret"}, b"{}")

    assert str(caught.value) == "https://evil.example/x"


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b'{"message": "Not Found", "documentation_url": "x"}', {"message": "Not Found", "errors": []}),
        (b'{"message": "No", "errors": [{"code": "x"}]}', {"message": "No", "errors": [{"code": "x"}]}),
        (b'{"message": {"a": 1}, "errors": "text"}', {"message": "", "errors": []}),
        (b"<html>502</html>", {"message": ""}),
        (b'{"message": "cut o', {"message": ""}),
        (b"[1, 2]", {"message": ""}),
        (b"", {"message": ""}),
        (b"[" * 100_000, {"message": ""}),
    ],
)
def test_an_error_keeps_its_message_whatever_it_looks_like(content: bytes, kept: dict[str, object]) -> None:
    assert json.loads(usable_text("GET", 502, {}, content)) == kept


_DOING = Doing(action="list the comments", needs=READ)


def _said(error: Exception) -> str:
    choice = HostChoice(kind="github", token="ghs_abcdefghijklmnop", token_variable="GITHUB_TOKEN")
    refusals = Refusals(place="github.com/acme/flights", repository="acme/flights", token=Token.of(choice))
    translated = translated_error(error, _DOING, refusals)
    assert isinstance(translated, HostUnreachableError)
    return translated.reason


def _chained(outer: Exception, *inner: BaseException) -> Exception:
    found: BaseException = outer
    for cause in inner:
        found.__context__ = cause
        found = cause
    return outer


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.ReadTimeout("HTTPSConnectionPool(host='api.github.com')"), "the answer did not come in time"),
        (requests.ConnectTimeout("HTTPSConnectionPool(host='api.github.com')"), "no connection in time"),
        (
            _chained(
                requests.ConnectionError("x"), ProtocolError("y"), ConnectionResetError(104, "Connection reset by peer")
            ),
            "the connection failed: Connection reset by peer",
        ),
        (
            _chained(requests.ConnectionError("x"), ProtocolError("z"), OSError(-2, "Name or service not known")),
            "the connection failed: Name or service not known",
        ),
        (requests.exceptions.ChunkedEncodingError("cut"), "the connection failed: cut"),
        (ProtocolError("cut"), "the connection failed: cut"),
        (
            _chained(requests.exceptions.SSLError("x"), Exception("self-signed certificate")),
            "its certificate is not trusted here (self-signed certificate); name your own with `REQUESTS_CA_BUNDLE`",
        ),
        (
            _chained(requests.exceptions.ProxyError("x"), OSError("Tunnel connection failed: 407")),
            "the proxy did not let us through (Tunnel connection failed: 407)",
        ),
    ],
)
def test_a_missing_answer_is_explained_in_few_words(error: Exception, reason: str) -> None:
    assert _said(error) == reason


@pytest.mark.parametrize(("pauses_s", "kept"), [(None, (0.25, 1.0)), ((0.0, 0.0), (0.0, 0.0))])
def test_pauses_are_those_that_github_asks_for_unless_a_test_does_without(
    pauses_s: tuple[float, float] | None, kept: tuple[float, float]
) -> None:
    requester = open_requester("https://api.github.com", None, timeout_s=20, verify=True, pauses_s=pauses_s)

    assert (requester.kwargs["seconds_between_requests"], requester.kwargs["seconds_between_writes"]) == kept


def test_pygithub_repeats_nothing_by_itself() -> None:
    """Its own repeating of a create whose answer got lost is what makes two comments."""
    requester = open_requester("https://api.github.com", None, timeout_s=20, verify=True, pauses_s=None)

    assert requester.kwargs["retry"] is None
