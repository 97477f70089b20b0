"""The local host: change requests, comments, issues, statuses and deployments as files beside a bare repository.

For the demo, for tests, and where no forge can be reached. The semantics are those of the real hosts.
"""

from ci_core.hosts.local.host import LocalHost, create_local_host, find_local_host

__all__ = ["LocalHost", "create_local_host", "find_local_host"]
