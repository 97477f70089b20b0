"""What goes over the wire: proxies, certificates, sizes, what is loaded; and that the stand-in is a GitLab to others.

The stand-in is walked here with python-gitlab's own objects, which our adapter does not use: they expect GitLab's
answers as its authors know them.
"""

from __future__ import annotations

import gzip
import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import gitlab
import pytest

from ci_core.errors import HostAnswerError, HostUnreachableError, MissingExtraError
from ci_core.hosts.gitlab import transport as transport_module
from ci_core.hosts.spec import Topic
from tests.contract.hosts.gitlab_host import open_at, open_host
from tests.servers.encrypted import encrypted_server, self_signed
from tests.servers.fault_proxy import faulty_server
from tests.servers.gitlab_fake import GitLabServer, gitlab_server
from tests.servers.http_server import Request, Response, http_server, json_response, write_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

pytestmark = pytest.mark.e2e

TOKEN = "glpat-0123456789abcdefghij"
TOPIC = Topic("change-request", 5)
NOTES = "/api/v4/projects/acme%2Fflights/merge_requests/5/notes"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitLabServer]:
    with gitlab_server(tmp_path, prefix="/gitlab") as running:
        yield running


def test_requests_go_through_the_proxy_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """D15."""
    with faulty_server(lambda _request: json_response([]), flavour="gitlab") as front:
        monkeypatch.setenv("HTTP_PROXY", front.url)
        monkeypatch.setenv("http_proxy", front.url)

        list(open_at("http://gitlab.test", TOKEN).comments.list(TOPIC))

    (request,) = front.requests
    assert request.path.startswith(f"http://gitlab.test{NOTES}?")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CI_SERVER_TLS_CA_FILE"])
def test_a_server_with_a_certificate_of_its_own_is_trusted_once_that_is_named(tmp_path: Path, variable: str) -> None:
    """D15; the last is what GitLab's own runner gives to jobs."""
    certificate, key = self_signed(tmp_path)
    with encrypted_server(certificate, key) as url:
        with pytest.raises(HostUnreachableError, match="certificate is not trusted here"):
            list(open_at(url, TOKEN).comments.list(TOPIC))

        assert list(open_at(url, TOKEN, env={variable: str(certificate)}).comments.list(TOPIC)) == []


def test_a_small_answer_that_unpacks_to_much_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_ANSWER_LIMIT_BYTES", 1 << 20)
    packed = gzip.compress(b"[" + b" " * (16 << 20) + b"]")
    bomb = Response(headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}, body=packed)

    with (
        faulty_server(lambda _request: bomb, flavour="gitlab") as front,
        pytest.raises(HostAnswerError, match="larger than 1 MiB"),
    ):
        list(open_at(front.url, TOKEN).comments.list(TOPIC))


def test_an_answer_that_trickles_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """D16."""
    monkeypatch.setattr(transport_module, "_ANSWER_LIMIT_S", 0.0)

    with (
        faulty_server(lambda _request: json_response([]), flavour="gitlab") as front,
        pytest.raises(HostUnreachableError, match="did not come in time"),
    ):
        list(open_at(front.url, TOKEN).comments.list(TOPIC))


@pytest.mark.parametrize(
    "body", [b'{"message": "hello"}', b'"text"', b"7", b"null", b'[{"id": 1}]', b"[[]]", b"[" * 9999]
)
def test_json_of_another_shape_is_not_an_empty_list(body: bytes) -> None:
    answer = Response(headers={"Content-Type": "application/json"}, body=body)

    with faulty_server(lambda _request: answer, flavour="gitlab") as front, pytest.raises(HostAnswerError):
        list(open_at(front.url, TOKEN).comments.list(TOPIC))


def test_one_connection_carries_all_requests_of_a_run() -> None:
    ports: list[int] = []

    def answer(_request: Request, connection: BaseHTTPRequestHandler) -> None:
        ports.append(connection.client_address[1])
        write_response(connection, json_response([]))

    with http_server(answer) as port:
        host = open_at(f"http://localhost:{port}", TOKEN)
        for _ in range(5):
            list(host.comments.list(TOPIC))

    assert len(ports) == 5
    assert len(set(ports)) == 1


def test_the_token_is_in_no_line_that_a_library_logs(server: GitLabServer, caplog: pytest.LogCaptureFixture) -> None:
    """C18, C19."""
    token = server.token("graphship-bot")
    with caplog.at_level(logging.DEBUG):
        open_host(server, token).identity()

    assert "/user" in caplog.text
    assert token not in caplog.text


def test_the_library_is_loaded_when_a_host_is_opened_and_not_before() -> None:
    program = "import sys, ci_core.hosts.gitlab; print(sorted({'gitlab', 'requests', 'urllib3'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gitlab", None)
    monkeypatch.delitem(sys.modules, "ci_core.hosts.gitlab.transport")

    with pytest.raises(MissingExtraError) as caught:
        open_at("https://gitlab.com", TOKEN)

    assert (caught.value.extra, caught.value.module) == ("gitlab", "gitlab")


