"""GitLab as a repository host: gitlab.com, and own servers, also below a path."""

from ci_core.hosts.gitlab.host import GitLabHost

__all__ = ["GitLabHost"]
