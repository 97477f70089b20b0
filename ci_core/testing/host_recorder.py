"""Watch, count and disturb the calls that our code makes to a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.hosts.base import ChangeRequests, Comments, Deployments, Issues, RepositoryHost, Statuses
    from ci_core.hosts.spec import Access, Identity
    from ci_core.types import CommitId, GitCredentials

    Hook = Callable[[str], None]
    """Told ``comments.create`` and the like; may raise what the host would raise."""

_READS = frozenset({"access", "find", "get", "list", "read_file"})


class RecordingHost:
    """A host that hands every call on and remembers it.

    Args:
        host: the host that does the work.
        before: called before each call.
        after: called when a call was done, before its result is handed back: what is raised here is an answer that
            got lost on the way.
    """

    def __init__(
        self, host: RepositoryHost, *, before: Hook = lambda _call: None, after: Hook = lambda _call: None
    ) -> None:
        self._host, self.before, self.after = host, before, after
        self.name, self.capabilities, self.body_limit = host.name, host.capabilities, host.body_limit
        self.calls: list[str] = []
        self.change_requests = cast("ChangeRequests", _Recorder(self, "change_requests", host.change_requests))
        self.comments = cast("Comments", _Recorder(self, "comments", host.comments))
        self.issues = cast("Issues", _Recorder(self, "issues", host.issues))
        self.statuses = cast("Statuses", _Recorder(self, "statuses", host.statuses))
        self.deployments = cast("Deployments", _Recorder(self, "deployments", host.deployments))
        self._repository = _Recorder(self, "repository", host)

    @property
    def writes(self) -> list[str]:
        """The calls that change something, in order."""
        return [call for call in self.calls if call.partition(".")[2] not in _READS]

    @property
    def reads(self) -> list[str]:
        """The calls that only look, in order."""
        return [call for call in self.calls if call.partition(".")[2] in _READS]

    def identity(self) -> Identity:
        """Return who acts; not counted, since hosts remember it."""
        return self._host.identity()

    def access(self) -> Access:
        """Return what our token may do; not counted, since only ``doctor`` asks."""
        return self._host.access()

    def read_file(self, path: str, *, commit: CommitId) -> bytes | None:
        """Return a file in a commit."""
        return cast("bytes | None", self._repository.read_file(path, commit=commit))

    def commit_url(self, commit: CommitId) -> str:
        """Return the address of a commit; not a call."""
        return self._host.commit_url(commit)

    def file_url(self, commit: CommitId, path: str, line: int | None = None) -> str | None:
        """Return the address of a file; not a call."""
        return self._host.file_url(commit, path, line)

    def upload_image(self, name: str, content: bytes) -> str:
        """Store a picture."""
        return cast("str", self._repository.upload_image(name, content))

    def git_credentials(self) -> GitCredentials | None:
        """Return what Git needs; not a call."""
        return self._host.git_credentials()


class _Recorder:
    """One part of a host, such as its comments."""

    def __init__(self, recording: RecordingHost, part: str, target: object) -> None:
        self._recording, self._part, self._target = recording, part, target

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call, real = f"{self._part}.{method}", getattr(self._target, method)

        def recorded(*args: Any, **kwargs: Any) -> Any:
            self._recording.calls.append(call)
            self._recording.before(call)
            result = real(*args, **kwargs)
            if method in {"find", "list"}:
                result = list(result)  # to the last page now, so that `after` comes after it
            self._recording.after(call)
            return result

        return recorded
