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
from typing import TYPE_CHECKING, Final

from ci_core.behaviour.replay import replay
from ci_core.behaviour.side import Place, Side, SideFailedError
from ci_core.behaviour.spec import Behaviour
from ci_core.behaviour.surroundings import scrubbed
from ci_core.behaviour.tree import CommitTree
from ci_core.config.reader import settings_from_bytes
from ci_core.config.settings import CONFIG_FILE
from ci_core.errors import ExitCode, GraphshipError
from ci_core.operations.behaviour_requests import BothRequests
from ci_core.operations.behaviour_sides import NAMES, NoGraphError, Sides, Version, code_folder, told
from ci_core.serving.spec import GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.behaviour.requests import Requests
    from ci_core.config.settings import Settings
    from ci_core.operations.behaviour_sides import SideName
    from ci_core.operations.project import Project
    from ci_core.types import CommitId

_SERVES_NOTHING: Final = GraphSpec(name="")


def compare_behaviour(
    project: Project, *, base: CommitId | None, head: CommitId | None, sends: bool = True
) -> Behaviour | None:
    """Send the requests of both sides through the serving graphs of two commits.

    Args:
        project: of the work tree. Of its environment variables the graphs get those that
            :func:`~ci_core.behaviour.surroundings.scrubbed` lets through.
        base: a commit of this clone; None when it could not be read: then the head's graph is loaded and asked alone.
        head: another one; None for the work tree as it is.
        sends: False to load the code of the graphs alone, which says what they consist of.

    Returns:
        None when neither side serves anything. With nothing to send it holds the graphs alone. Whatever else keeps
        them from being compared is told in ``Behaviour.problem``.
    """
    try:
        with ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="graphship-behaviour-", ignore_cleanup_errors=True)
            # resolved: some systems keep temporary files behind a link, and modules are told apart by their folders
            scratch = Path(stack.enter_context(folder)).resolve()
            run = _Run(project=project, scratch=scratch, stack=stack, sends=sends)
            return run.compare(base, head)
    except OSError as error:  # the disk is full, or there is no place for temporary files
        return Behaviour(source="", problem=f"the graphs could not be asked: {error.strerror or error}")


