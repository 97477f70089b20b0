"""Content differences of tables and folders: CPU beside DuckDB reading the same files once, and peak memory.

Run: ``python -m bench versions --only tables``; ``--rows 1000000`` leaves the ten million out. Each measurement is a
process of its own; CPU is user + system time of the comparison, imports and the making of files apart. The floor is one
statement a file whose aggregates need every value of all forty columns. Files are made in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
COLUMNS = 40


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench versions --only tables")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--entries", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options = parser.parse_args()
    for rows in options.rows:
        with tempfile.TemporaryDirectory(prefix="graphship-bench-") as folder:
            _tables(Path(folder), rows)
    for entries in options.entries:
        with tempfile.TemporaryDirectory(prefix="graphship-bench-") as folder:
            _lists(Path(folder), entries)


def _tables(folder: Path, rows: int) -> None:
    for side, seed in (("old", 0.1), ("new", 0.2)):
        _apart("make", folder / f"{side}.parquet", rows, seed)
    rounds = ROUNDS if rows <= 1_000_000 else 1
    measured: dict[str, list[dict[str, float]]] = {"read": [], "compare": []}
    for _ in range(rounds):
        for job, found in measured.items():
            found.append(_apart(job, folder / "old.parquet", folder / "new.parquet"))
    cpu = {job: statistics.median(one["cpu_s"] for one in found) for job, found in measured.items()}
    ratio = statistics.median(
        ours["cpu_s"] / floor["cpu_s"] for ours, floor in zip(measured["compare"], measured["read"], strict=True)
    )
    peak = max(one["peak_mb"] for one in measured["compare"])
    print(f"two Parquet files of {rows:,} x {COLUMNS}, median of {rounds}")
    print(f"  DuckDB reads both once   {cpu['read']:6.2f} s CPU")
    print(f"  content difference       {cpu['compare']:6.2f} s CPU, peak {peak:.0f} MB (goal: at most 600)")
    print(f"  ratio                    {ratio:6.2f} (goal: at most 3)", flush=True)


def _lists(folder: Path, entries: int) -> None:
    _apart("make-lists", folder / "old.dir", folder / "new.dir", entries)
    found = _apart("compare-lists", folder / "old.dir", folder / "new.dir")
    cost = found["cpu_s"] / entries * 1e6
    print(
        f"two folders of {entries:9,} files: {found['cpu_s']:6.2f} s CPU ({cost:.1f} us a file), "
        f"peak {found['peak_mb']:.0f} MB",
        flush=True,
    )


def _apart(*arguments: object) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.versions.tables", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    found: dict[str, float] = json.loads(done.stdout)
    return found


# --- what runs in a process of its own ----------------------------------------------------------------------------


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _job(name: str, *arguments: str) -> None:
    if name in {"compare", "compare-lists"}:
        import scipy.special  # noqa: F401 - imports are not what is measured

        import ci_core.monitoring.table_content
        import ci_core.versioning.folder_lists  # noqa: F401
    if name == "read":
        import duckdb  # noqa: F401
    start = _cpu_s()
    _JOBS[name](*arguments)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000 * 1.024
    print(json.dumps({"cpu_s": _cpu_s() - start, "peak_mb": peak_mb}))


def _make(path: str, rows: str, seed: str) -> None:
    import duckdb

    normal = "sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"
    columns = [f"{normal} * {place + 1} + {10 * place} AS normal_{place}" for place in range(15)]
    columns += ["row AS number"]
    columns += [f"exp(2 * random() + {place} * random()) AS skewed_{place}" for place in range(6)]
    columns += [f"CAST(floor(random() * {10 ** (place + 1)}) AS BIGINT) AS whole_{place}" for place in range(4)]
    columns += [f"CASE WHEN random() < 0.7 THEN 0 ELSE random() * 20 END AS rain_{place}" for place in range(2)]
    columns += [f"CASE WHEN random() < 0.9 THEN CAST(random() AS FLOAT) END AS gaps_{place}" for place in range(2)]
    columns += [f"random() < 0.3 AS flag_{place}" for place in range(2)]
    columns += [
        f"'level ' || CAST(floor({levels} * random() * random()) AS INTEGER) AS levels_{levels}"
        for levels in (3, 10, 40, 150, 5000)
    ]
    columns += ["md5(CAST(row AS VARCHAR)) AS id", "TIMESTAMP '2024-01-01' + INTERVAL (row) SECOND AS time"]
    columns += ["CAST(random() * 1000 AS DECIMAL(12, 2)) AS price"]
    assert len(columns) == COLUMNS
    with duckdb.connect(config={"memory_limit": "1GB", "preserve_insertion_order": False}) as connection:
        connection.execute(f"SELECT setseed({seed})")
        connection.execute(f"COPY (SELECT {', '.join(columns)} FROM range({rows}) AS t(row)) TO '{path}'")


def _read(*paths: str) -> None:
    import duckdb

    whole = {"VARCHAR": "max(strlen({}))", "BOOLEAN": "count_if({})", "TIMESTAMP": "sum(epoch_us({}))"}
    with duckdb.connect(config={"threads": 4}) as connection:
        for path in paths:
            described = connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
            aggregates = [whole.get(kind, "sum({})").format(name) for name, kind, *_ in described]
            connection.execute(f"SELECT {', '.join(aggregates)} FROM '{path}'").fetchall()


def _compare(old: str, new: str) -> None:
    from ci_core.monitoring.table_content import compare_versions
    from ci_core.monitoring.table_files import TableFiles

    sides = [TableFiles(kind="parquet", files=((Path(path).name, Path(path).resolve()),)) for path in (old, new)]
    found = compare_versions("table.parquet", *sides)
    assert found.problem is None
    assert not any(column.has_drifted for column in found.columns)


def _make_lists(old: str, new: str, entries: str) -> None:
    count = int(entries)
    versions = (
        (old, ((place, f"a{place}") for place in range(count))),
        # A tenth is gone, a tenth is new, a tenth of the rest has other content.
        (new, ((p, f"b{p}" if p % 10 == 0 else f"a{p}") for p in range(count // 10, count + count // 10))),
    )
    import hashlib

    for path, files in versions:
        with Path(path).open("w") as file:
            file.write("[")
            for index, (place, content) in enumerate(files):
                oid = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
                file.write((", " if index else "") + json.dumps({"md5": oid, "relpath": f"img/{place:09d}.png"}))
            file.write("]")


def _compare_lists(old: str, new: str) -> None:
    from ci_core.versioning.folder_lists import folder_difference

    folder_difference(Path(old), Path(new))


_JOBS: dict[str, Callable[..., None]] = {
    "make": _make, "read": _read, "compare": _compare, "make-lists": _make_lists, "compare-lists": _compare_lists,
}  # fmt: skip

if __name__ == "__main__":
    _job(*sys.argv[1:])
