"""Find what a first ``graphship.yaml`` of a repository can name. Reads files, imports none of its code."""

from __future__ import annotations

import json
import math
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci_core.config.tracked import entries, read_outputs, read_pipeline
from ci_core.errors import InvalidDvcFileError
from ci_core.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ci_core.types import JsonValue

_MAX_METRICS = 40
_MAX_PYTHON_FILES = 1_000
_MAX_PYTHON_BYTES = 200_000

_MODEL_SUFFIXES = (".onnx", ".skops", ".safetensors", ".ubj", ".cbm", ".joblib", ".pkl", ".pickle")
"""What a model file ends in, the best to serve first."""

_SMOKE_FILES = ("serving/requests.jsonl", "serving/smoke.jsonl", "requests.jsonl", "smoke.jsonl")

_SKIPPED_FOLDERS = frozenset({"node_modules", "site-packages", "venv", "env", "build", "dist", "__pycache__", "tests"})

_GRAPH_IMPORT = re.compile(r"^\s*(?:from|import)\s+ci_core\.serving\b", re.MULTILINE)
_GRAPH_NAME = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*\(?\s*(?:\w+\.)*Graph\(", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number in a metrics file."""

    key: str
    """As a gate names it: ``metrics.json:auc``."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found; a path that is None was not."""

    name: str
    """Made from the folder's name."""
    has_pipeline: bool
    """Whether there is a ``dvc.yaml``."""
    metrics_files: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    """The numbers in those metrics files that are on the disk."""
    params_files: tuple[str, ...] = ()
    model: str | None = None
    """A stage's output that looks like a model."""
    table: str | None = None
    """A Parquet file that DVC tracks and that looks like what the model was made from."""
    graph: str | None = None
    """``path/to/file.py:name`` of a Graph object."""
    smoke: str | None = None


def survey(root: Path) -> Survey:
    """Return what the project in `root` has.

    Raises:
        InvalidDvcFileError: ``dvc.yaml`` cannot be read.
    """
    pipeline = read_pipeline(root)
    if pipeline.problems:
        message = "\n".join(f"{problem.location}: {problem.fact}" for problem in pipeline.problems)
        raise InvalidDvcFileError(file="dvc.yaml", message=message)
    outputs = [output for output in read_outputs(root)[0] if "*" not in output.path]
    stages = pipeline.value if isinstance(pipeline.value, dict) else {}
    metrics_files = _unique([it.path for it in outputs if it.kind == "metrics"] + list(entries(stages.get("metrics"))))
    kept = [it.path for it in outputs if it.kind == "outs"]
    return Survey(
        name=project_name(root.resolve().name),
        has_pipeline=(root / "dvc.yaml").is_file(),
        metrics_files=metrics_files,
        metrics=tuple(_metrics(root, metrics_files))[:_MAX_METRICS],
        params_files=_params_files(root, stages),
        model=_likely_model(kept),
        table=_likely_table([*kept, *_added_files(root)]),
        graph=_find_graph(root),
        smoke=next((path for path in _SMOKE_FILES if (root / path).is_file()), None),
    )


def project_name(folder: str) -> str:
    """Return a valid project name that resembles the folder's: ``Größe 2`` is ``gro-e-2``."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "replace").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "-", plain.replace("?", "-"))
    return plain.lstrip("-0123456789")[:50].strip("-") or "project"


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _metrics(root: Path, paths: Iterable[str]) -> Iterator[Metric]:
    for path in paths:
        try:
            data = (root / path).read_bytes()
        except OSError:
            continue
        for key, value in _numbers(_parsed(path, data), ()):
            yield Metric(key=f"{path}:{key}", value=value)


def _parsed(path: str, data: bytes) -> JsonValue:
    """Return the content of a metrics file; None for what is neither JSON nor YAML."""
    if path.endswith((".yaml", ".yml")):
        return parse_yaml(data, file=path).value
    try:
        content: JsonValue = json.loads(data)
    except ValueError:
        return None
    return content


def _numbers(value: JsonValue, path: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, (*path, str(key)))
    elif isinstance(value, int | float) and not isinstance(value, bool) and path and math.isfinite(value):
        yield ".".join(path), float(value)


def _params_files(root: Path, pipeline: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return the params files that stages name; ``params.yaml`` is the one that DVC takes when none is named."""
    stages = pipeline.get("stages")
    named: list[str] = []
    for stage in stages.values() if isinstance(stages, dict) else ():
        params = stage.get("params") if isinstance(stage, dict) else None
        for item in params if isinstance(params, list) else ():
            named += [str(file) for file in item] if isinstance(item, dict) else ["params.yaml"]
    return _unique(file for file in named if (root / file).is_file())


def _likely_model(paths: Iterable[str]) -> str | None:
    ranked = [
        (_MODEL_SUFFIXES.index(suffix), path) for path in paths if (suffix := Path(path).suffix) in _MODEL_SUFFIXES
    ]
    return min(ranked)[1] if ranked else next((path for path in paths if "model" in PurePosixPath(path).name), None)


def _likely_table(paths: Iterable[str]) -> str | None:
    tables = [path for path in paths if path.endswith(".parquet")]
    for word in ("reference", "train"):
        for path in tables:
            if word in PurePosixPath(path).name.lower():
                return path
    return tables[0] if len(tables) == 1 else None


def _added_files(root: Path) -> Iterator[str]:
    """Yield what was added with ``dvc add``."""
    for file in _walk(root, ".dvc"):
        yield file.removesuffix(".dvc")


def _find_graph(root: Path) -> str | None:
    for count, path in enumerate(_walk(root, ".py")):
        if count == _MAX_PYTHON_FILES:
            break
        file = root / path
        try:
            text = file.read_text(encoding="utf-8") if file.stat().st_size <= _MAX_PYTHON_BYTES else ""
        except (OSError, UnicodeDecodeError):
            continue
        if _GRAPH_IMPORT.search(text) and (found := _GRAPH_NAME.search(text)):
            return f"{path}:{found[1]}"
    return None


def _walk(root: Path, suffix: str) -> Iterator[str]:
    """Yield the files below `root` with that suffix, sorted, without hidden folders and installed packages."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            if name.endswith(suffix) and name != suffix:
                yield (Path(folder) / name).relative_to(root).as_posix()