@dataclass(slots=True, kw_only=True)
class _Run:
    """One comparison; its folders and processes end with `stack`."""

    project: Project
    scratch: Path
    stack: ExitStack
    sends: bool
    problems: list[str] = field(default_factory=list)

    def compare(self, base: CommitId | None, head: CommitId | None) -> Behaviour | None:
        """Return what :func:`compare_behaviour` does."""
        versions: dict[str, Version] = {}
        absent: dict[SideName, NoGraphError] = {}
        for name, commit in zip(NAMES, (base, head), strict=True):
            if name == "base" and commit is None:
                absent[name] = NoGraphError("the base could not be read", reason="unread")
                continue
            try:
                versions[name] = self._version(name, commit)
            except NoGraphError as error:
                absent[name] = error
        if not versions and absent["head"].is_by_choice:
            return None
        self.problems += [str(error) for error in absent.values()]
        sides = self._begin(versions)
        requests = BothRequests(self.project, versions, self.scratch) if self.sends else None
        asked = requests if "head" in versions else None
        found = self._ask(base or head, sides, asked) if asked else self._unasked(sides)
        graphs = {name: _SERVES_NOTHING if _is_by_choice(absent, name) else sides.graph(name) for name in NAMES}
        found = replace(found, base_graph=graphs["base"], head_graph=graphs["head"])
        has_requests = requests is not None and not requests.are_none
        return self._blamed(found, sides, absent.get("head"), has_requests=has_requests)

    def _ask(self, commit: CommitId | None, sides: Sides, requests: BothRequests) -> Behaviour:
        """Send the requests to both sides, as of the time of a commit; None for the one that is checked out."""
        if requests.are_none:
            if "base" not in sides.versions:  # a graph that is new: nobody else looks whether it can be loaded
                sides.provide()
                sides.load()
            return self._unasked(sides, requests.all(None))
        sides.provide()
        if sides.are_identical:
            sides.end()
            return _identical(requests.all(None))
        sides.load()
        self._explain_absent(sides)
        asked = requests.all(sides.columns)
        if not asked.requests or not sides.running:
            return self._unasked(sides, asked)
        time = self._time(commit or self.project.git.head(), sides.versions)
        masker = self.project.redactor
        return replay(sides.get("base"), sides.get("head"), asked, time=time, problems=self.problems, masker=masker)

    def _unasked(self, sides: Sides, requests: Requests | None = None) -> Behaviour:
        sides.end()
        self._explain_absent(sides)
        said = [*self.problems, *([requests.problem] if requests is not None and requests.problem else [])]
        return Behaviour(source=requests.source if requests is not None else "", problem="; ".join(said) or None)

    def _blamed(self, found: Behaviour, sides: Sides, absent: NoGraphError | None, *, has_requests: bool) -> Behaviour:
        """Return the comparison with what is the change's own doing, if anything keeps its graph from answering."""
        if absent is not None:
            failure = str(absent) if absent.reason == "own-fault" else None
            code = ExitCode.USAGE
            why = None if absent.reason == "unread" else str(absent)
        else:
            dropped = sides.failure
            failure = dropped.problem if dropped is not None and dropped.cause == "own" else None
            code = dropped.exit_code if dropped is not None else ExitCode.DONE
            why = dropped.problem if dropped is not None and dropped.cause != "files" else None
        was_asked = has_requests and "base" in sides.started and "base" not in sides.dropped
        return replace(
            found,
            head_failure=failure,
            head_exit_code=code if failure is not None else None,
            withheld=why if was_asked else None,
        )

    # --- the two commits ---

    def _version(self, name: SideName, commit: CommitId | None) -> Version:
        """Return the settings and the files of one side.

        Raises:
            NoGraphError: it serves nothing, or cannot be read.
        """
        project = self.project
        if commit is None:
            return self._placed(name, project.settings, None)
        try:
            data = project.git.read_file(commit, CONFIG_FILE)
            if data is None:
                raise NoGraphError(f"the {name} has no `{CONFIG_FILE}`", reason="by-choice")
            tree = CommitTree(project.git, project.dvc, commit, self.scratch / name / "tree")
        except GraphshipError as error:
            raise NoGraphError(f"the {name} cannot be read: {told(error)}", reason="unread") from error
        try:
            settings = settings_from_bytes(data, root=tree.root, env={}, check_files=False)
        except GraphshipError as error:
            raise NoGraphError(f"the {name} cannot be read: {told(error)}", reason="own-fault") from error
        version = self._placed(name, settings, tree)
        try:
            tree.write(code_folder(version.place.graph))
        except GraphshipError as error:
            raise NoGraphError(f"the {name} cannot be read: {told(error)}", reason="unread") from error
        return version

    def _placed(self, name: SideName, settings: Settings, tree: CommitTree | None) -> Version:
        if settings.graph is None:
            raise NoGraphError(f"the {name} has no serving graph", reason="by-choice")
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
        return Version(name=name, settings=settings, place=place, tree=tree)

    def _begin(self, versions: Mapping[str, Version]) -> Sides:
        """Start the sides, which look what their graphs name."""
        running: dict[str, Side] = {}
        for name, version in versions.items():
            side = Side(version.name, version.place, self.scratch / name)
            running[name] = self.stack.enter_context(side)
        sides = Sides(
            versions=versions,
            started=dict(running),
            running=running,
            problems=self.problems,
        )
        sides.each(Side.begin)
        sides.each(Side.look)
        self._look_again(sides)
        return sides

    def _look_again(self, sides: Sides) -> None:
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
            except GraphshipError:
                sides.excuse(name)
                continue
            except SideFailedError:
                continue  # what was told the first time stands
            sides.restore(name, side)

    def _explain_absent(self, sides: Sides) -> None:
        """Say which files of the work tree DVC could bring, when the head could not be loaded without them."""
        head, dropped = sides.versions.get("head"), sides.dropped.get("head")
        if head is None or dropped is None or head.tree is not None:
            return
        # code that failed when it was imported did not come to say what it needs: it may be what the base does
        needs = sides.started["head"].needs or (sides.started["base"].needs if "base" in sides.started else ())
        absent = [need for need in needs if not (head.place.root / need).exists()]
        if not absent:
            return
        try:
            state = self.project.dvc.read()
        except GraphshipError:
            return
        tracked = [
            one for one in absent if any(_is_at_or_below(one, file.path) for file in (*state.data, *state.outputs))
        ]
        if any(PurePosixPath(one).name in dropped.problem for one in tracked):
            sides.excuse("head")
            self.problems.append(f"what DVC keeps was not fetched: `dvc pull {' '.join(tracked)}`")

    # --- what is sent ---

    def _time(self, commit: CommitId, versions: Mapping[str, Version]) -> str | None:
        """Return the time of the requests: that of a commit, which is the same in every run."""
        if any(version.place.time_column for version in versions.values()):
            return None  # it is in their bodies
        return self.project.git.run("show", "--no-patch", "--format=%cI", commit).text or None


def _is_by_choice(absent: Mapping[SideName, NoGraphError], name: SideName) -> bool:
    return name in absent and absent[name].is_by_choice


def _is_at_or_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _identical(requests: Requests) -> Behaviour:
    return Behaviour(
        source=requests.source,
        requests=len(requests.requests),
        added=requests.added,
        is_identical=True,
        problem=requests.problem,
        notes=requests.notes,
    )
