"""How a step is called: the keywords of the builder, whatever the step is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping


class StepOptions(TypedDict, total=False):
    """How a step is called; the keywords that every way to add a step takes.

    What they mean, and their spelling in YAML, is told by ``docs/reference/graph-yaml.md``.
    """

    handler: str | None
    """Method of a class to call, instead of ``do`` or ``do_event``."""
    full_event: bool
    """Give the step the :class:`Event` instead of the body."""
    input_path: str | None
    """Give it this part of the body: ``a.b``; of a list of rows, the list of their parts."""
    result_path: str | None
    """Put its result under this key of a copy of the body, instead of replacing the body; of a list of rows each gets
    its own part of the result."""
    retries: int
    """How often a failed call is repeated; a refused request (4xx) never is."""
    retry_wait: float
    """Seconds before the first repetition, doubled before each further one."""
    timeout: float | None
    """Seconds one call may take; a sync step then runs in a thread."""
    blocking: bool
    """Run a sync step in a thread, because it waits; each model of a router in one of its own."""
    function: str | None
    """Run it in a process of its own, together with the other steps of that function."""
    arguments: Mapping[str, Any]
    """For the constructor, in case a name collides with one of these."""


OPTIONS: Final = tuple(StepOptions.__annotations__)
PLACES: Final = ("name", "after", "before", "join", "join_key", "back_to")
"""Keywords that say where a step stands; not all calls take all of them."""
FIELDS: Final[Mapping[str, str]] = {
    option: {"retry_wait": "retry_wait_s", "timeout": "timeout_s"}.get(option, option)
    for option in OPTIONS
    if option != "arguments"
}
"""Keyword of the builder → field of the spec."""
