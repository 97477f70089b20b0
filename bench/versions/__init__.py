"""``python -m bench versions [--only PART] [OPTION…]``: what comparing two versions of a project costs.

Each part is a module here with ``main()``, which finds its own options, if it has any, in ``sys.argv``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> None:
    parts = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
    if sys.argv[1:2] == ["--only"]:
        parts, sys.argv[1:] = [part for part in parts if part in sys.argv[2:3]], sys.argv[3:]
    if not parts:
        sys.exit("--only takes the name of a module of bench/versions")
    for part in parts:
        print(f"\n### {part}", flush=True)
        importlib.import_module(f"bench.versions.{part}").main()
