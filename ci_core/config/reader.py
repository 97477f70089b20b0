"""Find ``graphship.yaml``, read it strictly, and return :class:`~ci_core.config.settings.Settings`.

Order, the later wins: defaults, the file, environment variables, flags of the command. Every mistake of every kind is
collected before anything is raised, because a user who mends one at a time runs the CI once for each.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ci_core.config import checks, files
from ci_core.config.convert import to_settings
from ci_core.config.overrides import apply_environment, apply_flags
from ci_core.config.problems import Sources, describe, in_file_order, problems_of
from ci_core.config.raw import RawConfig
from ci_core.config.settings import CONFIG_FILE
from ci_core.errors import ConfigError, Location, NotAProjectError, Problem
from ci_core.registry import TARGETS
from ci_core.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ci_core.config.overrides import Tree
    from ci_core.config.settings import Settings
    from ci_core.types import JsonValue

_SIMILAR_NAMES = ("graphship.yml", ".graphship.yaml", ".graphship.yml", "graphship.yaml.yaml")

_MOST_LEVELS_BELOW = 3
_MOST_FOLDERS_BELOW = 500
_MOST_SHOWN_BELOW = 5

_NOTHING: Mapping[str, JsonValue] = MappingProxyType({})


def read_settings(start: Path, env: Mapping[str, str], *, flags: Mapping[str, JsonValue] = _NOTHING) -> Settings:
    """Read the configuration of the project that `start` lies in.

    Args:
        start: a folder of the project.
        env: environment variables, see ``config/overrides.py``.
        flags: key path → value, from the command line.

    Raises:
        NotAProjectError: there is no ``graphship.yaml`` up to the top of the Git work tree (or of the disk).
        ConfigError: it has mistakes; the error has all of them.
    """
    root = find_project(start)
    try:
        data = (root / CONFIG_FILE).read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = Problem(fact=f"cannot be read: {reason.lower()}", location=Location(file=CONFIG_FILE))
        raise ConfigError(file=CONFIG_FILE, problems=[problem]) from error
    return settings_from_bytes(data, root=root, env=env, flags=flags)


def find_project(start: Path) -> Path:
    """Return the nearest folder, `start` or above it, that holds ``graphship.yaml``; absolute.

    A folder with ``.git`` is the last one looked at: what lies above belongs to somebody else.

    Raises:
        NotAProjectError: there is none.
    """
    start = start.resolve()
    similar: str | None = None
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE).exists():
            return folder
        similar = similar or next((str(folder / it) for it in _SIMILAR_NAMES if (folder / it).is_file()), None)
        if (folder / ".git").exists():
            break
    raise NotAProjectError(start=str(start), similar=similar, below=_projects_below(start))


def _projects_below(start: Path) -> list[str]:
    """Return a few folders below `start` that hold ``graphship.yaml``, relative to it: those of a monorepo.

    Only near the top and not for long: it is for an advice.
    """
    found: list[str] = []
    folders = [start]
    for _ in range(_MOST_LEVELS_BELOW):
        folders = [it for folder in folders for it in _folders_in(folder)][:_MOST_FOLDERS_BELOW]
        found += [str(it.relative_to(start)) for it in folders if (it / CONFIG_FILE).is_file()]
    return found[:_MOST_SHOWN_BELOW]


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(it for it in folder.iterdir() if it.is_dir() and not it.is_symlink() and it.name[0] != ".")
    except OSError:  # not ours to read
        return []


def settings_from_bytes(
    data: bytes,
    *,
    root: Path,
    env: Mapping[str, str],
    flags: Mapping[str, JsonValue] = _NOTHING,
    check_files: bool = True,
    target_names: Callable[[], Sequence[str]] = TARGETS.names,
) -> Settings:
    """Return the settings that the content of a ``graphship.yaml`` comes to.

    Args:
        data: the file's bytes.
        root: the project's folder.
        env: environment variables.
        flags: key path → value, from the command line.
        check_files: whether the files it names must be there; False for the file of another commit, whose files the
            work tree need not have.
        target_names: returns the names of the targets there are.

    Raises:
        ConfigError: there are mistakes; the error has all of them, in the order of the file.
    """
    document = parse_yaml(data, file=CONFIG_FILE)
    problems = list(document.problems)
    tree = document.value
    if tree is None and problems:
        raise ConfigError(file=CONFIG_FILE, problems=in_file_order(problems))
    if not isinstance(tree, dict):
        fact = "the file is empty" if tree is None else f"expected a mapping of keys, found {describe(tree)}"
        problem = Problem(fact=fact, location=Location(file=CONFIG_FILE, line=1), hint="begin with `name: my-project`")
        raise ConfigError(file=CONFIG_FILE, problems=[problem, *problems])

    origins, variable_problems = apply_environment(tree, env)
    origins |= apply_flags(tree, flags)
    sources = Sources(file=CONFIG_FILE, lines=document.lines, origins=origins)
    problems += variable_problems
    told = {problem.location for problem in problems}
    problems += [it for it in checks.take_empty(tree, sources) if it.location not in told]
    problems += checks.take_unfit_gates(tree, sources)
    problems += checks.section_problems(tree, sources)
    if check_files:
        problems += files.path_problems(tree, sources, root)
    order = list(tree["environments"]) if isinstance(tree.get("environments"), dict) else []
    others, target_problems = checks.take_other_targets(tree, sources, target_names)
    problems += target_problems
    raw = _validated(tree, sources, problems)
    if raw is None or problems:
        raise ConfigError(file=CONFIG_FILE, problems=in_file_order(problems))
    return to_settings(raw, others, root=root, lines=document.lines, environment_order=order)


def _validated(tree: Tree, sources: Sources, problems: list[Problem]) -> RawConfig | None:
    """Return what the models make of `tree`; add what they refuse to `problems`."""
    try:
        return RawConfig.model_validate(tree)
    except ValidationError as error:
        told = {problem.location for problem in problems}
        problems += (it for it in problems_of(error, RawConfig, sources) if it.location not in told)
        return None
