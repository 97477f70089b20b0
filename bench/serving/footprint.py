"""What the `serve` extra brings: packages and megabytes beside numpy, and CPU time of its imports in numpy's.

Run: ``python -m bench.serving.footprint [--rounds N] [--json FILE]``. It makes an environment in a temporary folder,
from this checkout and the package index. Sizes are those of the files that a package lists, without bytecode.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.serving.report import Report, arguments, finish, ratio
from bench.serving.venvs import PYTHON

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = Path(__file__).parents[2]
_LIST = """
import importlib.metadata, json, pathlib
found = {}
for one in importlib.metadata.distributions():
    files = [pathlib.Path(one.locate_file(file)) for file in one.files or ()]
    found[one.metadata["Name"]] = sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")
print(json.dumps(found))
"""
_TIME = "import time; s = time.process_time(); {code}; print(time.process_time() - s)"
_IMPORTS = {
    "nothing": "pass",
    "numpy": "import numpy",
    "ci_core.serving": "import ci_core.serving",
    "all of a serving process": (
        "import ci_core.serving.process, ci_core.serving.models.base, granian.server.embed, uvloop, numpy"
    ),
}


def main(arguments_given: Sequence[str] | None = None) -> Report:
    options = arguments(__doc__, rounds=9).parse_args(arguments_given)
    with tempfile.TemporaryDirectory(prefix="graphship-bench-") as folder:
        python = _install(Path(folder) / "venv")
        sizes: dict[str, int] = json.loads(_run([python, "-c", _LIST]))
        times = _import_times(python, options.rounds)
    return finish(_report(sizes, times), options)


def _install(place: Path) -> str:
    python = str(place / "bin" / "python")
    _run(["uv", "venv", "--quiet", "--python", PYTHON, str(place)])
    install = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    _run([*install, f"{_ROOT.resolve()}[serve]"])
    return python


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tempfile.gettempdir())
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def _import_times(python: str, rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, code in _IMPORTS.items():
            times.setdefault(name, []).append(float(_run([python, "-c", _TIME.format(code=code)])) * 1e3)
    return {name: statistics.median(found) for name, found in times.items()}


def _report(sizes: dict[str, int], times: dict[str, float]) -> Report:
    result = Report("footprint", ("what", "figure", "unit"))
    others = {name: size for name, size in sorted(sizes.items()) if name not in {"numpy", "graphship"}}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        result.add(f"{name}, installed", size / 1e6, "MB")
    for name, spent in times.items():
        result.add(f"import {name}", spent, "ms CPU")
    result.at_most("packages beside numpy and graphship itself", len(others), 8, "packages")
    result.at_most("the same packages, installed", sum(others.values()) / 1e6, 45, "MB")
    for name in ("ci_core.serving", "all of a serving process"):
        result.at_most(f"import {name} / import numpy", ratio(times[name], times["numpy"]), 3.0)
    return result


if __name__ == "__main__":
    main()
