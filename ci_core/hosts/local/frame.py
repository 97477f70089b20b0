"""What the parts of a local host share: its files, its repository, who acts, and the time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci_core.errors import HostDataError, HostRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci_core.hosts.local.repository import Repository
    from ci_core.hosts.local.store import Store

BODY_LIMIT = 65_536
"""As on GitHub, the lowest of the hosts we deliver to that people use: what fits here fits there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The common ground of one :class:`~ci_core.hosts.local.host.LocalHost`."""

    store: Store
    repository: Repository
    login: str
    clock: Callable[[], datetime]
    """Returns an aware time."""
    topic_changed: Callable[[int], None]
    """Told the number of a change request or issue after something on it changed."""

    @property
    def where(self) -> str:
        """What error messages name: the host's folder."""
        return str(self.store.folder)

    def now(self) -> str:
        """Return the time as ISO 8601, UTC, whole seconds."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def page_url(self, topic: int, anchor: str = "") -> str:
        """Return the address of a topic's page, or of one comment on it."""
        url = (self.store.folder / "pages" / f"{topic}.html").as_uri()
        return f"{url}#{anchor}" if anchor else url

    def check_body(self, body: str) -> None:
        """Refuse a body that is longer than real hosts take."""
        if len(body) > BODY_LIMIT:
            raise HostRefusedError(
                host=self.where,
                action="store a text",
                reason=f"it has {len(body):,} characters and the limit is {BODY_LIMIT:,}",
            )

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Translate a missing or misshapen key into an error that names the file."""
        try:
            yield
        except (KeyError, TypeError, ValueError) as error:
            reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise HostDataError(file=str(self.store.folder / name), reason=reason) from error
