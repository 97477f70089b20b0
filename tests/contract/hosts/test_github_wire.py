"""What goes over the wire to a server that misbehaves, or is none of GitHub's own: nothing is followed or believed."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest

from ci_core.errors import HostAnswerError, HostError, HostRefusedError, HostUnreachableError, MissingExtraError
from ci_core.hosts.github import client as client_module
from ci_core.hosts.github import transport as transport_module
from ci_core.hosts.spec import Topic
from ci_core.types import CommitId
from tests.contract.hosts.github_host import asked, open_at
from tests.servers.encrypted import encrypted_server, self_signed
from tests.servers.http_server import Request, Response, http_server, json_response, write_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

pytestmark = pytest.mark.e2e

TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"
TOPIC = Topic("change-request", 5)
COMMENTS = "/repos/acme/flights/issues/5/comments"
SHA = CommitId("0123456789abcdef0123456789abcdef01234567")


@contextlib.contextmanager
def serving(answer: Callable[[Request], Response]) -> Iterator[tuple[str, list[Request]]]:
    """Serve `answer` on loopback; give the address and the requests that came."""
    requests: list[Request] = []

    def handle(request: Request, connection: BaseHTTPRequestHandler) -> None:
        requests.append(request)
        write_response(connection, answer(request))

    with http_server(handle) as port:
        yield f"http://localhost:{port}", requests


def _comment(number: int) -> Mapping[str, object]:
    return {"id": number, "body": f"remark {number}", "user": {"login": "ada"}, "html_url": f"https://x/{number}"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_neither_followed_nor_given_the_token(status: int) -> None:
    """C17; PyGithub would follow a 301 on the same host, without the query."""
    with serving(lambda _request: json_response([])) as (elsewhere, followed):
        target = {"Location": f"{elsewhere}{COMMENTS}?token=x"}
        with serving(lambda _request: json_response({}, status, target)) as (url, requests):
            host = open_at(url, TOKEN)

            with pytest.raises(HostRefusedError) as read:
                list(host.comments.list(TOPIC))
            with pytest.raises(HostRefusedError):
                host.comments.create(TOPIC, "x")

    assert followed == []
    assert [request.method for request in requests] == ["GET", "POST"]
    assert "it is now at `http://localhost" in read.value.reason
    assert "token=x" not in read.value.reason


@pytest.mark.parametrize(
    "foreign",
    [
        "https://localhost:{port}/repos/acme/flights/issues/5/comments?page=2",
        "http://evil.example:{port}/repos/acme/flights/issues/5/comments?page=2",
        "http://localhost.evil.example/repos/acme/flights/issues/5/comments?page=2",
        "http://localhost:1/repos/acme/flights/issues/5/comments?page=2",
        "http://raw.githubusercontent.com/x",
        "//evil.example/x",
        "http://localhost:x/y",
    ],
)
def test_a_next_page_elsewhere_is_neither_asked_for_nor_given_the_token(foreign: str) -> None:
    """C17; PyGithub sends the token to hosts below its own, and over http to its own."""
    link = ""

    def answer(_request: Request) -> Response:
        return json_response([_comment(1)], 200, {"Link": f'<{link}>; rel="next"'})

    with serving(answer) as (url, requests):
        link = foreign.format(port=url.rpartition(":")[2])
        host = open_at(url, TOKEN)

        with pytest.raises(HostRefusedError, match="the next page is said to be on"):
            list(host.comments.list(TOPIC))

    assert len(requests) == 1


def test_pages_below_a_path_prefix_are_followed_there() -> None:
    """D15: an Enterprise server has its interface below a path."""

    def answer(request: Request) -> Response:
        if request.query.get("page") == "2":
            return json_response([_comment(2)])
        url = f"http://{request.headers['Host']}"
        following = f"{url}/api/v3/repositories/7/issues/5/comments?per_page=100&page=2"
        return json_response([_comment(1)], 200, {"Link": f'<{following}>; rel="next", <{url}/x>; rel="last"'})

    with serving(answer) as (url, requests):
        host = open_at(f"{url}/api/v3", TOKEN)

        assert [comment.id for comment in host.comments.list(TOPIC)] == ["1", "2"]

    assert [(request.path, request.query) for request in requests] == [
        (f"/api/v3{COMMENTS}", {"per_page": "100"}),
        ("/api/v3/repositories/7/issues/5/comments", {"page": "2", "per_page": "100"}),
    ]


def test_on_an_enterprise_server_the_query_goes_beside_the_interface() -> None:
    with serving(lambda _request: json_response({"data": {"viewer": {"login": "graphship-bot"}}})) as (url, requests):
        host = open_at(f"{url}/api/v3", TOKEN)

        assert host.identity().login == "graphship-bot"
        assert host.identity().login == "graphship-bot"

    assert list(map(asked, requests)) == ["POST /api/graphql"]


def test_pages_without_an_end_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_MOST_PAGES", 3)

    def answer(request: Request) -> Response:
        url = f"http://{request.headers['Host']}"
        return json_response([_comment(1)], 200, {"Link": f'<{url}{COMMENTS}?page=2>; rel="next"'})

    with serving(answer) as (url, requests), pytest.raises(HostAnswerError, match="more than 3 pages"):
        list(open_at(url, TOKEN).comments.list(TOPIC))

    assert len(requests) == 3


def test_a_larger_answer_than_any_of_github_s_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_ANSWER_LIMIT_BYTES", 1 << 20)
    bomb = Response(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"[" + b" " * (64 << 20)))

    with serving(lambda _request: bomb) as (url, _), pytest.raises(HostAnswerError, match="larger than 1 MiB"):
        list(open_at(url, TOKEN).comments.list(TOPIC))


def test_an_answer_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_ANSWER_LIMIT_S", 0.0)

    def trickle(_request: Request, connection: BaseHTTPRequestHandler) -> None:
        write_response(connection, json_response([_comment(1)]), parts=20, pause_s=0.01)

    with http_server(trickle) as port, pytest.raises(HostUnreachableError, match="did not come in time"):
        list(open_at(f"http://localhost:{port}", TOKEN).comments.list(TOPIC))


def test_packed_and_chunked_answers_are_read() -> None:
    body = gzip.compress(json.dumps([_comment(1)]).encode())

    def chunked(_request: Request, connection: BaseHTTPRequestHandler) -> None:
        connection.send_response(200)
        connection.send_header("Content-Encoding", "gzip")
        connection.send_header("Transfer-Encoding", "chunked")
        connection.end_headers()
        for byte in body:
            connection.wfile.write(b"1\r\n" + bytes([byte]) + b"\r\n")
        connection.wfile.write(b"0\r\n\r\n")

    with http_server(chunked) as port:
        found = list(open_at(f"http://localhost:{port}", TOKEN).comments.list(TOPIC))

    assert [comment.body for comment in found] == ["remark 1"]


@pytest.mark.parametrize(
    "wrong",
    [
        Response(),
        Response(body=b"{}"),
        Response(body=b'{"data": []}'),
        Response(body=b"[null]"),
        Response(body=b'[{"id": 1}]'),
        Response(body=b"<html></html>"),
        Response(body=b'[{"id": 1, "bo'),
        Response(status=202, body=b"{}"),
        Response(status=204),
    ],
)
def test_a_list_that_is_none_is_never_an_empty_one(wrong: Response) -> None:
    """Of an empty list we would make a second comment; PyGithub makes one of several of these."""
    with serving(lambda _request: wrong) as (url, requests), pytest.raises(HostAnswerError):
        list(open_at(url, TOKEN).comments.list(TOPIC))

    assert len(requests) == 4  # asked again, as a read may be


def test_a_created_comment_without_a_number_is_no_comment_and_not_made_again() -> None:
    with serving(lambda _request: json_response({}, 201)) as (url, requests), pytest.raises(HostAnswerError):
        open_at(url, TOKEN).comments.create(TOPIC, "x")

    assert len(requests) == 1


def test_a_large_file_is_read_as_a_blob() -> None:
    content = bytes(range(256)) * 8

    def answer(request: Request) -> Response:
        if "/git/blobs/" in request.path:
            return json_response({"encoding": "base64", "content": base64.encodebytes(content).decode()})
        return json_response({"type": "file", "encoding": "none", "content": "", "sha": "b10b"})

    with serving(answer) as (url, requests):
        assert open_at(url, TOKEN).read_file("data/a b.bin", commit=SHA) == content

    assert list(map(asked, requests)) == [
        f"GET /repos/acme/flights/contents/data/a%20b.bin?ref={SHA}",
        "GET /repos/acme/flights/git/blobs/b10b",
    ]


@pytest.mark.parametrize("entry", [[], {"type": "submodule"}, {"type": "symlink", "target": "x"}])
def test_a_folder_a_link_and_another_repository_are_no_files(entry: object) -> None:
    with serving(lambda _request: json_response(entry)) as (url, _):
        assert open_at(url, TOKEN).read_file("data", commit=SHA) is None


@pytest.mark.parametrize(
    "refusal",
    [
        json_response({"message": "Not Found"}, 404),
        json_response({"message": "Resource not accessible by integration"}, 403),
        json_response({"data": None, "errors": [{"type": "FORBIDDEN"}]}),
    ],
)
def test_where_there_is_no_graphql_the_user_is_asked_for(refusal: Response) -> None:
    def answer(request: Request) -> Response:
        return refusal if request.path == "/graphql" else json_response({"login": "graphship-bot"})

    with serving(answer) as (url, requests):
        assert open_at(url, TOKEN).identity().login == "graphship-bot"

    assert list(map(asked, requests)) == ["POST /graphql", "GET /user"]


def test_where_labels_are_not_made_by_being_put_on_they_are_made_first() -> None:
    made: list[str] = []

    def answer(request: Request) -> Response:
        if request.path.endswith("/pulls"):
            return json_response(_pull(), 201)
        if request.path == "/repos/acme/flights/labels":
            made.append(request.json()["name"])
            exists = {"message": "Validation Failed", "errors": [{"resource": "Label", "code": "already_exists"}]}
            return json_response(exists, 422) if made[-1] == "old" else json_response({"name": made[-1]}, 201)
        wanted = cast("list[str]", request.json()["labels"])
        if set(wanted) <= set(made):
            return json_response([{"name": name} for name in wanted])
        return json_response({"message": "Validation Failed"}, 422)

    with serving(answer) as (url, _):
        request = open_at(url, TOKEN).change_requests.create(
            title="t", body="b", source_branch="feature", target_branch="main", labels=["old", "new"]
        )

    assert request.labels == ("old", "new")
    assert made == ["old", "new"]


def test_where_the_plan_has_no_drafts_an_ordinary_request_is_opened() -> None:
    def answer(request: Request) -> Response:
        if request.json().get("draft"):
            return json_response({"message": "Draft pull requests are not supported in this repository."}, 422)
        return json_response(_pull(), 201)

    with serving(answer) as (url, requests):
        request = open_at(url, TOKEN).change_requests.create(
            title="t", body="b", source_branch="feature", target_branch="main", is_draft=True
        )

    assert not request.is_draft
    assert [sent.json().get("draft") for sent in requests] == [True, None]


def test_a_request_of_the_parent_s_is_not_taken_for_one_of_a_fork_s() -> None:
    parent = {**_pull(), "base": {"ref": "main", "sha": SHA, "repo": {"full_name": "upstream/flights"}}}

    with serving(lambda request: json_response([parent] if "/commits/" in request.path else [])) as (url, _):
        assert list(open_at(url, TOKEN).change_requests.find(commit=SHA)) == []


def test_requests_go_through_the_proxy_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """D15."""
    with serving(lambda _request: json_response([])) as (url, requests):
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("http_proxy", url)

        list(open_at("http://github.test/api/v3", TOKEN).comments.list(TOPIC))

    assert list(map(asked, requests)) == [f"GET http://github.test/api/v3{COMMENTS}?per_page=100"]


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_server_with_a_certificate_of_its_own_is_trusted_once_that_is_named(tmp_path: Path, variable: str) -> None:
    """D15."""
    certificate, key = self_signed(tmp_path)
    with encrypted_server(certificate, key) as url:
        with pytest.raises(HostUnreachableError, match="certificate is not trusted here"):
            list(open_at(url, TOKEN).comments.list(TOPIC))

        assert list(open_at(url, TOKEN, env={variable: str(certificate)}).comments.list(TOPIC)) == []


def test_the_library_is_loaded_when_a_host_is_opened_and_not_before() -> None:
    program = "import sys, ci_core.hosts.github; print(sorted({'github', 'requests', 'urllib3'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "github", None)
    for name in ("ci_core.hosts.github.transport", "github.Auth", "github.Requester"):
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(MissingExtraError) as caught:
        open_at("https://api.github.com", TOKEN)

    assert (caught.value.extra, caught.value.module) == ("github", "github")


def test_passwords_kept_for_other_programs_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login somebody password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    with serving(lambda _request: json_response([])) as (url, requests):
        list(open_at(url, None).comments.list(TOPIC))

    assert "Authorization" not in requests[0].headers


@pytest.mark.parametrize("status", [200, 301, 401, 403, 404, 422, 500])
def test_the_token_is_in_no_error_even_where_the_server_repeats_it(status: int) -> None:
    """C18."""
    said = json_response({"message": f"you sent {TOKEN}"}, status, {"Location": f"/x?{TOKEN}"})

    with serving(lambda _request: said) as (url, _), pytest.raises(HostError) as caught:
        list(open_at(url, TOKEN).comments.list(TOPIC))

    assert TOKEN not in " ".join([str(caught.value), *caught.value.__notes__])


def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """C18."""
    for name in ("github.Requester", "urllib3", "requests", "ci_core"):
        caplog.set_level(logging.DEBUG, logger=name)

    with serving(lambda _request: json_response([_comment(1)])) as (url, requests):
        list(open_at(url, TOKEN).comments.list(TOPIC))

    assert requests[0].headers["Authorization"] == f"token {TOKEN}"
    assert [line for line in caplog.messages if "oauth token removed" in line]
    assert not [line for line in caplog.messages if TOKEN in line]


def _pull() -> dict[str, object]:
    repository = {"full_name": "acme/flights"}
    return {
        "number": 5,
        "title": "t",
        "body": "b",
        "state": "open",
        "user": {"login": "ada"},
        "head": {"ref": "feature", "sha": SHA, "repo": repository},
        "base": {"ref": "main", "sha": SHA, "repo": repository},
        "merged_at": None,
        "html_url": "https://github.com/acme/flights/pull/5",
    }
