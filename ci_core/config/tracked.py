"""Which paths DVC keeps, read from ``dvc.yaml`` and ``*.dvc`` without DVC.

The reader and ``graphship init`` ask this before DVC is known to be installed, and a second of its start-up would be
felt on every command. What a commit *holds* is another question, answered by ``versioning/dvc.py``.
"""

from __future__ import annotations

import fnmatch
import glob
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci_core.yaml_source import Document, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ci_core.errors import Problem
    from ci_core.types import JsonValue

_TEMPLATE = re.compile(r"\$\{[^}]*\}")
_OUTPUT_KINDS = ("outs", "metrics", "plots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A path that a stage of ``dvc.yaml`` makes."""

    path: str
    """Relative to the folder that was asked about; ``${…}`` of a template is ``*``."""
    stage: str
    kind: str
    """``outs``, ``metrics`` or ``plots``: where the stage lists it."""

    def covers(self, path: str) -> bool:
        """Tell whether `path` is this output or lies in it."""
        pattern = glob.escape(self.path).replace("[*]", "*")
        return any(fnmatch.fnmatchcase(part, pattern) for part in (path, *map(str, PurePosixPath(path).parents)))


def is_tracked(root: Path, path: str) -> bool:
    """Tell whether DVC keeps `path` (relative to `root`), itself or with a folder above it; it may be absent."""
    parents = [PurePosixPath(path), *PurePosixPath(path).parents][:-1]
    if any((root / f"{part}.dvc").is_file() for part in parents):
        return True
    for folder in PurePosixPath(path).parents:
        outputs, _problems = read_outputs(root / folder)
        inner = posixpath.relpath(path, folder)
        if any(output.covers(inner) for output in outputs):
            return True
    return False


def tracked_files(root: Path, folder: str) -> Iterator[str]:
    """Yield the paths (relative to `root`) that DVC keeps directly in `folder`, for "did you mean"."""
    for file in sorted((root / folder).glob("*.dvc")):
        yield posixpath.normpath(posixpath.join(folder, file.name.removesuffix(".dvc")))
    for output in read_outputs(root)[0]:
        if posixpath.dirname(output.path) == folder.removeprefix("."):
            yield output.path


def read_outputs(folder: Path) -> tuple[tuple[Output, ...], tuple[Problem, ...]]:
    """Return what the stages of ``dvc.yaml`` in `folder` make, and mistakes of form in that file.

    A missing file has neither. Stages under ``foreach`` and ``matrix`` count with their template.
    """
    document = read_pipeline(folder)
    return tuple(_outputs(document.value)), document.problems


def read_pipeline(folder: Path) -> Document:
    """Return ``dvc.yaml`` of `folder`; an empty document when there is none."""
    try:
        data = (folder / "dvc.yaml").read_bytes()
    except OSError:
        return Document(value=None)
    return parse_yaml(data, file="dvc.yaml")


def entries(value: JsonValue) -> Iterable[str]:
    """Return the paths of a list in ``dvc.yaml``, whose items are ``path`` or ``path: {options}``."""
    items = value if isinstance(value, list) else [value] if isinstance(value, str | dict) else []
    for item in items:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from (str(path) for path in item)


def _outputs(pipeline: JsonValue) -> Iterator[Output]:
    stages = pipeline.get("stages") if isinstance(pipeline, dict) else None
    if not isinstance(stages, dict):
        return
    for name, stage in stages.items():
        body = stage.get("do", stage) if isinstance(stage, dict) else None
        if not isinstance(body, dict):
            continue
        working_folder = body.get("wdir") if isinstance(body.get("wdir"), str) else "."
        for kind in _OUTPUT_KINDS:
            for path in entries(body.get(kind)):
                joined = posixpath.normpath(posixpath.join(str(working_folder), path))
                yield Output(path=_TEMPLATE.sub("*", joined), stage=str(name), kind=kind)
