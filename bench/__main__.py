"""``python -m bench [NAME…] [OPTION…]``: run the benchmarks of this folder, all of them or the named ones.

Options go to the benchmarks; ``serving`` is the one that has some, see ``bench/serving/README.md``.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

first_option = next((index for index, word in enumerate(sys.argv) if word.startswith("-")), len(sys.argv))
here = Path(__file__).parent
found = [*here.glob("[!_]*.py"), *(package.parent for package in here.glob("*/__init__.py"))]
names = sys.argv[1:first_option] or sorted(path.stem for path in found)
sys.argv[1:] = sys.argv[first_option:]
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
for name in names:
    print(f"\n## {name}")
    importlib.import_module(f"bench.{name}").main()
