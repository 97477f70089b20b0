"""Judge a change by the gates that it may not choose itself, and point to the lines that are to blame.

What the gates need beyond the comparison is collected here, each only when a gate asks for it: folds of metrics, what
the DVC remote lacks, sizes of models, and the two scans. The rules themselves are pure: ``gates/judge.py``.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ci_core.config.reader import settings_from_bytes
from ci_core.config.settings import CONFIG_FILE, Gates
from ci_core.errors import GraphshipError
from ci_core.gates.added_lines import scan_added_lines
from ci_core.gates.annotate import ChangedFiles, annotate
from ci_core.gates.evidence import Evidence, Folds, LostObject, MissingObjects, ModelSize, PickleScan, SecretScan
from ci_core.gates.files_at import FilesAt, RefusedFileError, at_key
from ci_core.gates.judge import judge
from ci_core.gates.pickle_files import may_be_pickle, scan_pickles
from ci_core.gates.policy import choose, own_verdicts
from ci_core.gates.spec import Remark
from ci_core.versioning.compare import as_number, is_finite
from ci_core.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.behaviour.spec import Behaviour
    from ci_core.gates.policy import Policy
    from ci_core.gates.spec import Annotation, GateResult
    from ci_core.monitoring.table_diff import TableDiff
    from ci_core.operations.project import Project
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import CommitId, JsonValue
    from ci_core.versioning.difference import SnapshotDiff

_MOST_PICKLES: Final = 200
_MOST_INSIDE: Final = 100_000
"""Of a folder; a folder of models has tens."""
_LONGEST_YAML: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the gates came to."""

    results: tuple[GateResult, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    """At most ten a gate, in files that the change touches; paths are relative to the project."""
    notes: tuple[Remark, ...] = ()
    """Whose gates decided, where that is not a matter of course, and what the change's own would have said."""


def judge_change(
    project: Project,
    diff: SnapshotDiff,
    *,
    head: CommitId | None,
    tables: Sequence[TableDiff] = (),
    behaviour: Behaviour | None = None,
    graph: GraphSpec | None = None,
) -> Judgement:
    """Return what the gates say of a change.

    Args:
        project: the project; its settings are those of the work tree.
        diff: base and head.
        head: the commit that was compared, which is read from Git and DVC's cache alone, though it be checked out: the
            work tree may hold other data. None when the work tree itself was compared.
        tables: the tables whose content was compared.
        behaviour: what the graphs of base and head answered; None when that was not compared.
        graph: the head's serving graph; None when there is none, or none that could be loaded.

    Raises:
        MissingExtraError: picklescan is not installed.
    """
    change = _Change(project, diff, head)
    policy = change.policy()
    evidence = change.evidence(policy, tables=tables, behaviour=behaviour, graph=graph)
    results = judge(policy.gates, evidence)
    own = own_verdicts(results, judge(policy.own, evidence)) if policy.own is not None else ()
    return Judgement(
        results=results,
        annotations=annotate(results, policy.gates, evidence, change.changed_files(policy.changed), project.redactor),
        notes=(*(Remark(text=note) for note in policy.notes), *own),
    )


class _Change:
    """One change, its two versions, and what is read of them."""

    def __init__(self, project: Project, diff: SnapshotDiff, head: CommitId | None) -> None:
        self._project, self._diff = project, diff
        self._base: CommitId | None = diff.base.commit if diff.base else None
        self._head = head
        self._new = FilesAt(project.git, project.dvc, self._head)
        self._old = FilesAt(project.git, project.dvc, self._base) if self._base else None
        self._changed: tuple[str, ...] = ()
        self._gone: frozenset[str] = frozenset()
        """Those of the changed files that the head does not have."""
        if self._base is not None:
            self._find_changed(self._base)

    # --- whose gates ---

    def policy(self) -> Policy:
        """Return the gates that decide: the base's, unless it has none that can be read."""
        own = self._own_gates()
        if self._diff.base is None or self._old is None:
            problem = "the base, whose gates would decide, could not be read" if own != Gates() else None
            return choose(own, None, base_label="", problem=problem)
        label = self._diff.base.label
        base, problem = self._gates(self._old, f"base `{label}`")
        return choose(own, base, base_label=label, problem=problem)

    def _own_gates(self) -> Gates:
        if self._head is None:
            return self._project.settings.gates
        gates, problem = self._gates(self._new, "head")
        return gates if gates is not None and problem is None else Gates()

    def _gates(self, files: FilesAt, side: str) -> tuple[Gates | None, str | None]:
        data = files.read(CONFIG_FILE)
        if data is None:
            return None, f"{side} has no `{CONFIG_FILE}`"
        try:
            settings = settings_from_bytes(data, root=self._project.root, env={}, check_files=False)
        except GraphshipError as error:
            return None, f"`{CONFIG_FILE}` of {side} cannot be read: {'; '.join((error.fact, *error.known[:1]))}"
        return settings.gates, None

    # --- what they judge ---

    def evidence(
        self,
        policy: Policy,
        *,
        tables: Sequence[TableDiff],
        behaviour: Behaviour | None,
        graph: GraphSpec | None,
    ) -> Evidence:
        """Return what the gates that decide, and those of the change beside them, ask for."""
        asked = [policy.gates, *([policy.own] if policy.own is not None else [])]
        wants_objects = any(gates.data is not None and gates.data.no_missing_objects for gates in asked)
        wants_tables = any(gates.data is not None for gates in asked)
        wants_sizes = any(gates.model_size is not None for gates in asked)
        folds = {gate.folds for gates in asked for gate in gates.metrics if gate.folds is not None}
        return Evidence(
            diff=self._diff,
            tables=tuple(tables),
            results=self._results() if wants_tables else frozenset(),
            behaviour=behaviour,
            folds=MappingProxyType({key: self._folds(key) for key in sorted(folds)}),
            missing=self._missing() if wants_objects else MissingObjects(),
            models=self._sizes(graph) if wants_sizes else None,
            pickles=self._pickles(graph),
            secrets=self._secrets(),
        )

    def _folds(self, key: str) -> Folds:
        if self._old is None:
            return Folds(problem=self._diff.base_problem or "there is no base")
        file, _, metric = key.partition(":")
        sides = []
        for name, files in (("base", self._old), ("head", self._new)):
            try:
                numbers = _numbers(at_key(files.values(file), metric))
            except (GraphshipError, RefusedFileError, OSError) as error:
                return Folds(problem=f"{name}: `{file}`: {_reason(error)}")
            if numbers is None:
                return Folds(problem=f"the {name} has no list of numbers at `{key}`")
            sides.append(numbers)
        old, new = sides
        return Folds(old=old, new=new)

    def _results(self) -> frozenset[str]:
        try:
            return self._new.results()
        except GraphshipError:
            return frozenset()

    def _missing(self) -> MissingObjects:
        try:
            lost = self._project.dvc.missing_objects(self._head)
        except GraphshipError as error:
            return MissingObjects(problem="; ".join((error.fact, *error.known[:1])))
        return MissingObjects(lost=tuple(LostObject(path=path, size_bytes=size) for path, size in lost))

    def _sizes(self, graph: GraphSpec | None) -> tuple[ModelSize, ...] | None:
        if graph is None:
            return None
        # what a step opens may be a model as well as what a router does: nobody can tell them apart
        return tuple(self._model_size(path) for path in dict.fromkeys((*graph.models, *graph.data_files)))

    def _model_size(self, path: str) -> ModelSize:
        old, old_problem = _size(self._old, path) if self._old else (None, None)
        new, new_problem = _size(self._new, path)
        return ModelSize(path=path, old_bytes=old, new_bytes=new, old_problem=old_problem, new_problem=new_problem)

    def _pickles(self, graph: GraphSpec | None) -> PickleScan:
        """Scan the models that the graph loads, and pickles that the change brings, be they of DVC or of Git."""
        wanted = list(graph.models) if graph else []
        wanted += [path for path in (graph.data_files if graph else ()) if may_be_pickle(path)]
        unlisted: list[tuple[str, str]] = []
        for file in (*self._diff.outputs, *self._diff.data):
            if file.change == "removed":
                continue
            if may_be_pickle(file.path):
                wanted.append(file.path)
            elif (file.new_digest or "").endswith(".dir"):
                inside, problem = self._inside(file.path)
                wanted += filter(may_be_pickle, inside)
                unlisted += [(file.path, problem)] if problem else []
        wanted += [path for path in self._changed if may_be_pickle(path) and path not in self._gone]
        paths = list(dict.fromkeys(wanted))
        scan = scan_pickles(paths[:_MOST_PICKLES], self._new.open)
        left_out = tuple((path, f"only {_MOST_PICKLES} files are looked through") for path in paths[_MOST_PICKLES:])
        return PickleScan(
            scanned=scan.scanned,
            findings=scan.findings,
            unreadable=scan.unreadable,
            missing=(*scan.missing, *unlisted, *left_out),
        )

    def _inside(self, folder: str) -> tuple[tuple[str, ...], str | None]:
        """Return the files in a folder, and why these are not all."""
        try:
            paths = self._new.inside(folder, most=_MOST_INSIDE + 1)
        except (GraphshipError, RefusedFileError, OSError) as error:
            return (), _reason(error)
        return paths[:_MOST_INSIDE], f"only {_MOST_INSIDE:,} of its files are" if len(paths) > _MOST_INSIDE else None

    def _secrets(self) -> SecretScan:
        if self._base is None:
            return SecretScan(problem=self._diff.base_problem or "there is no base")
        return scan_added_lines(self._project.git, self._base, self._head)

    # --- where to point at ---

    def changed_files(self, gates: frozenset[str]) -> ChangedFiles:
        """Return the files that the change touches, with the lines of keys in those that have keys."""
        lines: dict[str, Mapping[str, int]] = {}
        params = {param.key.partition(":")[0] for param in self._diff.params}
        for path in self._changed:
            is_wanted = path in params or path == CONFIG_FILE or posixpath.basename(path) == "dvc.yaml"
            if is_wanted and path.endswith((".yaml", ".yml")) and (data := self._new.read(path)) is not None:
                lines[path] = parse_yaml(data[: _LONGEST_YAML + 1], file=path).lines
        return ChangedFiles(paths=frozenset(self._changed), lines=MappingProxyType(lines), gates=gates)

    def _find_changed(self, base: CommitId) -> None:
        """Find the files below the project that Git sees changed, those it does not know yet, too."""
        git, sides = self._project.git, [base, *([self._head] if self._head else [])]
        how = ("--name-status", "--no-renames", "--no-ext-diff", "--relative", "-z")
        fields = git.run("diff", *how, *sides, "--").names
        kinds = dict(zip(fields[1::2], fields[::2], strict=True))
        untracked = () if self._head else git.run("ls-files", "--others", "--exclude-standard", "-z").names
        self._changed = tuple(sorted({*kinds, *untracked}))
        self._gone = frozenset(path for path, kind in kinds.items() if kind == "D") - frozenset(untracked)


def _size(files: FilesAt, path: str) -> tuple[int | None, str | None]:
    """Return the bytes of a file, and why they could not be had."""
    try:
        return files.size(path), None
    except (GraphshipError, RefusedFileError, OSError) as error:
        return None, _reason(error)


def _reason(error: GraphshipError | RefusedFileError | OSError) -> str:
    if isinstance(error, GraphshipError):
        return error.fact
    return str(error.strerror).lower() if isinstance(error, OSError) else str(error)


def _numbers(value: JsonValue) -> tuple[float, ...] | None:
    """Return a list of finite numbers, or those of a mapping by their names; None for anything else."""
    items = [value[name] for name in sorted(value)] if isinstance(value, dict) else value
    if not isinstance(items, list) or not items:
        return None
    numbers = [number for item in items if (number := as_number(item)) is not None and is_finite(number)]
    return tuple(numbers) if len(numbers) == len(items) else None
