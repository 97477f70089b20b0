"""Check the paths that ``graphship.yaml`` names: inside the project, and there. Reads the disk, changes nothing."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.config import tracked
from ci_core.config.problems import describe
from ci_core.errors import Problem, nearest
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.config.overrides import Tree
    from ci_core.config.problems import Sources
    from ci_core.types import JsonValue

_MAX_NAME_BYTES = 250
"""Linux allows 255 bytes a name; five less leave room for ``.dvc``."""

_MAX_PATH_CHARS = 1_000

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True, kw_only=True)
class _PathRule:
    """What holds for the path under one key."""

    key: str
    noun: str
    may_be_tracked: bool = False
    """Whether DVC may keep it, so that it can be absent from the disk and be a link into a cache."""
    may_be_anywhere: bool = False
    """Whether an absolute path or a URL is fine, and the place may come into being later."""
    words: tuple[str, ...] = ()
    """Values that are no path."""


_RULES = (
    _PathRule(key="graph", noun="graph file"),
    _PathRule(key="smoke", noun="smoke file"),
    _PathRule(key="capture.to", noun="capture folder", may_be_anywhere=True),
    _PathRule(key="monitor.reference", noun="reference table", may_be_tracked=True),
    _PathRule(key="monitor.importance", noun="importance file", may_be_tracked=True, words=("model", "none")),
    _PathRule(key="monitor.labels.path", noun="labels file", may_be_anywhere=True),
    _PathRule(key="retrain.data", noun="training table", may_be_tracked=True),
)


def is_url(path: str) -> bool:
    """Tell whether `path` is an fsspec URL such as ``s3://bucket/folder`` rather than a path."""
    return bool(_URL.match(path))


def path_problems(tree: Tree, sources: Sources, root: Path) -> Iterator[Problem]:
    """Yield the mistakes in the paths of a configuration.

    Args:
        tree: content of the file; values that are not text are someone else's to judge.
        sources: says where each key stands.
        root: the project's folder.
    """
    for rule in _RULES:
        value = _value_at(tree, rule.key)
        if isinstance(value, str) and value and value not in rule.words:
            path = file_of(value) if rule.key == "graph" else value
            yield from _judge(rule, path, sources, root)
    for place, metric in _metrics_of_gates(tree):
        file, colon, _key = metric.partition(":")
        if colon and (fact := _escape(file)):
            yield Problem(fact=fact, location=sources.locate(place))


def _metrics_of_gates(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield key path and text of everything in `gates` that names a metric."""
    gates = tree.get("gates")
    for key, body in gates.items() if isinstance(gates, dict) else ():
        yield f"gates.{key}", key
        for option in ("folds", "sample-size"):
            if isinstance(body, dict) and isinstance(body.get(option), str):
                yield f"gates.{key}.{option}", body[option]


def file_of(graph: str) -> str:
    """Return the file of a graph reference: of ``serving/graph.py:graph`` the part before the colon."""
    return graph if graph.endswith((".yaml", ".yml")) else (graph.rpartition(":")[0] or graph)


def _judge(rule: _PathRule, path: str, sources: Sources, root: Path) -> Iterator[Problem]:
    location = sources.locate(rule.key)
    if is_url(path):
        if not rule.may_be_anywhere:
            yield Problem(fact=f"a URL is not supported yet as {rule.noun}", location=location)
        return
    if rule.may_be_anywhere and posixpath.isabs(path):
        return
    if fact := _escape(path):
        yield Problem(fact=fact, location=location)
    elif not rule.may_be_anywhere:
        yield from _judge_presence(rule, posixpath.normpath(path), sources, root)


def _escape(path: str) -> str | None:
    """Say how `path` leaves the project, by its own text; None when it does not."""
    if posixpath.isabs(path):
        return f"{describe(path).removeprefix('the text ')} is an absolute path; write it relative to the project"
    if posixpath.normpath(path).split("/")[0] == "..":
        return f"{describe(path).removeprefix('the text ')} leaves the project"
    return None


def _judge_presence(rule: _PathRule, path: str, sources: Sources, root: Path) -> Iterator[Problem]:
    location = sources.locate(rule.key)
    shown = one_line(path)
    if not _can_be_a_name(path):
        yield Problem(fact=f"`{one_line(path, max_chars=60)}` cannot be a path", location=location)
    elif (root / path).is_file():
        # A file that DVC keeps may be a link into a cache that several projects share; the others may not.
        if not rule.may_be_tracked and not (root / path).resolve().is_relative_to(root.resolve()):
            yield Problem(fact=f"`{shown}` is a link that leaves the project", location=location)
    elif (root / path).is_dir():
        yield Problem(fact=f"expected a file as {rule.noun}, found the folder `{shown}`", location=location)
    elif not (rule.may_be_tracked and tracked.is_tracked(root, path)):
        untracked = ", and DVC tracks nothing of that name" if rule.may_be_tracked else ""
        close = nearest(path, _neighbours(root, path, rule))
        yield Problem(
            fact=f"the {rule.noun} `{shown}` does not exist{untracked}",
            location=location,
            hint=f"did you mean `{one_line(close)}`?" if close else None,
        )


def _can_be_a_name(path: str) -> bool:
    """Tell whether a file system could hold `path` at all; asking it about another raises."""
    try:
        parts = [os.fsencode(part) for part in path.split("/")]
    except UnicodeEncodeError:
        return False
    return b"\0" not in b"".join(parts) and max(map(len, parts)) <= _MAX_NAME_BYTES and len(path) <= _MAX_PATH_CHARS


def _neighbours(root: Path, path: str, rule: _PathRule) -> list[str]:
    """Return the paths that `path` may have been meant to be: files of its folder and what DVC keeps there."""
    folder = posixpath.dirname(path) or "."
    if not (root / folder).is_dir():
        folder = "."
    files = [posixpath.normpath(posixpath.join(folder, file.name)) for file in (root / folder).iterdir()]
    kept = list(tracked.tracked_files(root, folder)) if rule.may_be_tracked else []
    return sorted({*files, *kept} - {f"{name}.dvc" for name in kept})


def _value_at(tree: Tree, key: str) -> JsonValue:
    value: JsonValue = tree
    for part in key.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
