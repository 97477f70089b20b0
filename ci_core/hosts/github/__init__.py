"""GitHub, on PyGithub's requester."""

from ci_core.hosts.github.host import GitHubHost

__all__ = ["GitHubHost"]
