"""The truth about one environment on this machine: ``state.json``, and how it may change (pure but for read and write).

The supervisor is the only writer while it lives; when it does not, whoever holds ``supervisor.lock`` is. A file is
written beside and renamed, so a reader sees the old state or the new one, never a mixture.

Keys of ``state.json`` (format 1):

- ``version``: counts changes of what is deployed; a plan names the one it was made on.
- ``release``, ``commit``: what gets the traffic, and the commit it was deployed from.
- ``known-bad``: release → why it is refused here.
- ``history``: newest last, ``{"release", "commit", "at", "outcome", "reason"}``; ``outcome`` is ``deployed``,
  ``rolled-back``, ``failed`` or ``destroyed``; ``at`` is UTC, ISO 8601.
- ``host``, ``port``: where the door listens. ``captures``: folder of the live release's captures.
- ``command``: how a server process is started, without the arguments that say which release.
- ``control``: path of the supervisor's socket. ``supervisor``, ``servers``: ``{"pid", "started"}`` of what runs.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from ci_core.deploy.local.processes import ProcessId
from ci_core.errors import StateFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci_core.types import CommitId, JsonObject, ReleaseId

_FORMAT = 1
_HISTORY_LENGTH = 200
"""Entries kept: half a year of a deployment a day. The ledger has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One environment; the module's docstring has the keys."""

    version: int = 0
    release: ReleaseId | None = None
    commit: CommitId | None = None
    known_bad: Mapping[ReleaseId, str] = field(default_factory=lambda: MappingProxyType({}))
    history: tuple[JsonObject, ...] = ()
    host: str = "127.0.0.1"
    port: int | None = None
    captures: str | None = None
    command: tuple[str, ...] = ()
    control: str | None = None
    supervisor: ProcessId | None = None
    servers: tuple[ProcessId, ...] = ()

    @property
    def earlier(self) -> Iterator[tuple[ReleaseId, CommitId]]:
        """Releases that served here before the live one and are not known to be bad, newest first."""
        seen = {self.release}
        for entry in reversed(self.history):
            release: Any = entry["release"]
            if entry["outcome"] in {"deployed", "rolled-back"} and release not in seen | self.known_bad.keys():
                seen.add(release)
                commit: Any = entry["commit"]
                yield release, commit

    @property
    def previous(self) -> ReleaseId | None:
        """Where a rollback goes."""
        return next((release for release, _ in self.earlier), None)


def switched(
    state: State,
    *,
    release: ReleaseId,
    commit: CommitId,
    outcome: Literal["deployed", "rolled-back"],
    at: str,
    reason: str,
) -> State:
    """Return the state after `release` got the traffic.

    It works, so it is not known-bad any more. A rollback makes the release it leaves known-bad: otherwise the next
    run for the same commit would deploy it again.
    """
    known_bad = {bad: why for bad, why in state.known_bad.items() if bad != release}
    if outcome == "rolled-back" and state.release is not None and state.release != release:
        known_bad[state.release] = reason
    entry = _entry(release=release, commit=commit, at=at, outcome=outcome, reason=reason)
    return replace(_with_history(state, entry), release=release, commit=commit, known_bad=MappingProxyType(known_bad))


def rejected(state: State, *, release: ReleaseId, commit: CommitId, at: str, reason: str) -> State:
    """Return the state after a candidate failed; what serves stays."""
    entry = _entry(release=release, commit=commit, at=at, outcome="failed", reason=reason)
    return replace(_with_history(state, entry), known_bad=MappingProxyType({**state.known_bad, release: reason}))


def destroyed(state: State, *, at: str) -> State:
    """Return the state after everything was stopped on purpose; history and port stay."""
    if state.release is None:
        return replace(state, supervisor=None, servers=(), control=None)
    entry = _entry(release=state.release, commit=state.commit, at=at, outcome="destroyed", reason="")
    return replace(_with_history(state, entry), release=None, commit=None, supervisor=None, servers=(), control=None)


def read_state(path: Path) -> State | None:
    """Return the state; None when there is none yet.

    Raises:
        StateFileError: the file is not what we wrote.
    """
    try:
        data = json.loads(path.read_bytes())
        return _from_dict(data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateFileError(path=str(path), reason=f"{type(error).__name__}: {error}") from error


def write_state(path: Path, state: State, *, is_durable: bool = True) -> None:
    """Replace the file in one step; `is_durable` also waits until it is on the disk."""
    with tempfile.NamedTemporaryFile(prefix=".state-", dir=path.parent, delete=False) as scratch:
        try:
            scratch.write(json.dumps(_to_dict(state), indent=2, ensure_ascii=False).encode())
            scratch.flush()
            if is_durable:
                os.fsync(scratch.fileno())
            Path(scratch.name).replace(path)
        except BaseException:
            Path(scratch.name).unlink(missing_ok=True)
            raise
    if is_durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entry(*, release: ReleaseId, commit: CommitId | None, at: str, outcome: str, reason: str) -> JsonObject:
    return {"release": release, "commit": commit, "at": at, "outcome": outcome, "reason": reason}


def _with_history(state: State, entry: JsonObject) -> State:
    return replace(state, version=state.version + 1, history=(*state.history, entry)[-_HISTORY_LENGTH:])


def _to_dict(state: State) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": state.version,
        "release": state.release,
        "commit": state.commit,
        "previous": state.previous,
        "known-bad": dict(state.known_bad),
        "history": list(state.history),
        "host": state.host,
        "port": state.port,
        "captures": state.captures,
        "command": list(state.command),
        "control": state.control,
        "supervisor": state.supervisor.to_dict() if state.supervisor else None,
        "servers": [server.to_dict() for server in state.servers],
    }


def _from_dict(data: Mapping[str, Any]) -> State:
    if data["format"] != _FORMAT:
        raise ValueError(f"expected format {_FORMAT}, found {data['format']!r}")
    return State(
        version=data["version"],
        release=data["release"],
        commit=data["commit"],
        known_bad=MappingProxyType(data["known-bad"]),
        history=tuple(data["history"]),
        host=data["host"],
        port=data["port"],
        captures=data["captures"],
        command=tuple(data["command"]),
        control=data["control"],
        supervisor=ProcessId.from_dict(data["supervisor"]) if data["supervisor"] else None,
        servers=tuple(ProcessId.from_dict(server) for server in data["servers"]),
    )
