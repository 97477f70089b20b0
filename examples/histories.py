"""What a person did in each example, commit by commit (pure data)."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit, and what was done before it. Paths are relative to the project's folder."""

    label: str
    """What :attr:`examples.build.Example.commits` calls it."""
    message: str
    new_branch: str = ""
    """A branch that begins here."""
    branch: str = ""
    """A branch that is checked out first."""
    tag: str = ""
    replace: tuple[tuple[str, str, str], ...] = ()
    """``(path, old text, new text)``."""
    write: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Path → whole new text."""
    remove: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    """Arguments of this Python, such as a script that makes data."""
    add: tuple[str, ...] = ()
    """Files that DVC gets or that have new content."""
    runs: bool = True
    """Whether the stale stages run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The commits of one example, oldest first. The last one leaves ``main`` checked out."""

    steps: tuple[Step, ...]
    folder: str = ""
    """The project's folder in the repository; empty for its top."""


_ONE_STAGE: Final = History(
    steps=(
        Step(
            label="first",
            message="feat: tell the temperature of a room from the weather outside",
            commands=(("make_data.py", "--rows", "120"),),
            add=("data/rooms.csv",),
        ),
        Step(
            label="more-data",
            message="data: two more months",
            tag="v1.0.0",
            commands=(("make_data.py", "--rows", "180"),),
            add=("data/rooms.csv",),
        ),
        Step(
            label="longer",
            message="feat: train longer, and use the wind",
            new_branch="change",
            replace=(("params.yaml", "steps: 40", "steps: 400"), ("params.yaml", "[sun]", "[sun, wind]")),
        ),
        Step(
            label="change",
            message="data: leave the broken sensor out",
            commands=(("make_data.py", "--rows", "180", "--without-broken"),),
            add=("data/rooms.csv",),
        ),
        Step(label="main", message="docs: say whom to ask", branch="main", write={"CONTACT": "Ask Robin.\n"}),
    )
)

HISTORIES: Final[Mapping[str, History]] = MappingProxyType({"one-stage": _ONE_STAGE})
