"""How operations speak to the person who reads the job's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ci_core.errors import Location


class Console(Protocol):
    """The log of a run; each CI system folds, annotates and summarizes in its own way."""

    def group(self, title: str) -> AbstractContextManager[None]:
        """Fold what is said inside the ``with`` block under `title`."""
        ...

    def step(self, text: str) -> None:
        """Say one thing that was done."""
        ...

    def notice(self, text: str, *, where: Location | None = None) -> None:
        """Say something that the reader should know but need not act on."""
        ...

    def warning(self, text: str, *, where: Location | None = None) -> None:
        """Say something that the reader should look at."""
        ...

    def error(self, text: str, *, where: Location | None = None) -> None:
        """Say why the job fails."""
        ...

    def output(self, name: str, value: str) -> None:
        """Set an output of the job for later steps, such as ``verdict`` or ``release-id``."""
        ...

    def summary(self, markdown: str) -> None:
        """Put `markdown` on the page of the run, where the system has one."""
        ...
