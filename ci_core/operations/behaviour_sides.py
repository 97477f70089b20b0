"""The two graphs that are compared, from their files to the processes that answer: which run, and what failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from ci_core.behaviour.identity import Files, are_identical
from ci_core.behaviour.side import Side, SideFailedError
from ci_core.deploy.bundle import git_files
from ci_core.errors import ExitCode, GraphshipError, MissingSecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.behaviour.side import Place
    from ci_core.behaviour.tree import CommitTree
    from ci_core.config.settings import Settings
    from ci_core.serving.spec import GraphSpec

SideName = Literal["base", "head"]
Cause = Literal["own", "files", "secret"]
NAMES: Final[tuple[SideName, ...]] = ("base", "head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One commit on its way to answering."""

    name: SideName
    settings: Settings
    place: Place
    tree: CommitTree | None
    """None for the work tree."""


class NoGraphError(Exception):
    """A side that there is not; its text is a sentence."""

    def __init__(self, text: str, *, reason: Literal["by-choice", "own-fault", "unread"]) -> None:
        super().__init__(text)
        self.reason = reason
        """``by-choice``: it serves nothing. ``own-fault``: its configuration is wrong."""

    @property
    def is_by_choice(self) -> bool:
        """Whether the side serves nothing, as it says itself."""
        return self.reason == "by-choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A side that failed."""

    problem: str
    """What was told of it."""
    cause: Cause = "own"
    """``files``: some could not be had. ``secret``: it needs one, and here it gets none."""
    exit_code: ExitCode = ExitCode.USER_CODE
    """What a command ends with because of it."""


@dataclass(slots=True, kw_only=True)
class Sides:
    """The sides that have not failed yet; what fails is told in `problems`."""

    versions: Mapping[str, Version]
    started: dict[str, Side]
    """Also those that failed since."""
    running: dict[str, Side]
    problems: list[str]
    dropped: dict[str, Dropped] = field(default_factory=dict)

    def get(self, name: str) -> Side | None:
        """Return a side; None when it does not run."""
        return self.running.get(name)

    def each(self, do: Callable[[Side], None]) -> None:
        """Do something with every side that runs; one that fails is dropped."""
        for name, side in list(self.running.items()):
            try:
                do(side)
            except SideFailedError as error:
                cause: Cause = "secret" if error.slug == MissingSecretError.slug else "own"
                self._drop(name, Dropped(problem=error.reason, cause=cause, exit_code=error.exit_code))

    def provide(self) -> None:
        """Give each side the files that its graph names, from Git and from DVC's cache or remote."""
        for name, side in list(self.running.items()):
            version = self.versions[name]
            if version.tree is None:
                continue
            folder = code_folder(version.place.graph)
            try:
                version.tree.bring([*side.needs, *([folder] if folder != "." else [])])
            except GraphshipError as error:
                problem = f"what the {name}'s graph needs cannot be had: {told(error)}"
                self._drop(name, Dropped(problem=problem, cause="files"))

    def excuse(self, name: str) -> None:
        """Note that a side that failed may have lacked files."""
        self.dropped[name] = Dropped(problem=self.dropped[name].problem, cause="files")

    def restore(self, name: str, side: Side) -> None:
        """Let a side that failed run after all."""
        self.problems.remove(self.dropped.pop(name).problem)
        self.started[name] = self.running[name] = side

    def load(self) -> None:
        """Let the graphs load their models, both at the same time."""
        self.each(Side.compile)
        self.each(Side.ready)

    def end(self) -> None:
        """End all processes."""
        for side in self.running.values():
            side.end()

    # --- what is known of them ---

    @property
    def are_identical(self) -> bool:
        """Whether both run, and are the same byte for byte."""
        if self.running.keys() != {"base", "head"}:
            return False
        base, head = self.versions["base"], self.versions["head"]
        is_same_time = base.place.time_column == head.place.time_column
        return is_same_time and are_identical(self._files("base"), self._files("head"))

    def _files(self, name: str) -> Files:
        version, needs = self.versions[name], self.running[name].needs
        place = version.place
        names = git_files(place.root, ".") if version.tree is None else version.tree.names
        return Files(root=place.root, graph=place.graph, names=frozenset(names), needs=frozenset(needs))

    def graph(self, name: str) -> GraphSpec | None:
        """Return a serving graph; None when its code could not be loaded."""
        side = self.started.get(name)
        return side.graph if side is not None else None

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that any of the graphs takes; None when one does not say."""
        found: set[str] = set()
        for side in self.running.values():
            if side.columns is None:
                return None
            found.update(side.columns)
        return frozenset(found)

    @property
    def failure(self) -> Dropped | None:
        """What was told of the head when it failed, and the base did not fail in the same way."""
        head, base = self.dropped.get("head"), self.dropped.get("base")
        if head is None or (base is not None and base.problem == head.problem.replace("the head's", "the base's", 1)):
            return None
        return head

    def _drop(self, name: str, dropped: Dropped) -> None:
        self.problems.append(dropped.problem)
        self.dropped[name] = dropped
        self.running.pop(name).end()


def code_folder(graph: str) -> str:
    """Return the folder of a graph's file."""
    return PurePosixPath(graph.partition(":")[0]).parent.as_posix()


def told(error: GraphshipError) -> str:
    """Return an error as one sentence of a report."""
    known = f": {error.known[0]}" if error.known else ""
    return error.fact + known + (f" ({error.hint})" if error.hint else "")
