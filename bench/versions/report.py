"""CPU time of ``graphship report`` with nothing stale, beside the same questions put to DVC.

The project has 4 stages, 20 params, 10 metrics and 4 plots; the head differs from the base in two params, all metrics
and plots. Beside it stand a bare script that asks one ``dvc.repo.Repo`` the same, and the five commands that people
paste into a workflow today. Each is a fresh process with bytecode compiled: user + system time with that of its
children, median of interleaved runs.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROUNDS: Final = 11

_STAGE = """\
import json, sys, pathlib
name, number = sys.argv[1], int(sys.argv[2])
params = {k.strip(): float(v) for k, v in (l.split(":") for l in open("params.yaml") if l.startswith("  "))}
rate = params[f"p{number}0"]
pathlib.Path(f"out/{name}.bin").write_text(f"{name} {rate}\\n" * 1000)
rows = [(i, round(1 / (1 + rate * i), 6)) for i in range(200)]
pathlib.Path(f"plots/{name}.csv").write_text("step,loss\\n" + "".join(f"{i},{v}\\n" for i, v in rows))
values = {f"m{i}": round(rate * i + number, 6) for i in range(3 if number in (0, 3) else 2)}
pathlib.Path(f"metrics/{name}.json").write_text(json.dumps(values))
"""

_BARE = """\
import sys
from dvc.repo import Repo
base = sys.argv[1]
with Repo() as repo:
    repo.status()
    repo.metrics.diff(a_rev=base)
    repo.params.diff(a_rev=base)
    repo.diff(a_rev=base)
    list(repo.plots.diff(revs=[base, "workspace"]).values())
"""

_COMMANDS: Final = (
    ["status", "--json"],
    ["metrics", "diff", "--json", "BASE"],
    ["params", "diff", "--json", "BASE"],
    ["diff", "--json", "BASE"],
    ["plots", "diff", "--json", "BASE"],
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        base = _make(root)
        tools = Path(sys.executable).parent
        report = [str(tools / "graphship"), "report", base]
        parts = [f"--without={part}" for part in ("behaviour", "tables", "html")]
        ways: dict[str, list[list[str]]] = {
            "report, Markdown and JSON": [[*report, *parts]],
            "the same with HTML": [[*report, *parts[:2]]],
            "the same with tables": [[*report, *parts[:1]]],
            "bare dvc.repo.Repo": [[sys.executable, "-c", _BARE, base]],
            "five dvc commands": [
                [str(tools / "dvc"), *(base if word == "BASE" else word for word in words)] for words in _COMMANDS
            ],
        }
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS + 1):
            for name, commands in ways.items():
                took[name].append(sum(_cpu_s(command, root) for command in commands))
        _say({name: statistics.median(values[1:]) for name, values in took.items()})


def _say(took: dict[str, float]) -> None:
    bare, five = took["bare dvc.repo.Repo"], took["five dvc commands"]
    print(f"{'':28}{'CPU':>8}  {'x bare':>7} {'x five':>7}")
    for name, value in took.items():
        print(f"{name:28}{value:7.2f}s  {value / bare:7.2f} {value / five:7.2f}")
    print("goals: report, Markdown and JSON at most 1.6 x bare and 0.6 x five")


def _cpu_s(command: list[str], root: Path) -> float:
    """Return user + system seconds of one process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=root, env=_env(), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _env() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "DVC_NO_ANALYTICS": "1", "NO_COLOR": "1"}


def _make(root: Path) -> str:
    """Make the project and return the base commit; the work tree is the head, with nothing stale."""
    for name in ("out", "plots", "metrics"):
        (root / name).mkdir(parents=True)
        (root / name / ".keep").touch()
    (root / "stage.py").write_text(_STAGE)
    (root / "graphship.yaml").write_text("name: bench\ngates:\n  metrics/s3.json:m1: {max: 100}\n")
    (root / "data.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(1000)))
    (root / "dvc.yaml").write_text(json.dumps({"stages": {f"s{number}": _stage(number) for number in range(4)}}))
    _write_params(root, 0.1)
    for command in (["git", "init", "-q", "-b", "main"], ["git", "config", "user.email", "bench@example.org"]):
        subprocess.run(command, cwd=root, check=True)
    subprocess.run(["git", "config", "user.name", "bench"], cwd=root, check=True)
    dvc = str(Path(sys.executable).with_name("dvc"))
    for command in ([dvc, "init", "-q"], [dvc, "add", "-q", "data.csv"], [dvc, "repro", "-q"]):
        subprocess.run(command, cwd=root, env=_env(), check=True, capture_output=True)
    base = _commit(root)
    _write_params(root, 0.2)
    (root / "data.csv").write_text("x,y\n" + "".join(f"{i},{i * i + 1}\n" for i in range(1100)))
    for command in ([dvc, "add", "-q", "data.csv"], [dvc, "repro", "-q"]):
        subprocess.run(command, cwd=root, env=_env(), check=True, capture_output=True)
    _commit(root)
    return base


def _stage(number: int) -> dict[str, object]:
    name, before = f"s{number}", f"out/s{number - 1}.bin" if number else "data.csv"
    return {
        "cmd": f"{sys.executable} stage.py {name} {number}",
        "deps": [before, "stage.py"],
        "params": [f"train.p{number}{i}" for i in range(5)],
        "outs": [f"out/{name}.bin"],
        "metrics": [{f"metrics/{name}.json": {"cache": False}}],
        "plots": [{f"plots/{name}.csv": {"cache": False, "x": "step", "y": "loss"}}],
    }


def _write_params(root: Path, rate: float) -> None:
    lines = [f"  p{stage}{i}: {rate if i == 0 else i}" for stage in range(4) for i in range(5)]
    (root / "params.yaml").write_text("\n".join(["train:", *lines]) + "\n")


def _commit(root: Path) -> str:
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "a version"], cwd=root, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
