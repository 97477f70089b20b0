"""Read params and metrics out of an open DVC repository, as ``dvc params show`` and ``dvc metrics show`` find them.

What may be read is decided here before DVC opens a file: nothing outside the repository, be it by ``..``, by an
absolute path or by a link, and nothing that is no regular file. Each file that could not be read is told in one
sentence.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ci_core.printable import one_line
from ci_core.versioning._dvc_read import flatten, is_at_a_commit, out_path, repo_path, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ci_core.types import JsonValue

MAX_LIST: Final = 100
"""Numbers in a list of a metrics file that is taken for one metric: the values of folds. DVC shows no lists."""
MAX_BYTES: Final = 50_000_000
"""Of a metrics, params or plots file: what people read has fewer."""
OUTSIDE: Final = "it lies outside the repository and is not read"
_PREFIX: Final = re.compile(r"^unable to read: '.*?', ", re.DOTALL)
_SUBMODULE: Final = 0o160000
"""Kind of an entry of a Git tree that is a commit of another repository."""
_DEFAULT_PARAMS: Final = "params.yaml"


@dataclass(slots=True)
class _Found:
    """Values and problems of the files that were read so far."""

    prefix: str
    values: dict[str, JsonValue] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, path: str, leaves: Iterable[tuple[str, JsonValue]]) -> None:
        name = within(path, self.prefix) or path
        self.values.update((f"{name}:{key}" if key else name, value) for key, value in leaves)

    def told(self, path: str, problem: str) -> None:
        self.problems.append(f"{within(path, self.prefix) or path}: {problem}")

    @property
    def result(self) -> tuple[dict[str, JsonValue], list[str]]:
        return dict(sorted(self.values.items())), list(dict.fromkeys(self.problems))


def metric_files(repo: Any, prefix: str) -> set[str]:
    """Return the files that are declared as metrics, relative to the project."""
    paths = (path for path, *_ in _declared_metrics(repo) if path is not None)
    return {path for path in (within(path, prefix) for path in paths) if path is not None}


def _declared_metrics(repo: Any) -> list[tuple[str | None, str, str]]:
    declared = [(out_path(repo, out), out.def_path, out.stage.path) for out in repo.index.outs if out.metric]
    return declared + _top_level(repo, repo.index._metrics)  # noqa: SLF001 - DVC offers no other way to them


def metrics(repo: Any, prefix: str) -> tuple[dict[str, JsonValue], list[str]]:
    """Return ``file:key`` → value of all metrics files, and a sentence for each file that could not be read.

    Values are those that DVC shows (numbers, text, true and false), and short lists of numbers.
    """
    found = _Found(prefix)
    for path in _files(repo, _declared_metrics(repo), found):
        content = _read(repo, path, found, _load)
        if content is None:
            continue
        leaves = [(key, value) for key, value in flatten(content) if _is_metric(value)]
        found.add(path, leaves)
        if not leaves:
            found.told(path, "there is no metric in it")
    return found.result


def params(repo: Any, prefix: str) -> tuple[dict[str, JsonValue], list[str]]:
    """Return ``file:key`` → value of all params files, and a sentence for each file that could not be read."""
    from dvc.dependency import _merge_params

    found = _Found(prefix)
    declared, keys = [], []
    for dependency in repo.index.params:
        path = out_path(repo, dependency)
        declared.append((path, dependency.def_path, dependency.stage.path))
        keys.append({path: list(dependency.params)})
    top_level = _top_level(repo, repo.index._params)  # noqa: SLF001 - DVC offers no other way to them
    if repo.fs.isfile(repo.fs.join(repo.root_dir, _DEFAULT_PARAMS)):
        top_level.append((_DEFAULT_PARAMS, _DEFAULT_PARAMS, repo.fs.join(repo.root_dir, _DEFAULT_PARAMS)))
    keys += [{path: []} for path, _, _ in top_level]
    wanted = _merge_params([one for one in keys if None not in one])
    read = set()
    for path in _files(repo, [*declared, *top_level], found):
        read.add(path)
        content = _read(repo, path, found, lambda repo, path: _load_keys(repo, path, wanted))
        if content:
            found.add(path, flatten(content))
    for path, content in _vars(repo, found):
        if path not in read:
            found.add(path, flatten(content))
    return found.result


def refusal(repo: Any, path: str) -> str | None:
    """Return why a file of the repository is not read; None for one that may be, or that is not there.

    Args:
        repo: DVC's repository, switched to some revision.
        path: relative to the DVC root.
    """
    if is_at_a_commit(repo):
        return _refusal_in_commit(repo, path)
    file = Path(repo.root_dir, path)
    real = Path(os.path.realpath(file))
    homes = repo.scm.root_dir, repo.root_dir, repo.cache.local.path, repo.cache.legacy.path  # DVC links into its cache
    if not any(real.is_relative_to(os.path.realpath(home)) for home in homes):
        return "it is a link to a place outside the repository, which is not read"
    return "it is no regular file" if real.exists() and not (real.is_file() or real.is_dir()) else None


def sentence(error: Exception) -> str:
    """Return why a file could not be read, completing ``file: …``."""
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    text = _PREFIX.sub("", " ".join(str(error).split())) or type(error).__name__
    text = f"it {text}" if text.startswith("is ") else text
    cause = " ".join(str(error.__cause__ or "").split())
    return f"{text} ({one_line(cause, max_chars=200)})" if cause and cause not in text else text


def _top_level(repo: Any, declared: Mapping[str, Iterable[str]]) -> list[tuple[str | None, str, str]]:
    """Return ``(path, as declared, dvc.yaml)`` of what ``metrics:`` or ``params:`` of a ``dvc.yaml`` name."""
    return [
        (repo_path(repo, repo.fs.parent(file), str(name)), str(name), file)
        for file, names in declared.items()
        for name in names
    ]


def _files(repo: Any, declared: Iterable[tuple[str | None, str, str]], found: _Found) -> list[str]:
    """Return what is to be read, each file once, folders as their files; what may not be read is told."""
    files: dict[str, None] = {}
    for path, name, by in declared:
        home = repo_path(repo, repo.root_dir, repo.fs.relpath(by, repo.root_dir))
        if path is None:
            if within(home or "", found.prefix) is not None:
                found.told(name, OUTSIDE)
        elif within(path, found.prefix) is not None:
            problem = refusal(repo, path)
            if problem:
                found.told(path, problem)
            else:
                files.update(dict.fromkeys(_expanded(repo, path)))
    return list(files)


def _expanded(repo: Any, path: str) -> list[str]:
    root = f"/{path}"
    try:
        if repo.dvcfs.isdir(root):
            return [file.lstrip("/") for file in sorted(repo.dvcfs.find(root))]
    except Exception:  # noqa: BLE001 - whatever a remote raises; reading the file will tell
        return [path]
    return [path]


def _read(repo: Any, path: str, found: _Found, load: Callable[[Any, str], Any]) -> Any:
    """Return a file's content; None when it could not be read, which is told."""
    try:
        size = repo.dvcfs.info(f"/{path}").get("size") or 0
        if size <= MAX_BYTES:
            return load(repo, path)
        found.told(path, f"it has {size:,} bytes, and files of more than {MAX_BYTES:,} are not read")
    except FileNotFoundError as error:
        found.told(path, missing(repo, path) or sentence(error))
    except Exception as error:  # noqa: BLE001 - DVC lets through what parsers and remotes raise, and each is told
        found.told(path, sentence(error))
    return None


