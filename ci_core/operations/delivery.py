"""Write to the host without letting it decide: what could not be delivered is said, and the work goes on.

Order matters: files first, then the summary, then the host, so that a host that refuses takes nothing with it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from ci_core.errors import GraphshipError
from ci_core.hosts.mirror import upsert_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci_core.ci.console import Console
    from ci_core.hosts.base import RepositoryHost
    from ci_core.hosts.spec import CommitStatus

T = TypeVar("T")


class Deliveries:
    """What of one run reached the host, and what did not."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.failed: list[str] = []

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Try one write inside the ``with`` block; an error of the host is a warning, noted in :attr:`failed`.

        Args:
            what: completes "could not deliver …".
        """
        try:
            yield
        except GraphshipError as error:
            self.note(what, error)

    def result(self, what: str, write: Callable[[], T]) -> T | None:
        """Return what `write` returns, or None when the host refused; see :meth:`attempt`."""
        try:
            return write()
        except GraphshipError as error:
            self.note(what, error)
            return None

    def light(self, host: RepositoryHost, status: CommitStatus) -> None:
        """Set a light on a commit unless it says so already; that another run says it is nothing new."""
        with self.attempt("the commit status"):
            upsert_status(host, status)

    def note(self, what: str, error: GraphshipError) -> None:
        """Say that something was not delivered, and remember it."""
        self.failed.append(what)
        self._console.warning(f"could not deliver {what}: {error.fact}" + (f" ({error.hint})" if error.hint else ""))

    @property
    def is_complete(self) -> bool:
        """Whether everything that was tried arrived."""
        return not self.failed
