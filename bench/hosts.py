"""Requests that one run of a job asks of a host: counted on the stand-ins for GitHub and GitLab.

``python -m bench hosts``. Nothing is timed. Git's own requests are not counted; `graphship ci` makes them by the side.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.hosts.choose import HostChoice
from ci_core.hosts.github import GitHubHost
from ci_core.hosts.gitlab import GitLabHost
from ci_core.hosts.patience import Patience
from tests.e2e.hosts.fault_matrix import OPERATIONS, World
from tests.servers.github_proxy import github_server
from tests.servers.gitlab_fake import gitlab_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.e2e.hosts.fault_matrix import Operation
    from tests.servers.fault_proxy import Recorded

_OTHERS = 200
"""Open change requests beside the one that a report is about."""


def main() -> None:
    """Print a table for each host."""
    for world in (_github(), _gitlab()):
        with world as (name, opened):
            print(f"\n### {name}\n\n| one run | reads | writes |\n|---|---|---|")
            for operation in OPERATIONS:
                print(f"| {operation.name} | {_figures(_asked(opened, operation))} |")
            unchanged = next(one for one in OPERATIONS if one.name == "unchanged report")
            _open_others(opened)
            asked = _figures(_asked(opened, unchanged))
            print(f"| {unchanged.name}, {_OTHERS} other change requests open | {asked} |")


def _asked(world: World, operation: Operation) -> Sequence[Recorded]:
    corner = world.corner()
    operation.prepare(world, world.open_host(), corner)
    world.server.requests.clear()
    operation.run(world, world.open_host(), corner)
    asked = list(world.server.requests)
    operation.check(world, world.open_host(), corner)
    return asked


def _figures(asked: Sequence[Recorded]) -> str:
    writes = sum(request.is_write for request in asked)
    return f"{len(asked) - writes} | {writes}"


def _open_others(world: World) -> None:
    host = world.open_host()
    for index in range(_OTHERS):
        branch = f"other-{index}"
        world.server.push(branch, {f"{branch}.txt": "x\n"})
        host.change_requests.create(title=branch, body="", source_branch=branch, target_branch="main")


@contextlib.contextmanager
def _github() -> Iterator[tuple[str, World]]:
    with tempfile.TemporaryDirectory() as folder, github_server(Path(folder)) as server:
        choice = HostChoice(
            kind="github",
            api_url=server.api_url,
            web_url=server.web_url,
            repository=server.repository,
            token=server.token("github-actions[bot]", kind="job"),
            token_variable="GITHUB_TOKEN",
        )
        yield (
            "GitHub",
            World(server=server, connect=lambda _timeout: GitHubHost(choice, patience=Patience(), env={}, pace=False)),
        )


@contextlib.contextmanager
def _gitlab() -> Iterator[tuple[str, World]]:
    with tempfile.TemporaryDirectory() as folder, gitlab_server(Path(folder)) as server:
        choice = HostChoice(
            kind="gitlab",
            api_url=server.api_url,
            web_url=server.web_url,
            repository=server.repository,
            token=server.token("graphship-bot", kind="project"),
            token_variable="GRAPHSHIP_TOKEN",
        )
        yield "GitLab", World(server=server, connect=lambda _timeout: GitLabHost(choice, patience=Patience(), env={}))
