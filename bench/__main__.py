"""``python -m bench [NAME…]``: run the benchmarks of this folder, all of them or the named ones."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

names = sys.argv[1:] or sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
for name in names:
    print(f"\n## {name}")
    importlib.import_module(f"bench.{name}").main()