class TestStandIn:
    @pytest.fixture
    def client(self, server: GitLabServer) -> gitlab.Gitlab:
        return gitlab.Gitlab(server.api_url, private_token=server.token("ada"))

    @pytest.mark.parametrize("name", ["acme/flights", 278])
    def test_a_project_is_named_by_path_and_by_number(self, client: gitlab.Gitlab, name: str | int) -> None:
        project = client.projects.get(name)

        assert (project.id, project.path_with_namespace, project.default_branch) == (278, "acme/flights", "main")

    @pytest.mark.parametrize("header", ["private_token", "oauth_token"])
    def test_a_token_is_taken_in_either_header(self, server: GitLabServer, header: str) -> None:
        client = gitlab.Gitlab(server.api_url, **{header: server.token("ada")})  # type: ignore[arg-type] # one of two names

        client.auth()

        assert client.user is not None
        assert client.user.username == "ada"

    @pytest.mark.parametrize("pagination", ["offset", "keyset"])
    def test_lists_come_in_pages_by_number_and_by_cursor(
        self, server: GitLabServer, client: gitlab.Gitlab, pagination: str
    ) -> None:
        server.push("feature", {"a.txt": "1\n"})
        project = client.projects.get("acme/flights")
        request = project.mergerequests.create({"title": "t", "source_branch": "feature", "target_branch": "main"})
        for number in range(7):
            request.notes.create({"body": f"remark {number}"})

        found = request.notes.list(iterator=True, per_page=3, sort="asc", order_by="created_at", pagination=pagination)

        assert [note.body for note in found] == [f"remark {number}" for number in range(7)]

    def test_environments_and_deployments_are_those_of_the_library(
        self, server: GitLabServer, client: gitlab.Gitlab
    ) -> None:
        head = server.push("feature", {"a.txt": "1\n"})
        project = client.projects.get("acme/flights")

        made = project.deployments.create(
            {"environment": "production", "sha": head, "ref": "feature", "tag": False, "status": "running"}
        )
        made.status = "success"
        made.save()

        (environment,) = project.environments.list(name="production", get_all=True)
        (listed,) = project.deployments.list(environment="production", get_all=True)
        assert (environment.name, listed.sha, listed.status) == ("production", head, "success")

    def test_a_deployment_of_a_commit_that_is_not_there_is_refused(self, client: gitlab.Gitlab) -> None:
        project = client.projects.get("acme/flights")

        with pytest.raises(gitlab.GitlabCreateError) as caught:
            project.deployments.create(
                {"environment": "x", "sha": "0" * 40, "ref": "main", "tag": False, "status": "running"}
            )

        assert caught.value.response_body == b'{"message": {"sha": ["The commit does not exist"]}}'

    def test_a_developer_pushes_and_not_to_a_protected_branch(self, server: GitLabServer, tmp_path: Path) -> None:
        server.protect("main")
        credentials = open_host(server).git_credentials()
        assert credentials is not None
        work = tmp_path / "work"
        work.mkdir()
        git = ["git", "-c", f"http.extraHeader={credentials.header}", "-c", "user.name=A", "-c", "user.email=a@b.c"]

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [*git, *arguments]
            return subprocess.run(command, cwd=work, check=False, capture_output=True, text=True)

        assert run("clone", "--quiet", server.git_url, ".").returncode == 0
        run("commit", "--quiet", "--allow-empty", "-m", "x")
        refused, taken = run("push", "origin", "HEAD:main"), run("push", "origin", "HEAD:topic")

        assert taken.returncode == 0, taken.stderr
        assert "not allowed to push code to protected branches" in refused.stderr
        assert sorted(server.state.git.branches()) == ["main", "topic"]

    @pytest.mark.parametrize(
        ("scopes", "level", "kind", "pushes"),
        [
            (["write_repository"], 30, "personal", True),
            (["read_repository"], 30, "personal", False),
            (["api"], 20, "personal", False),
            ([], 30, "job", False),
        ],
    )
    def test_who_may_push_is_asked_of_scope_and_role(
        self, server: GitLabServer, tmp_path: Path, scopes: list[str], level: int, kind: str, *, pushes: bool
    ) -> None:
        token = server.token("ada", kind=kind, scopes=scopes, level=level)  # type: ignore[arg-type] # literals
        address = server.git_url.replace("://", f"://oauth2:{token}@")

        done = subprocess.run(
            ["git", "push", "--dry-run", address, "HEAD:topic"],
            cwd=_repository(tmp_path / "work"),
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_TERMINAL_PROMPT": "0"},
            check=False,
            capture_output=True,
        )

        assert (done.returncode == 0) is pushes


def _repository(folder: Path) -> Path:
    git = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)
    return folder
