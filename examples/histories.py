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

_FOUR_STAGES: Final = History(
    steps=(
        Step(
            label="first",
            message="feat: tell which parcels arrive late",
            commands=(("make_data.py", "--rows", "1200"),),
            add=("data/parcels.csv",),
        ),
        Step(
            label="more-data",
            message="data: the parcels of March",
            tag="v1.0.0",
            commands=(("make_data.py", "--rows", "1500"),),
            add=("data/parcels.csv",),
        ),
        Step(
            label="deeper",
            message="feat: grow more trees, and look at far and heavy parcels",
            new_branch="change",
            replace=(
                ("params.yaml", "trees: 60", "trees: 150"),
                ("params.yaml", "depth: 3", "depth: 4"),
                ("params.yaml", "interaction: false", "interaction: true"),
                (
                    "serving/graph.py",
                    '"serving.features:reply")',
                    '"serving.features:reply").to("serving.features:advise")',
                ),
            ),
        ),
        Step(
            label="change",
            message="data: the week of the strike",
            commands=(("make_data.py", "--rows", "1800", "--strike"),),
            add=("data/parcels.csv",),
        ),
        Step(label="main", message="docs: say whom to ask", branch="main", write={"CONTACT": "Ask Robin.\n"}),
    )
)

_SUB_PIPELINES: Final = History(
    folder="teams/forecast",
    steps=(
        Step(
            label="first",
            message="feat: forecast the sales of two regions",
            commands=(("make_data.py", "--days", "120"),),
            add=("data/sales.csv",),
        ),
        Step(
            label="more-data",
            message="data: two more months",
            tag="v1.0.0",
            commands=(("make_data.py", "--days", "180"),),
            add=("data/sales.csv",),
        ),
        Step(
            label="west",
            message="feat: forecast the west, too",
            new_branch="change",
            replace=(("settings.yaml", "[north, south]", "[north, south, west]"), ("params.yaml", "0.3", "0.15")),
            commands=(("make_data.py", "--days", "180", "--regions", "north", "south", "west"),),
            add=("data/sales.csv",),
        ),
        Step(
            label="change",
            message="refactor: call the last stage what it is",
            replace=(("model/dvc.yaml", "  total:\n", "  sum-up:\n"), ("settings.yaml", "[1, 7]", "[1, 7, 14]")),
        ),
        Step(label="main", message="docs: say whom to ask", branch="main", write={"CONTACT": "Ask Robin.\n"}),
    ),
)

HISTORIES: Final[Mapping[str, History]] = MappingProxyType(
    {"one-stage": _ONE_STAGE, "four-stages": _FOUR_STAGES, "sub-pipelines": _SUB_PIPELINES}
)
