"""Nothing is there twice, nothing gets lost, no secret gets out: whatever goes wrong at whichever request (D1-D16)."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from ci_core.hosts.choose import HostChoice
from ci_core.hosts.github import GitHubHost
from ci_core.hosts.gitlab import GitLabHost
from ci_core.hosts.patience import Patience
from tests.e2e.hosts.fault_matrix import Figures, World, all_points, sampled, try_point
from tests.servers.github_proxy import github_server
from tests.servers.gitlab_fake import gitlab_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.hosts.base import RepositoryHost

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("GRAPHSHIP_FAULT_SEED", "5"))
SAMPLE = 60
"""Points of each host in `make test`: each kind of fault and each operation at least once."""


@contextlib.contextmanager
def github_world(folder: Path) -> Iterator[tuple[World, list[str]]]:
    tokens: list[str] = []

    def connect(timeout_s: float) -> RepositoryHost:
        tokens.append(server.token("graphship-bot"))  # of each job its own: one is good for 5,000 requests an hour
        choice = HostChoice(
            kind="github",
            api_url=server.api_url,
            web_url=server.web_url,
            repository=server.repository,
            token=tokens[-1],
            token_variable="GITHUB_TOKEN",
        )
        return GitHubHost(choice, patience=_patience(world), env={}, pace=False, timeout_s=timeout_s)

    with github_server(folder) as server:
        world = World(server=server, connect=connect)
        yield world, tokens


@contextlib.contextmanager
def gitlab_world(folder: Path) -> Iterator[tuple[World, list[str]]]:
    def connect(timeout_s: float) -> RepositoryHost:
        choice = HostChoice(
            kind="gitlab",
            api_url=server.api_url,
            web_url=server.web_url,
            repository=server.repository,
            token=token,
            token_variable="GRAPHSHIP_TOKEN",
        )
        return GitLabHost(choice, patience=_patience(world), env={}, timeout_s=timeout_s)

    with gitlab_server(folder) as server:
        token = server.token("graphship-bot")
        world = World(server=server, connect=connect)
        yield world, [token]


def _patience(world: World) -> Patience:
    return Patience(sleep=lambda _seconds: None, say=world.said.append)


WORLDS = {"github": github_world, "gitlab": gitlab_world}


@pytest.mark.parametrize("host", WORLDS)
def test_a_sample_of_faults_leaves_each_thing_there_once(host: str, tmp_path: Path) -> None:
    figures = Figures(host=host, seed=SEED)
    with WORLDS[host](tmp_path) as (world, tokens):
        for point in sampled(all_points(world), seed=SEED, count=SAMPLE):
            try_point(world, point, figures, tokens[-3:])

    assert len(figures.kinds) == 21
    assert figures.points >= SAMPLE * 0.9


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("host", WORLDS)
def test_every_fault_at_every_request_leaves_each_thing_there_once(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = Figures(host=host, seed=SEED)
    with WORLDS[host](tmp_path) as (world, tokens):
        points = all_points(world)
        for point in points:
            try_point(world, point, figures, tokens[-3:])

    with capsys.disabled():
        sys.stdout.write(json.dumps(figures.to_dict()) + "\n")
    assert figures.points >= 300
