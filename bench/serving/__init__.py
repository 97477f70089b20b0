"""``python -m bench serving``: what serving a graph costs, beside the least it could cost and beside other servers."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

from bench.serving.report import Report, machine

PARTS = ("engine", "http", "batching", "observability", "binary", "workers", "footprint", "tail")
_WITH_PEERS = frozenset({"engine", "http"})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench serving")
    parser.add_argument("--peers", action="store_true", help="measure other servers, too; installs them first")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run (default: all)")
    parser.add_argument("--rounds", type=int, help="of every part (default: its own)")
    parser.add_argument("--seconds", type=float, help="of a round (default: the part's own)")
    parser.add_argument("--json", type=Path, help="write all reports there")
    options = parser.parse_args()
    start = machine()
    reports = [_run(part, options) for part in options.only]
    if options.json is not None:
        options.json.write_text(json.dumps(start | {"reports": [one.as_dict() for one in reports]}, indent=1) + "\n")


def _run(part: str, options: argparse.Namespace) -> Report:
    print(f"\n### {part}", flush=True)
    given: list[str] = ["--peers"] if options.peers and part in _WITH_PEERS else []
    if options.rounds is not None:
        given += ["--rounds", str(options.rounds)]
    if options.seconds is not None and part not in {"engine", "binary", "workers", "footprint"}:
        given += ["--seconds", str(options.seconds)]
    report: Report = importlib.import_module(f"bench.serving.{part}").main(given)
    return report