def missing(repo: Any, path: str) -> str | None:
    """Return why a file of DVC's is not at hand; None for one that DVC does not keep, or that has never been made."""
    for out in repo.index.outs:
        if out.use_cache and out.hash_info and out_path(repo, out) == path:
            remote = repo.config["core"].get("remote")
            if remote is None:
                return "it is not in this clone's cache, and there is no default DVC remote"
            return f"neither this clone's cache nor the DVC remote `{remote}` has it"
    return None


def _load(repo: Any, path: str) -> Any:
    from dvc.utils.serialize import load_path

    content = load_path(f"/{path}", repo.dvcfs, cache=True)
    return content or _nothing(repo, path)


def _nothing(repo: Any, path: str) -> Any:
    """Return what a file holds that DVC takes for empty: a bare zero or false, else an empty mapping."""
    with repo.dvcfs.open(f"/{path}", mode="rb", cache=True) as file:
        try:
            bare = json.loads(file.read())
        except ValueError:
            return {}
    return bare if isinstance(bare, int | float) else {}


def _load_keys(repo: Any, path: str, wanted: Mapping[str, list[str]]) -> Any:
    from dvc.dependency.param import read_param_file

    return read_param_file(repo.dvcfs, f"/{path}", wanted.get(path, []), cache=True)


def _vars(repo: Any, found: _Found) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the files that a templated ``dvc.yaml`` takes values from, with the values that it uses."""
    for stage in repo.index.stages:
        for file, values in (getattr(stage, "tracked_vars", None) or {}).items():
            path = repo_path(repo, repo.fs.getcwd() if is_at_a_commit(repo) else str(Path.cwd()), file)
            if path is None:
                found.told(file, OUTSIDE)
            elif within(path, found.prefix) is not None:
                yield path, values


def _is_metric(value: JsonValue) -> bool:
    if isinstance(value, list):
        return 0 < len(value) <= MAX_LIST and all(type(one) in {int, float} for one in value)
    return isinstance(value, int | float | str)


def _refusal_in_commit(repo: Any, path: str) -> str | None:
    """Return whether a file of a commit, or a folder that it is in, is a link or another repository."""
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        place = repo.fs.join(repo.root_dir, *parts[:count])
        mode = _mode(repo, place)
        if mode is not None and stat.S_ISLNK(mode):
            return "it is a symbolic link, or lies behind one, which is not followed in a commit"
        if mode is not None and stat.S_IFMT(mode) == _SUBMODULE:
            return f"it lies in the Git submodule `{'/'.join(parts[:count])}`, which is not read in a commit"
    return None


def _mode(repo: Any, place: str) -> int | None:
    try:
        return int(repo.fs.info(place)["mode"])
    except (FileNotFoundError, NotADirectoryError, KeyError):
        return None
