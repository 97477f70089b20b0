"""Tell those who ask for changes on the default branch, or where it is not known, how to see some."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.ci.console import Console
    from ci_core.reports.report import Report


def tell_when_nothing_changed(report: Report, console: Console, *, command: str, base: str | None) -> None:
    """Say so when no base was named and the one that was found is what is checked out, without any change.

    Args:
        report: what was compared.
        console: where it is said.
        command: the command that was typed, for the advice.
        base: the base that was typed; None for none.
    """
    if base is None and report.base == report.head:  # labels of a changed work tree differ from those of its commit
        console.notice(
            "the base that was found is the commit that is checked out, and the work tree is as it was committed: "
            f"there is nothing to compare; name a base, as in `graphship {command} HEAD~1`"
        )
