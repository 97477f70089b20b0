"""What a change does to the answers: the project's recorded requests through the graphs of base and head.

Each graph runs in a process of its own, from the files of its own commit, with an environment that holds no secret.
Nothing of either is imported or unpickled here.
"""

from __future__ import annotations

import site
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from ci_core.behaviour.identity import Files, are_identical
from ci_core.behaviour.replay import replay
from ci_core.behaviour.requests import Requests, recorded, recorded_file, sampled
from ci_core.behaviour.side import Place, Side, SideFailedError
from ci_core.behaviour.spec import Behaviour
from ci_core.behaviour.surroundings import scrubbed
from ci_core.behaviour.tree import CommitTree
from ci_core.config.reader import settings_from_bytes
from ci_core.config.settings import CONFIG_FILE
from ci_core.deploy.bundle import git_files
from ci_core.errors import GraphshipError
from ci_core.versioning.dvc_copies import copy_tracked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.config.settings import MonitorSettings, Settings
    from ci_core.operations.project import Project
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import CommitId


def compare_behaviour(project: Project, *, base: CommitId, head: CommitId | None) -> Behaviour | None:
    """Send the project's recorded requests through the serving graphs of two commits.

    Args:
        project: of the work tree. Of its environment variables the graphs get those that
            :func:`~ci_core.behaviour.surroundings.scrubbed` lets through.
        base: a commit of this clone.
        head: another one; None for the work tree as it is.

    Returns:
        None when the head serves nothing. With nothing to send it holds the graphs alone. Whatever else keeps them
        from being compared is told in ``Behaviour.problem``.
    """
    try:
        with ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="graphship-behaviour-", ignore_cleanup_errors=True)
            # resolved: some systems keep temporary files behind a link, and modules are told apart by their folders
            scratch = Path(stack.enter_context(folder)).resolve()
            run = _Run(project=project, scratch=scratch, stack=stack)
            return run.compare(base, head)
    except OSError as error:  # the disk is full, or there is no place for temporary files
        return Behaviour(source="", problem=f"the graphs could not be asked: {error.strerror or error}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """One commit on its way to answering."""

    name: Literal["base", "head"]
    settings: Settings
    place: Place
    tree: CommitTree | None
    """None for the work tree."""


@dataclass(slots=True, kw_only=True)
class _Run:
    """One comparison; its folders and processes end with `stack`."""

    project: Project
    scratch: Path
    stack: ExitStack
    problems: list[str] = field(default_factory=list)

    def compare(self, base: CommitId, head: CommitId | None) -> Behaviour | None:
        """Return what :func:`compare_behaviour` does."""
        try:
            new = self._version("head", head)
        except _NoGraphError as error:
            return None if head is None or error.is_by_choice else Behaviour(source="", problem=str(error))
        file, monitor = recorded_file(new.settings), new.settings.monitor
        requests = None
        if file is not None:
            requests = self._recorded(new, file)
        elif monitor is None:
            requests = Requests(source="")
        sides = self._begin(base, new)
        graphs = sides.graphs
        return replace(
            self._ask(base, new, sides, requests), base_graph=graphs.get("base"), head_graph=graphs.get("head")
        )

    def _ask(self, base: CommitId, new: _Version, sides: _Sides, requests: Requests | None) -> Behaviour:
        """Send the requests (None: rows of the reference) to both sides."""
        monitor = new.settings.monitor
        if requests is not None and not requests.requests:
            sides.end()
            return self._unasked(requests)
        sides.provide()
        if sides.are_identical:
            sides.end()
            return _identical(requests or self._sampled(new, monitor, None))
        sides.load()
        self._explain_absent(sides)
        if requests is None:
            requests = self._sampled(new, monitor, sides.columns)
        if not requests.requests or not sides.running:
            return self._unasked(requests)
        time = self._time(base, sides.versions)
        return replay(sides.get("base"), sides.get("head"), requests, time=time, problems=self.problems)

    def _unasked(self, requests: Requests) -> Behaviour:
        said = [*self.problems, *([requests.problem] if requests.problem else [])]
        return Behaviour(source=requests.source, problem="; ".join(said) or None)

    # --- the two commits ---

    def _version(self, name: Literal["base", "head"], commit: CommitId | None) -> _Version:
        """Return the settings and the files of one side.

        Raises:
            _NoGraphError: it serves nothing, or cannot be read.
        """
        project = self.project
        if commit is None:
            return self._placed(name, project.settings, None)
        try:
            data = project.git.read_file(commit, CONFIG_FILE)
            if data is None:
                raise _NoGraphError(f"the {name} has no `{CONFIG_FILE}`", is_by_choice=True)
            tree = CommitTree(project.git, project.dvc, commit, self.scratch / name / "tree")
            settings = settings_from_bytes(data, root=tree.root, env={}, check_files=False)
            version = self._placed(name, settings, tree)
            tree.write(_code_folder(version.place.graph))
        except GraphshipError as error:
            raise _NoGraphError(f"the {name} cannot be read: {_told(error)}") from error
        return version

    def _placed(self, name: Literal["base", "head"], settings: Settings, tree: CommitTree | None) -> _Version:
        if settings.graph is None:
            raise _NoGraphError(f"the {name} has no serving graph", is_by_choice=True)
        moved = None if tree is None else (self.project.git.top.resolve(), tree.top)
        place = Place(
            root=settings.root if tree is None else tree.root,
            graph=settings.graph,
            time_column=settings.monitor.time_column if settings.monitor else None,
            env=scrubbed(
                self.project.env,
                home=self.scratch / name / "home",
                user_base=site.getuserbase() if site.ENABLE_USER_SITE else None,
                moved=moved,
            ),
            moved=moved,
        )
        return _Version(name=name, settings=settings, place=place, tree=tree)

    def _begin(self, base: CommitId, new: _Version) -> _Sides:
        """Start both sides, which look what their graphs name."""
        versions = [new]
        try:
            versions.insert(0, self._version("base", base))
        except _NoGraphError as error:
            self.problems.append(str(error))
        running: dict[str, Side] = {}
        for version in versions:
            side = Side(version.name, version.place, self.scratch / version.name)
            running[version.name] = self.stack.enter_context(side)
        sides = _Sides(
            versions={version.name: version for version in versions},
            started=dict(running),
            running=running,
            problems=self.problems,
        )
        sides.each(Side.begin)
        sides.each(Side.look)
        self._look_again(sides)
        return sides

    def _look_again(self, sides: _Sides) -> None:
        """Give a side that could not be loaded what the other one names: its code may read that when it is imported."""
        for name in sorted(sides.started.keys() - sides.running.keys()):
            version, other = sides.versions[name], next(iter(sides.running.values()), None)
            if version.tree is None or other is None or not other.needs:
                continue
            side = self.stack.enter_context(Side(version.name, version.place, self.scratch / f"{name}-again"))
            try:
                version.tree.bring(other.needs)
                side.begin()
                side.look()
            except (GraphshipError, SideFailedError):
                continue  # what was told the first time stands
            self.problems.remove(sides.dropped.pop(name))
            sides.started[name] = sides.running[name] = side

    def _explain_absent(self, sides: _Sides) -> None:
        """Say which files of the work tree DVC could bring, when the head could not be loaded without them."""
        head = sides.versions["head"]
        absent = [need for need in sides.started["head"].needs if not (head.place.root / need).exists()]
        if head.tree is not None or "head" in sides.running or not absent:
            return
        try:
            state = self.project.dvc.read()
        except GraphshipError:
            return
        tracked = [
            one for one in absent if any(_is_at_or_below(one, file.path) for file in (*state.data, *state.outputs))
        ]
        if tracked:
            self.problems.append(f"what DVC keeps was not fetched: `dvc pull {' '.join(tracked)}`")

    # --- what is sent ---

    def _recorded(self, new: _Version, file: str) -> Requests:
        if new.tree is not None:
            try:
                new.tree.bring([file])
            except GraphshipError as error:
                return Requests(source=file, problem=f"the recorded requests cannot be had: {_told(error)}")
        return recorded(new.place.root, file)

    def _sampled(self, new: _Version, monitor: MonitorSettings | None, columns: frozenset[str] | None) -> Requests:
        if monitor is None:
            return Requests(source="")
        table = new.place.root / monitor.reference
        try:
            if new.tree is not None:
                new.tree.bring([monitor.reference])
            elif not table.exists():  # a clone whose data was not pulled stays as it is
                folder = self.scratch / "data"
                copy_tracked(self.project.dvc, self.project.git.head(), [monitor.reference], folder)
                table = folder / monitor.reference
        except GraphshipError as error:
            return Requests(source=monitor.reference, problem=f"`{monitor.reference}` cannot be had: {_told(error)}")
        return sampled(table, monitor, columns)

    def _time(self, base: CommitId, versions: Mapping[str, _Version]) -> str | None:
        """Return the time of the requests: that of the base's commit, which is the same in every run."""
        if any(version.place.time_column for version in versions.values()):
            return None  # it is in their bodies
        return self.project.git.run("show", "--no-patch", "--format=%cI", base).text or None


class _NoGraphError(Exception):
    """A side that there is not; its text is a sentence."""

    def __init__(self, text: str, *, is_by_choice: bool = False) -> None:
        super().__init__(text)
        self.is_by_choice = is_by_choice


@dataclass(slots=True, kw_only=True)
class _Sides:
    """The sides that have not failed yet; what fails is told in `problems`."""

    versions: Mapping[str, _Version]
    started: dict[str, Side]
    """Also those that failed since."""
    running: dict[str, Side]
    problems: list[str]
    dropped: dict[str, str] = field(default_factory=dict)
    """Name of a side that failed → what was told of it."""

    def get(self, name: str) -> Side | None:
        return self.running.get(name)

    def each(self, do: Callable[[Side], None]) -> None:
        for name, side in list(self.running.items()):
            try:
                do(side)
            except SideFailedError as error:
                self._drop(name, error.reason)

    def provide(self) -> None:
        """Give each side the files that its graph names, from Git and from DVC's cache or remote."""
        for name, side in list(self.running.items()):
            version = self.versions[name]
            if version.tree is None:
                continue
            folder = _code_folder(version.place.graph)
            try:
                version.tree.bring([*side.needs, *([folder] if folder != "." else [])])
            except GraphshipError as error:
                self._drop(name, f"what the {name}'s graph needs cannot be had: {_told(error)}")

    @property
    def are_identical(self) -> bool:
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

    @property
    def graphs(self) -> dict[str, GraphSpec | None]:
        """The serving graphs, as far as their code could be loaded."""
        return {name: side.graph for name, side in self.started.items()}

    def load(self) -> None:
        """Let the graphs load their models, both at the same time."""
        self.each(Side.compile)
        self.each(Side.ready)

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that any of the graphs takes; None when one does not say."""
        found: set[str] = set()
        for side in self.running.values():
            if side.columns is None:
                return None
            found.update(side.columns)
        return frozenset(found)

    def end(self) -> None:
        for side in self.running.values():
            side.end()

    def _drop(self, name: str, problem: str) -> None:
        self.problems.append(problem)
        self.dropped[name] = problem
        self.running.pop(name).end()


def _is_at_or_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _identical(requests: Requests) -> Behaviour:
    return Behaviour(
        source=requests.source,
        requests=len(requests.requests),
        is_identical=True,
        problem=requests.problem,
    )


def _code_folder(graph: str) -> str:
    return PurePosixPath(graph.partition(":")[0]).parent.as_posix()


def _told(error: GraphshipError) -> str:
    known = f": {error.known[0]}" if error.known else ""
    return error.fact + known + (f" ({error.hint})" if error.hint else "")
