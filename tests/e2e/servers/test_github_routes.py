"""What holds for each address of the stand-in for GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.servers.github_access import EVERYTHING
from tests.servers.github_interface import ALL_ROUTES, UNDESCRIBED
from tests.servers.github_proxy import github_server
from tests.servers.http_server import Request
from tests.servers.openapi import github_description

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.github_answers import Route

pytestmark = pytest.mark.e2e


def _address(route: Route) -> str:
    filled = route.pattern.replace("{owner}", "acme").replace("{repo}", "flights").replace("{number}", "1")
    for place in ("{ref}", "{sha}", "{ref...}", "{name...}", "{path...}", "{name}", "{login}", "{status}"):
        filled = filled.replace(place, "main")
    return filled.replace("{basehead...}", "main...main")


def test_github_describes_each_of_our_addresses() -> None:
    description = github_description()

    unknown = [
        (route.method, route.pattern)
        for route in ALL_ROUTES
        if description.request_problems(route.pattern, Request(method=route.method, target="/"))
    ]

    assert set(unknown) == UNDESCRIBED


def test_without_its_permissions_each_address_is_refused_and_names_them(tmp_path: Path) -> None:
    """On a private repository, where reading takes a permission too."""
    guarded = [route for route in ALL_ROUTES if route.needs and "metadata=read" not in route.needs]
    with github_server(tmp_path, is_private=True) as server:
        seen = {}
        for route in guarded:
            names = {need.partition("=")[0] for need in route.needs}
            others = {name: level for name, level in EVERYTHING.items() if name not in names}
            token = server.token("github-actions[bot]", kind="job", permissions=others)
            headers = {"Authorization": f"Bearer {token}"}
            address = f"{server.api_url}{_address(route)}"
            answer = requests.request(route.method, address, headers=headers, json={}, timeout=30)
            seen[route.method, route.pattern] = (
                answer.status_code,
                answer.json()["message"],
                answer.headers["X-Accepted-GitHub-Permissions"],
            )

    assert len(guarded) > 40
    assert seen == {
        (route.method, route.pattern): (403, "Resource not accessible by integration", "; ".join(route.needs))
        for route in guarded
    }
