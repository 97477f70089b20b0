"""Point to the lines of a change that a failed gate is about (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from ci_core.config.settings import CONFIG_FILE
from ci_core.errors import Location
from ci_core.gates import data, model_size, pickle_scan
from ci_core.gates.secrets import not_allowed
from ci_core.gates.spec import Annotation
from ci_core.gates.wording import apart, code, first
from ci_core.masking import SHAPES_ONLY
from ci_core.reports.text import exact
from ci_core.versioning.compare import as_number, is_finite

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ci_core.config.settings import Gates
    from ci_core.gates.evidence import Evidence
    from ci_core.gates.spec import GateResult
    from ci_core.masking import Masker
    from ci_core.types import JsonValue
    from ci_core.versioning.difference import FileDiff, ParamDiff, StageDiff

MOST: Final = 10
"""Annotations a gate; hosts show few, and a reader reads fewer."""

_LONGEST_VALUE: Final = 40
_MOST_FAULTS: Final = 3
_FAULTS: Final = {"data": data.faults, "model-size": model_size.faults, "pickle-scan": pickle_scan.faults}
"""What the gates on files have to say of single files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFiles:
    """The files of Git that the change touches, and where keys stand in those that have keys."""

    paths: Collection[str] = ()
    """Relative to the project."""
    lines: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    """File → key path → 1-based line, of the head's ``params.yaml``, ``dvc.yaml`` and ``graphship.yaml``."""
    gates: Collection[str] = ()
    """Keys of the gates that the change itself adds or alters."""


def annotate(
    results: Sequence[GateResult],
    gates: Gates,
    evidence: Evidence,
    changed: ChangedFiles,
    masker: Masker = SHAPES_ONLY,
) -> tuple[Annotation, ...]:
    """Return the lines to point at for each gate that failed or warned, in the order of the gates.

    Only files that the change touches are pointed at: elsewhere there is nothing to show beside the change. A gate
    that could not be judged has no cause in it. Values are without the secrets that `masker` knows.
    """
    places = _Places(gates, evidence, changed, masker)
    return tuple(one for result in results if result.state != "pass" for one in islice(places.of(result), MOST))


class _Places:
    """Finds the causes of one change."""

    def __init__(self, gates: Gates, evidence: Evidence, changed: ChangedFiles, masker: Masker) -> None:
        self._gates, self._evidence, self._changed, self._masker = gates, evidence, changed, masker

    def of(self, result: GateResult) -> Iterator[Annotation]:
        """Yield what may have caused a result, most likely first."""
        told = f"the gate on {code(result.key)} {'failed' if result.state == 'fail' else 'warns'}"
        for where, what in self._causes(result.key, is_judged=result.state == "fail" or result.is_within_noise):
            if where.file in self._changed.paths:
                level: Literal["error", "warning"] = "error" if result.state == "fail" else "warning"
                text = f"{what}; {told}" if what else f"{told}: {result.sentence}"
                yield Annotation(where=where, level=level, text=text, gate=result.key)

    def _causes(self, key: str, *, is_judged: bool) -> Iterator[tuple[Location, str]]:
        """Yield a place and what stands there; empty text where the gate's own sentence says it."""
        diff, models = self._evidence.diff, {model.path for model in self._evidence.models or ()}
        if key == "secrets":
            for leak in not_allowed(self._gates.secrets, self._evidence.secrets.findings):
                yield Location(file=leak.path, line=leak.line), f"this line looks like {leak.kind}"
        elif key in _FAULTS:
            yield from self._files(_FAULTS[key](self._gates, self._evidence))
        elif is_judged:
            yield from map(self._param, diff.params)
            yield from (place for stage in diff.stages for place in self._stage(stage))
            yield from (place for file in (*diff.data, *diff.outputs) for place in self._data(file, models))
        if key in self._changed.gates:
            yield self._at(CONFIG_FILE, f"gates.{key}"), ""

    def _param(self, param: ParamDiff) -> tuple[Location, str]:
        file, _, key = param.key.partition(":")
        return self._at(file, key), f"{code(key)} {_moved(param, self._masker)}"

    def _stage(self, stage: StageDiff) -> Iterator[tuple[Location, str]]:
        if stage.change == "removed":
            return
        file, _, name = stage.name.rpartition(":")
        name = name.partition("@")[0]  # of a `foreach` or `matrix` stage only the template stands in the file
        has_command = "the command" in stage.details
        what = (
            "is new" if stage.change == "added" else "has another command" if has_command else "is declared otherwise"
        )
        key = f"stages.{name}.cmd" if has_command else f"stages.{name}"
        yield self._at(file or "dvc.yaml", key), f"the stage {code(stage.name)} {what} here"

    def _data(self, file: FileDiff, models: Collection[str]) -> Iterator[tuple[Location, str]]:
        noun = "model" if file.path in models else "data"
        verb = {"added": "was added", "removed": "was removed", "renamed": "was renamed"}.get(file.change, "changed")
        yield Location(file=f"{file.path}.dvc"), f"the {noun} {code(file.path)} {verb}"

    def _files(self, faults: Iterable[tuple[str, str]]) -> Iterator[tuple[Location, str]]:
        """Yield the changed files that versions stand in, each with what is wrong with these versions alone."""
        found: dict[str, list[str]] = {}
        for path, what in faults:
            place = next((one for one in _version_files(path) if one in self._changed.paths), None)
            if place is not None:
                found.setdefault(place, []).append(what)
        for place in sorted(found):
            yield Location(file=place), first(found[place], _MOST_FAULTS, joint="; ")

    def _at(self, file: str, key: str) -> Location:
        """Return where a key stands, or its nearest parent."""
        lines = self._changed.lines.get(file, {})
        probe = key
        while probe and probe not in lines:
            probe = probe.rpartition(".")[0]
        return Location(file=file, line=lines.get(probe), key=key)


def _version_files(path: str) -> Iterator[str]:
    """Yield where the version of a file may stand: in its ``.dvc`` file or one of a folder above, or it is Git's."""
    parts = path.split("/")
    yield from ("/".join(parts[:end]) + ".dvc" for end in range(len(parts), 0, -1))
    yield path


def _moved(param: ParamDiff, masker: Masker) -> str:
    old, new = param.old, param.new
    if param.change == "added":
        return f"is new here: {_shown(new, masker)}"
    if param.change == "removed":
        return f"is gone; it was {_shown(old, masker)}"
    was, is_ = _number(old, masker), _number(new, masker)
    if was is not None and is_ is not None and was != is_:
        before, after = apart(was, is_)
        return f"{'fell' if is_ < was else 'rose'} from {before} to {after} here"
    return f"changed from {_shown(old, masker)} to {_shown(new, masker)} here"


def _number(value: JsonValue, masker: Masker) -> float | None:
    """Return a finite number that may be told digit by digit."""
    number = as_number(value)
    is_told = number is not None and is_finite(number) and masker.text(str(value)) == str(value)
    return number if is_told else None


def _shown(value: JsonValue, masker: Masker) -> str:
    """Return a value as YAML has it: ``5`` is not ``"5"``."""
    text = masker.text(exact(value) if value is None or isinstance(value, str | int | float) else str(value))
    return code(text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…")
