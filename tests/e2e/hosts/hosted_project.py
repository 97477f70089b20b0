"""A real project whose ``origin`` is a stand-in for GitHub or GitLab, and jobs that run ``graphship`` for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ci_core.demo.ci_run import read_outputs
from ci_core.hosts.choose import HostChoice
from ci_core.hosts.github import GitHubHost
from ci_core.hosts.gitlab import GitLabHost
from ci_core.hosts.patience import Patience
from ci_core.testing.projects import SampleProject, make_project
from tests.e2e import by_command
from tests.servers.github_proxy import GitHubServer, github_server
from tests.servers.gitlab_fake import GitLabServer, gitlab_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ci_core.hosts.base import RepositoryHost
    from tests.servers.fault_proxy import Recorded

_STRANGE = ("GRAPHSHIP_", "CI", "GITHUB_", "GITLAB_", "GH_")
"""Variables that would make programs believe that they run in somebody's CI job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one run of ``graphship`` did."""

    exit_code: int
    printed: str
    log: str
    outputs: Mapping[str, str]
    requests: tuple[Recorded, ...]
    """What the host's interface was asked, without Git."""

    @property
    def writes(self) -> list[str]:
        """``POST /repos/…`` of each request that asked for a change."""
        return [f"{request.method} {request.path}" for request in self.requests if request.is_write]

    @property
    def reads(self) -> list[str]:
        """The others."""
        return [f"{request.method} {request.path}" for request in self.requests if not request.is_write]


@dataclass(slots=True, kw_only=True)
class HostedProject:
    """The project in a person's clone, and its host."""

    sample: SampleProject
    server: GitHubServer | GitLabServer
    kind: Literal["github", "gitlab"]
    token: str
    """What jobs of the repository itself are given."""
    runs: int = 0
    kept: list[str] = field(default_factory=list)
    """Names of clones that were made."""

    def push(self, branch: str) -> str:
        """Push what is checked out as a person; return the commit."""
        self.sample.git("push", "-q", "--force", self.address(), f"HEAD:refs/heads/{branch}")
        return self.sample.head()

    def address(self) -> str:
        """Return where a person, who is known there, clones from."""
        return self.server.git_url.replace("://", f"://oauth2:{self.server.token('ada')}@")

    def person(self) -> RepositoryHost:
        """Return the host as a person sees it."""
        choice = HostChoice(
            kind=self.kind,
            api_url=self.server.api_url,
            web_url=self.server.web_url,
            repository=self.server.repository,
            token=self.server.token("ada"),
            token_variable="GRAPHSHIP_TOKEN",
        )
        if self.kind == "github":
            return GitHubHost(choice, patience=Patience(), env={}, pace=False)
        return GitLabHost(choice, patience=Patience(), env={})

    def reading_token(self) -> str:
        """Return a job's token that may read and nothing else."""
        if isinstance(self.server, GitHubServer):
            reads = {"contents": "read", "pull-requests": "read"}
            return self.server.token("github-actions[bot]", kind="job", permissions=reads)
        return self.server.token("graphship-bot", kind="project", scopes=("read_api", "read_repository"))

    def clone(self, commit: str) -> Path:
        """Return a job's clone with a commit checked out; nothing of it was made by a run before."""
        name = f"job-{len(self.kept)}"
        self.kept.append(name)
        root = self.sample.folder / name
        subprocess.run(["git", "clone", "-q", str(self.sample.root), str(root)], check=True)
        for arguments in (
            ["remote", "set-url", "origin", self.server.git_url],
            ["checkout", "-q", "--detach", commit],
            ["update-ref", "refs/remotes/origin/main", "origin/main"],
        ):
            subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)
        return root

    def run(self, root: Path, *arguments: str, token: str | None = None, **variables: str) -> Job:
        """Run a command of ``graphship`` as a job does."""
        self.runs += 1
        output = self.sample.folder / f"outputs-{self.runs}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_STRANGE)}
        mine = {
            "CI": "true",
            "GRAPHSHIP_OUTPUT": str(output),
            "GRAPHSHIP_SUMMARY": f"{output}.md",
            "GRAPHSHIP_RUN_ID": str(self.runs),
            "GRAPHSHIP_STATE_DIR": str(self.sample.folder / "state"),
            **self._surroundings(token or self.token),
        }
        before = len(self.server.requests)
        ran = by_command.run(arguments, folder=root, environment={**clean, **mine, **variables})
        interface = [one for one in self.server.requests[before:] if ".git/" not in one.path]
        return Job(
            exit_code=ran.returncode,
            printed=ran.stdout,
            log=ran.stderr,
            outputs=read_outputs(output.read_text()) if output.exists() else {},
            requests=tuple(interface),
        )

    def report(self, number: int, commit: str, branch: str, *, token: str | None = None, **variables: str) -> Job:
        """Run ``graphship ci`` for a change request, in a fresh clone."""
        return self.run(
            self.clone(commit),
            "ci",
            token=token,
            GRAPHSHIP_EVENT="change-request",
            GRAPHSHIP_CHANGE_REQUEST=str(number),
            GRAPHSHIP_BRANCH=branch,
            **variables,
        )

    def _surroundings(self, token: str) -> dict[str, str]:
        server = self.server
        if self.kind == "github":
            return {
                "GITHUB_ACTIONS": "true",
                "GITHUB_API_URL": server.api_url,
                "GITHUB_SERVER_URL": server.web_url,
                "GITHUB_REPOSITORY": server.repository,
                "GITHUB_TOKEN": token,
            }
        return {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{server.api_url}/api/v4",
            "CI_SERVER_URL": server.web_url,
            "CI_PROJECT_PATH": server.repository,
            "GRAPHSHIP_TOKEN": token,
        }


@contextlib.contextmanager
def hosted_project(kind: Literal["github", "gitlab"], folder: Path) -> Iterator[HostedProject]:
    """Make a project on ``github`` or ``gitlab`` and push its ``main`` there."""
    sample = make_project(folder / "work")
    with contextlib.ExitStack() as stack:
        server: GitHubServer | GitLabServer
        if kind == "github":
            server = stack.enter_context(github_server(folder / "server"))
            token = server.token("github-actions[bot]", kind="job")
        else:
            server = stack.enter_context(gitlab_server(folder / "server"))
            token = server.token("graphship-bot", kind="project")
        project = HostedProject(sample=sample, server=server, kind=kind, token=token)
        sample.git("remote", "set-url", "origin", server.git_url)
        project.push("main")
        yield project
