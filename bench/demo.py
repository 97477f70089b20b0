"""Wall and CPU time of ``graphship demo``, step by step.

Run: ``python -m bench demo``. CPU is user + system time of the demo and the programs it waited for; the detached
supervisor and its servers are not in it.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [str(Path(sys.executable).with_name("graphship")), "demo"]
        output = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
        seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    table = output[output.index("What you saw") :]
    for number, step, result, took in re.findall(r"^ +(\d) +(\S.*?) {2,}(\S.*?) +([\d.]+) s", table, re.MULTILINE):
        print(f"{number}  {step:25} {float(took):6.1f} s  {result}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"whole demo: {seconds:.1f} s wall, {cpu_s:.1f} s CPU (goal: at most 90 s wall on 2 quiet cores)")


if __name__ == "__main__":
    main()
