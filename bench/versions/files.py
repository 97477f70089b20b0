"""CPU time and peak memory of snapshots and comparisons of many tracked files.

Two shapes: one folder of so many files, as data sets are kept, in the work tree and at a commit; and so many files that
each have a ``.dvc`` of their own, which DVC reads one by one. Each measurement is a fresh process, so that peak memory
is its own; importing DVC is measured alone, to be subtracted.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from ci_core.testing.projects import SampleProject, make_plain_repository

FOLDER: Final = (1_000, 10_000, 100_000)
SINGLE: Final = (300, 3_000)

_MEASURED: Final = """\
import json, re, resource, sys
from pathlib import Path
from ci_core.versioning.compare import compare
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.snapshot import take_snapshot

root, what = Path(sys.argv[1]), sys.argv[2]
dvc = DvcProject(root)
if what == "nothing":
    dvc.repo
elif what == "commits":
    compare(take_snapshot(root, "HEAD~1", dvc=dvc), take_snapshot(root, "HEAD", dvc=dvc))
else:
    compare(take_snapshot(root, "HEAD", dvc=dvc), take_snapshot(root, dvc=dvc))
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which begins with what the parent has in use.
peak_kb = int(re.search("VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([used.ru_utime + used.ru_stime, peak_kb / 1024]))
"""


def main(folder: tuple[int, ...] = FOLDER, single: tuple[int, ...] = SINGLE) -> None:
    """Print one line a measurement."""
    print(f"{'files':>8}  {'shape':12} {'compared':24} {'CPU':>8} {'per file':>10} {'peak memory':>12}")
    for make, sizes in ((_one_folder, folder), (_single_files, single)):
        for count in sizes:
            with tempfile.TemporaryDirectory() as place:
                _measure(make(Path(place), count), count, make.__name__.strip("_").replace("_", " "))


def _measure(root: Path, count: int, shape: str) -> None:
    start_s, start_mb = _run(root, "nothing")
    for what, words in (("commits", "two commits"), ("tree", "a commit, the work tree")):
        if what == "tree":
            _run(root, what)  # DVC keeps what it hashed; a CI run that pulled has it, too
        cpu_s, peak_mb = _run(root, what)
        net_s = cpu_s - start_s
        print(
            f"{count:>8,}  {shape:12} {words:24} {net_s:6.2f} s {net_s / count * 1e6:7.1f} us {peak_mb:8.0f} MB"
            f"  (DVC alone: {start_mb:.0f} MB)",
            flush=True,
        )


def _run(root: Path, what: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(root), what], capture_output=True, text=True, check=True
    )
    cpu_s, peak_mb = json.loads(done.stdout)
    return cpu_s, peak_mb


def _one_folder(place: Path, count: int) -> Path:
    """Make a folder and the ``.dvc`` that one ``dvc add`` of it would write, without filling a cache."""
    project = _project(place)
    digests = {}
    for number in range(count):
        name, text = f"{number // 1000:04}/{number:07}.txt", f"{number}\n"
        project.write(f"data/{name}", text)
        digests[name] = _md5(text)
    project.write(".gitignore", "/data\n")
    for text, message in (("0\n", "all files"), ("changed\n", "one file changed")):
        project.write("data/0000/0000000.txt", text)
        digests["0000/0000000.txt"] = _md5(text)
        listed = json.dumps([{"md5": digests[name], "relpath": name} for name in sorted(digests)])
        project.write("data.dvc", f"outs:\n- md5: {_md5(listed)}.dir\n  nfiles: {count}\n  hash: md5\n  path: data\n")
        project.commit(message)
    return project.root


def _single_files(place: Path, count: int) -> Path:
    """Make files with a ``.dvc`` of their own, as one ``dvc add`` would write them."""
    project = _project(place)
    for number in range(count):
        folder, name, text = f"data/{number // 100:04}", f"{number:07}.txt", f"{number}\n"
        project.write(f"{folder}/{name}", text)
        project.write(
            f"{folder}/{name}.dvc", f"outs:\n- md5: {_md5(text)}\n  size: {len(text)}\n  hash: md5\n  path: {name}\n"
        )
    project.write(".gitignore", "*.txt\n")
    project.commit("all files")
    project.replace("data/0000/0000000.txt.dvc", "size: 2", "size: 3")
    project.commit("one file changed")
    return project.root


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _project(place: Path) -> SampleProject:
    project = make_plain_repository(place)
    _dvc(project, "init", "--quiet")
    project.write("graphship.yaml", "name: files\n")
    return project


def _dvc(project: SampleProject, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=project.root, check=True, capture_output=True, text=True
    )


if __name__ == "__main__":
    main()
