"""The pages of a served graph, and what its root says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

from tests.unit.serving.asked import ask, serve, sum_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.server import Application

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


@pytest.fixture
def application() -> Application:
    return serve(sum_graph(), release="r" * 64)


def test_the_pages_for_those_who_run_the_service(application: Application) -> None:
    assert ask(application, "/livez", method="GET")[2] == {"status": "alive"}
    assert ask(application, "/readyz", method="GET")[2] == {"status": "ready", "ready": True, "release": "r" * 64}
    graph = ask(application, "/graph", method="GET")[2]
    assert (graph["name"], graph["release"], list(graph["models"])) == ("sums", "r" * 64, ["sum", "other"])
    assert graph["mermaid"].startswith("flowchart LR")


def test_a_draining_server_answers_on_and_asks_clients_to_go(application: Application) -> None:
    application.is_draining = True

    status, headers, _body = ask(application, body={"a": 1, "b": 1})

    assert (status, headers["connection"]) == (200, "close")
    assert ask(application, "/readyz", method="GET")[0] == 503
    assert ask(application, "/v2/health/ready", method="GET")[0] == 503
    assert ask(application, "/livez", method="GET")[0] == 200


def test_the_root_says_what_is_served_and_where_what_is(application: Application) -> None:
    status, headers, told = ask(application, "/", method="GET", accept="*/*")

    assert (status, headers["vary"]) == (200, "accept")
    assert told == {
        "name": "sums",
        "release": "r" * 64,
        "links": {
            "docs": "docs",
            "openapi": "openapi.json",
            "graph": "graph",
            "models": "v2/models",
            "protocol": "v2",
            "metrics": "metrics",
            "ready": "readyz",
        },
    }


@pytest.mark.parametrize("prefix", ["", "/api", "/a/b"])
def test_the_links_of_the_root_lead_to_its_pages_below_any_prefix(prefix: str, application: Application) -> None:
    links = ask(application, "/", method="GET")[2]["links"].values()

    found = [urljoin(f"http://host{prefix}/", link).removeprefix(f"http://host{prefix}") for link in links]

    assert [ask(application, page, method="GET")[0] for page in found] == [200] * 7
    assert ask(application, "//", method="GET")[2]["links"]["models"] == "../v2/models"


def test_a_browser_is_sent_from_the_root_to_the_page_for_people(application: Application) -> None:
    accept = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

    assert application.handle("GET", "/", accept, b"")[:2] == (
        303,
        [("location", "docs"), ("vary", "accept"), ("x-graphship-release", "r" * 64)],
    )
    assert application.handle("GET", "//", accept, b"")[1][0] == ("location", "../docs")


def test_what_is_not_asked_of_the_root_is_refused_with_what_may_be(application: Application) -> None:
    status, headers, answer = ask(application, "/", {}, "PUT")

    assert (status, headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert answer["error"]["message"] == "`/` does not take PUT; it takes GET, HEAD, POST"


def test_a_body_for_the_root_with_more_slashes_is_told_that_none_is_taken_there(application: Application) -> None:
    status, headers, answer = ask(application, "//", {})

    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer["error"]["message"] == "`//` does not take POST; it takes GET, HEAD"


@pytest.mark.parametrize(("path", "location"), [("/docs/", "../docs"), ("/docs//", "../../docs")])
def test_the_page_with_a_slash_leads_to_the_one_without_whose_links_work(
    path: str, location: str, application: Application
) -> None:
    status, headers, body = application.handle("GET", path, {}, b"")

    assert (status, headers[0], body) == (308, ("location", location), b"")


def test_every_path_tells_its_methods(application: Application) -> None:
    assert application.handle("OPTIONS", "/", {}, b"")[:2] == (
        204,
        [("allow", "GET, HEAD, POST, OPTIONS"), ("x-graphship-release", "r" * 64)],
    )
    for path in ("/livez", "/v2", "/v2/models/sum", "/v2/models/sum/ready"):
        status, headers, body = application.handle("OPTIONS", path, {}, b"")
        assert (status, headers[0], body) == (204, ("allow", "GET, HEAD, OPTIONS"), b"")
    assert application.handle("OPTIONS", "/v2/models/sum/infer", {}, b"")[1][0] == ("allow", "POST, OPTIONS")
    assert application.handle("OPTIONS", "/none", {}, b"")[0] == 404
    assert ask(application, "/livez", {}, "PUT")[1]["allow"] == "GET, HEAD, OPTIONS"
    assert ask(application, "/v2/models/sum/infer", method="GET")[1]["allow"] == "POST, OPTIONS"
    assert ask(application, "/livez", method="HEAD")[0] == 200


def test_a_model_that_is_not_ready_makes_the_server_unready(application: Application) -> None:
    application.plan.unready = lambda: {"other": "it is being loaded"}  # type: ignore[method-assign]

    status, _headers, answer = ask(application, "/readyz", method="GET")

    assert (status, answer["models"]) == (503, {"other": "it is being loaded"})
    assert ask(application, "/v2/health/ready", method="GET")[0] == 503
    assert ask(application, "/v2/models/other/ready", method="GET")[0] == 503
    assert ask(application, "/v2/models/sum/ready", method="GET")[0] == 200
